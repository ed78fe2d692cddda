"""How calibrated a recogniser is on voices that nothing was fitted to, and what it says of others.

    python benchmarks/calibration.py FITTED TESTED --corpora CORPORA

FITTED and TESTED are two networks of one recipe, neither calibrated. FITTED has not heard the
speakers of ``joint-validation``, TESTED has not heard those of ``joint-test``. The temperature, the
label sets and what training is like are fitted to what FITTED says of the former; measured is what
TESTED, calibrated so, says of the latter, of whom nothing was known to either. The folds of
``benchmarks/results/benchmark`` are calibrated by one another besides.

Figures go to ``benchmarks/results/calibration.json``, pictures to ``docs/images``; about ten
minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from pathlib import Path

import numpy as np

from emotionrecog import EmotionRecognizer, __version__, audio, datasets, plots
from emotionrecog.evaluation import Predictions, calibration_error, risk_coverage
from emotionrecog.evaluation.conditions import CONDITIONS
from emotionrecog.evaluation.predictions import collect
from emotionrecog.inference.reliability import LabelSets
from emotionrecog.splits import protocols
from emotionrecog.splits.dividing import sample_clips, speaker_parts
from emotionrecog.training.calibration import calibrate, fit_temperature, sharpened

ROOT = Path(__file__).parents[1]
COVERAGES = (0.8, 0.9, 0.95)
CONFIDENCES = (0.5, 0.7, 0.9)
FITTED = ("ravdess", "crema_d")  # enough speakers
FOLDED = ("ravdess/subject5", "ravdess/emobox6", "cremad/emosuperb5")
RATE = 16_000
SPOILT = (
    *("white noise, 20 dB SNR", "white noise, 10 dB SNR", "white noise, 0 dB SNR"),
    *("pink noise, 10 dB SNR", "pink noise, 0 dB SNR"),
    *("clipped, 6 dB below the peak", "clipped, 12 dB below the peak"),
    *("clipped, 18 dB below the peak", "telephone band, 300 to 3400 Hz", "low-pass, 2 kHz"),
    *("room, 1 s, 0 dB direct", "cropped, to 50 %", "Opus, 16 kbit/s", "quieter, 20 dB"),
)


def perfect(confidence: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Return the mean calibration error, and what it exceeds in one of 20 draws, of perfection.

    Answers are right as often as they say, and the error is above 0 because they are few.
    """
    errors = [
        calibration_error(confidence, rng.uniform(size=len(confidence)) < confidence)
        for _ in range(1000)
    ]
    return float(np.mean(errors)), float(np.quantile(errors, 0.95))


def sounds() -> dict[str, np.ndarray]:
    """Return three seconds each of what is no speech."""
    rng = np.random.default_rng(0)
    t = np.arange(3 * RATE) / RATE

    def tones(hertz, *, overtones=1, decay=0.0, step=0.5):
        waves = (np.sin(2 * np.pi * k * h * t) / k for h in hertz for k in range(1, overtones + 1))
        return sum(waves) * np.exp(-decay * (t % step))

    def coloured(power):
        spectrum = np.fft.rfft(rng.normal(size=len(t)))
        return np.fft.irfft(spectrum / np.arange(1, len(spectrum) + 1) ** power, len(t))

    scale = (262, 294, 330, 349, 392, 440, 494, 523, 494, 440, 392, 330)
    which = np.minimum((t / 0.25).astype(int), len(scale) - 1)
    phase = 2 * np.pi * np.cumsum(np.take(scale, which)) / RATE
    melody = sum(np.sin(k * phase) / k for k in range(1, 6)) * np.exp(-5 * (t % 0.25))
    sweep = 2 * np.pi * (120 * t + 20 * t**2)
    return {
        "hum of 50 Hz with overtones": tones([50], overtones=6),
        "hum of 150 Hz": tones([150]),
        "tone of 1 kHz": tones([1000]),
        "chirp from 200 Hz to 2 kHz": np.sin(2 * np.pi * (200 * t + 300 * t**2)),
        "buzz from 120 to 240 Hz": sum(np.sin(k * sweep) / k for k in range(1, 30)),
        "white noise": coloured(0.0),
        "pink noise": coloured(0.5),
        "brown noise": coloured(1.0),
        "white noise that swells four times a second": coloured(0.0) * (1 + np.sin(8 * np.pi * t)),
        "bursts of pink noise": coloured(0.5) * (t % 0.5 < 0.3),
        "clicks, four a second": (np.arange(len(t)) % 4000 == 0) * 1.0,
        "chord, held": tones([262, 330, 392], overtones=3),
        "chord, struck twice a second": tones([262, 330, 392], overtones=3, decay=6),
        "melody, four notes a second": melody,
    }


def made_of(samples: np.ndarray, level: float = 0.1) -> tuple[np.ndarray, int]:
    """Return a recording of a sound, with the noise of 16 bits."""
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, len(samples)) / 2**15
    scaled = level * samples / np.abs(samples).max() + noise
    return scaled.astype(np.float32), RATE


def headings(reasons: tuple[str, ...]) -> list[str]:
    """Return what is wrong, without the figures."""
    return [reason.partition(":")[0] for reason in reasons]


def told(recognizer, clips):
    """Return the answers to clips, those that were given."""
    answers = recognizer.predict_batch((u.path for u in clips), on_error="keep")
    pairs = [(u, a) for u, a in zip(clips, answers, strict=True) if not isinstance(a, Exception)]
    return [u for u, _ in pairs], [a for _, a in pairs]


def arrays(recognizer, clips, answers):
    """Return probabilities, numbers of the labels acted, corpora and speakers."""
    return (
        np.array([list(answer.probabilities.values()) for answer in answers]),
        np.array([recognizer.labels.index(u.emotion) for u in clips]),
        np.array([u.corpus for u in clips]),
        np.array([u.speaker for u in clips]),
    )


def both_scores(shares, acted, corpora, speakers):
    """Compare two scores of sets on the speakers they are fitted to, a fifth at a time.

    One less the probability; and the sum of the probabilities down to it (Romano, Sesia, Candès:
    "Classification with valid and adaptive coverage", NeurIPS 2020, not randomised).
    """
    order = np.argsort(-shares, axis=1, kind="stable")
    summed = np.empty_like(shares)
    np.put_along_axis(summed, order, np.take_along_axis(shares, order, 1).cumsum(axis=1), 1)
    rows = []
    part = speaker_parts(corpora.tolist(), speakers.tolist())
    weights = 1 / np.array([np.sum(speakers == speaker) for speaker in speakers])
    right = np.arange(len(acted)), acted
    for name, scores in (("1 - probability", 1 - shares), ("sum of probabilities", summed)):
        for coverage in COVERAGES:
            chosen = np.zeros(shares.shape, dtype=bool)
            for number in np.unique(part):
                own, others = part == number, part != number
                limit = np.quantile(
                    np.append(scores[right][others], np.inf),
                    coverage,
                    weights=np.append(weights[others], 1.0),
                    method="inverted_cdf",
                )
                chosen[own] = scores[own] <= limit
            chosen[np.arange(len(acted)), shares.argmax(axis=1)] = True
            covered, size = (
                np.average(values, weights=weights) for values in (chosen[right], chosen.sum(1))
            )
            rows.append({"score": name, "coverage": coverage, "covered": covered, "size": size})
    return rows


def by_corpus(before, after, sets, answers, clips, labels, rng):
    """Return the rows of the corpora: calibration, sets, what is kept, what is doubted."""
    shares, acted, corpora, speakers = after
    rows = []
    closed = [
        Predictions(
            labels=labels,
            utterances=tuple(clips),
            probabilities=given,
            durations=np.full(len(clips), np.nan),
        ).among_acted()
        for given in (before[0], shares)
    ]
    for corpus in dict.fromkeys(corpora.tolist()):
        own = corpora == corpus
        row = {
            "corpus": corpus,
            "n_clips": int(own.sum()),
            "n_speakers": len(set(speakers[own].tolist())),
        }
        for when, any_of, acted_of in (
            ("before", before[0], closed[0]),
            ("after", shares, closed[1]),
        ):
            for among, given in (("any", any_of[own]), ("acted", acted_of[own])):
                sure, hit = given.max(axis=1), given.argmax(axis=1) == acted[own]
                mean, high = perfect(sure, rng)
                row[f"{when}_{among}"] = {
                    "accuracy": hit.mean(),
                    "confidence": sure.mean(),
                    "ece": calibration_error(sure, hit),
                    "perfect_ece": mean,
                    "perfect_ece_95": high,
                    "aurc": risk_coverage(sure, hit)[1].mean(),
                }
        right = acted[own]
        row["sets"] = []
        for coverage in COVERAGES:
            chosen = [sets.of(share, coverage) for share in shares[own]]
            covered = np.mean([a in one for a, one in zip(right, chosen, strict=True)])
            size = np.mean([len(one) for one in chosen])
            row["sets"].append({"coverage": coverage, "covered": covered, "size": size})
        sure, hit = shares[own].max(axis=1), shares[own].argmax(axis=1) == right
        row["kept"] = [
            {
                "min_confidence": least,
                "kept": np.mean(sure >= least),
                "accuracy_kept": hit[sure >= least].mean() if (sure >= least).any() else None,
            }
            for least in CONFIDENCES
        ]
        reasons = [headings(a.reasons) for a, is_own in zip(answers, own, strict=True) if is_own]
        row["reliable"] = np.mean([not one for one in reasons])
        row["doubted"] = dict(Counter(name for one in reasons for name in one))
        rows.append(row)
    return rows


def by_folds(folder, rng):
    """Return how calibrated the networks of a benchmark are, each fold fitted by the others.

    All speakers of a corpus take part, whom the network that answered had not heard; nor was the
    temperature fitted to any of the fold.
    """
    rows = []
    for name in FOLDED:
        path = folder / name.replace("/", "-")
        if not (path / "summary.json").is_file():
            continue
        folds = json.loads((path / "run.json").read_text(encoding="utf-8"))["folds"]
        tables = [Predictions.read_csv(path / f"{fold.replace('/', '-')}.csv") for fold in folds]
        after, temperatures = [], []
        for table in tables:
            others = [other for other in tables if other is not table]
            shares, acted = (
                np.concatenate([getattr(other, part) for other in others])
                for part in ("probabilities", "acted")
            )
            temperatures.append(fit_temperature(shares, acted, np.ones(len(acted))))
            after.append(sharpened(table.probabilities, temperatures[-1]))
        acted = np.concatenate([table.acted for table in tables])
        before, after = np.concatenate([t.probabilities for t in tables]), np.concatenate(after)
        mean, high = perfect(after.max(axis=1), rng)
        rows.append(
            {
                "protocol": name,
                "n_clips": len(acted),
                "n_speakers": len({u.speaker for table in tables for u in table.utterances}),
                "temperatures": temperatures,
                "before": calibration_error(before.max(axis=1), before.argmax(axis=1) == acted),
                "after": calibration_error(after.max(axis=1), after.argmax(axis=1) == acted),
                "perfect_ece": mean,
                "perfect_ece_95": high,
            }
        )
    return rows


def spoilt(recognizer, clips):
    """Return how many recordings are doubted once they are spoilt, and how many answers stay."""
    clean = [recognizer.predict(u.path) for u in clips]
    conditions = {condition.name: condition for condition in CONDITIONS}
    rows = []
    for name in SPOILT:
        answers = []
        for number, clip in enumerate(clips):
            waveform = conditions[name].apply(audio.load(clip.path), np.random.default_rng(number))
            answers.append(recognizer.predict(waveform))
        same = [a.emotion == b.emotion for a, b in zip(answers, clean, strict=True)]
        rows.append(
            {
                "condition": name,
                "doubted": np.mean([not a.is_reliable for a in answers]),
                "unchanged": np.mean(same),
                "reasons": dict(Counter(r for a in answers for r in headings(a.reasons))),
            }
        )
    return rows


def cost(recognizer, clip):
    """Return what the checks take, in ms, for three seconds of speech."""
    samples = audio.load(clip.path, sampling_rate=recognizer.artifact.features.sampling_rate)
    rate = samples.sampling_rate
    given = (np.resize(samples.samples, 3 * rate), rate)
    times = {recognizer.predict: [], recognizer.probabilities: []}
    for _ in range(200):  # in turn, and processor time, so that other programs matter little
        for ask, own in times.items():
            began = time.process_time()
            ask(given)
            own.append(time.process_time() - began)
    best = [1000 * min(own) for own in times.values()]
    return {"predict_ms": best[0], "without_checks_ms": best[1]}


def rounded(value):
    """Return figures to four decimals, ready for JSON."""
    if isinstance(value, dict):
        return {name: rounded(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(inner) for inner in value]
    return round(float(value), 4) if isinstance(value, float | np.floating) else value


def main() -> None:
    """Measure, write and draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("fitted", type=Path)
    parser.add_argument("tested", type=Path)
    parser.add_argument("--corpora", default=os.environ.get("EMOTIONRECOG_CORPORA"))
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks/results/calibration.json")
    parser.add_argument("--pictures", type=Path, default=ROOT / "docs/images")
    parser.add_argument("--spoilt", type=int, default=100, help="recordings (default: %(default)s)")
    arguments = parser.parse_args()
    if not arguments.corpora:
        parser.error("--corpora or EMOTIONRECOG_CORPORA must name the folder of the corpora")

    utterances = datasets.read(arguments.corpora)
    fitted, tested = (EmotionRecognizer.load(p) for p in (arguments.fitted, arguments.tested))
    (watched,), (unheard,) = (
        protocols.get(name).folds(utterances) for name in ("joint-validation", "joint-test")
    )
    for recognizer, clips in ((fitted, [*watched.test, *unheard.test]), (tested, unheard.test)):
        shared = set(recognizer.artifact.training["speakers"]) & {u.speaker for u in clips}
        if shared or recognizer.artifact.temperature != 1:
            parser.error(f"{recognizer}: calibrated, or trained on {sorted(shared)}")

    predictions = collect(fitted, fitted.labels, watched.test, None, -1)
    learnt = set(tested.artifact.training["speakers"])
    calibrated = calibrate(
        tested,
        predictions,
        train_set=[u for u in utterances if u.speaker in learnt],
        protocol=watched.name,
    )
    shares, acted = predictions.probabilities, predictions.acted
    corpora, speakers = (
        np.array(names)
        for names in (predictions.corpora, [u.speaker for u in predictions.utterances])
    )
    temperature = calibrated.artifact.temperature
    scores = both_scores(sharpened(shares, temperature), acted, corpora, speakers)
    sets = LabelSets.from_dict(calibrated.artifact.calibration["label_sets"])

    clips, answers = told(calibrated, unheard.test)
    after = arrays(calibrated, clips, answers)
    before = arrays(tested, clips, told(tested, clips)[1])
    differences = []
    for corpus in set(after[2].tolist()):
        own = after[2] == corpus
        right = np.flatnonzero(own), after[1][own]
        ways = (after[0], sharpened(before[0], temperature))
        losses = [-np.log(shares[right]).mean() for shares in ways]
        differences.append(abs(losses[0] - losses[1]))
    rng = np.random.default_rng(0)
    some = sample_clips([u for u in clips if u.corpus in FITTED], arguments.spoilt)
    words = ["python", "benchmarks/calibration.py", *map(str, (arguments.fitted, arguments.tested))]
    found = {
        "command": " ".join(words),
        "version": __version__,
        "fitted": fitted.artifact.name,
        "tested": tested.artifact.name,
        "temperature": calibrated.artifact.temperature,
        "n_fitted": {"clips": len(acted), "speakers": len(set(speakers.tolist()))},
        "calibration": {
            name: calibrated.artifact.calibration[name] for name in ("protocol", "corpora")
        },
        "largest_difference_by_averaging": max(differences),
        "durations": calibrated.artifact.calibration["reference"]["durations"],
        "scores": scores,
        "corpora": by_corpus(before, after, sets, answers, clips, calibrated.labels, rng),
        "folds": by_folds(ROOT / "benchmarks/results/benchmark", rng),
        "sounds": [
            {"sound": name, "reasons": calibrated.predict(made_of(samples)).reasons}
            for name, samples in sounds().items()
        ],
        "spoilt": {"n_clips": len(some), "conditions": spoilt(calibrated, some)},
        "cost": cost(calibrated, clips[0]),
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(rounded(found), indent=1, ensure_ascii=False)
    arguments.output.write_text(f"{text}\n", encoding="utf-8")

    own = np.isin(after[2], FITTED)
    for when, table in (("before", before), ("after", after)):
        sure, hit = table[0].max(axis=1)[own], (table[0].argmax(axis=1) == table[1])[own]
        plots.reliability(sure, hit).savefig(arguments.pictures / f"reliability_{when}.png")
    curves = {
        row["corpus"]: risk_coverage(
            after[0].max(axis=1)[after[2] == row["corpus"]],
            (after[0].argmax(axis=1) == after[1])[after[2] == row["corpus"]],
        )
        for row in found["corpora"]
    }
    plots.risk_coverage(curves).savefig(arguments.pictures / "risk_coverage.png")


if __name__ == "__main__":
    main()
