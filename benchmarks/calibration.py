"""Measure calibration on new speakers, and the remarks on degraded recordings and other sounds.

    python benchmarks/calibration.py FITTED TESTED --corpora CORPORA

FITTED and TESTED are two uncalibrated networks of one recipe. FITTED was trained without the
speakers of ``joint-validation`` and ``joint-test``, TESTED without those of ``joint-test``. The
temperature, the label sets and the reference are fitted to the answers of FITTED on
``joint-validation``; then TESTED, with this calibration, is measured on ``joint-test``, whose
speakers neither has seen. In addition, each fold of ``benchmarks/results/benchmark`` is calibrated
on the others.

Results go to ``benchmarks/results/calibration.json``, pictures to ``docs/images``; about ten
minutes on one core.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from collections import Counter
from pathlib import Path

import numpy as np

from emotionrecog import EmotionRecognizer, __version__, audio, datasets, files, plots
from emotionrecog.evaluation import Predictions, calibration_error, risk_coverage
from emotionrecog.evaluation.conditions import CONDITIONS
from emotionrecog.evaluation.predictions import collect
from emotionrecog.inference.reliability import LabelSets
from emotionrecog.splits import protocols
from emotionrecog.splits.dividing import sample_clips, speaker_parts
from emotionrecog.text import rounded
from emotionrecog.training.calibration import calibrate, fit_temperature, sharpened

ROOT = Path(__file__).parents[1]
COVERAGES = (0.8, 0.9, 0.95)
CONFIDENCES = (0.5, 0.7, 0.9)
FITTED = ("ravdess", "crema_d")  # enough speakers
FOLDED = ("ravdess/subject5", "ravdess/emobox6", "cremad/emosuperb5")
RATE = 16_000
DEGRADED = (
    "white noise, 20 dB SNR",
    "white noise, 10 dB SNR",
    "white noise, 0 dB SNR",
    "pink noise, 10 dB SNR",
    "pink noise, 0 dB SNR",
    "clipped, 6 dB below the peak",
    "clipped, 12 dB below the peak",
    "clipped, 18 dB below the peak",
    "telephone band, 300 to 3400 Hz",
    "low-pass, 2 kHz",
    "room, 1 s, 0 dB direct",
    "cropped, to 50 %",
    "Opus, 16 kbit/s",
    "quieter, 20 dB",
)


def perfect(confidence: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Return the mean and the 95th percentile of the calibration error of perfect confidence.

    Answers are as often correct as their confidence says; they are few, so the error is above 0.
    """
    errors = [
        calibration_error(confidence, rng.uniform(size=len(confidence)) < confidence)
        for _ in range(1000)
    ]
    return float(np.mean(errors)), float(np.quantile(errors, 0.95))


def sounds() -> dict[str, np.ndarray]:
    """Return three seconds of each of several sounds that are not speech."""
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


def as_recording(samples: np.ndarray, level: float = 0.1) -> tuple[np.ndarray, int]:
    """Return a recording of a sound, with the noise of 16 bits."""
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, len(samples)) / 2**15
    scaled = level * samples / np.abs(samples).max() + noise
    return scaled.astype(np.float32), RATE


def headings(reasons: tuple[str, ...]) -> list[str]:
    """Return the reasons without their numbers."""
    return [reason.partition(":")[0] for reason in reasons]


def judged(recognizer, clips):
    """Return the clips that can be judged, and the answers to them."""
    answers = recognizer.predict_batch((u.path for u in clips), on_error="keep")
    pairs = [(u, a) for u, a in zip(clips, answers, strict=True) if not isinstance(a, Exception)]
    return [u for u, _ in pairs], [a for _, a in pairs]


def arrays(recognizer, clips, answers):
    """Return probabilities, positions of the labels acted, corpora and speakers."""
    return (
        np.array([list(answer.probabilities.values()) for answer in answers]),
        np.array([recognizer.labels.index(u.emotion) for u in clips]),
        np.array([u.corpus for u in clips]),
        np.array([u.speaker for u in clips]),
    )


def both_scores(shares, acted, corpora, speakers):
    """Compare two scores for label sets, on each fifth of the speakers with sets from the others.

    One minus the probability; and the sum of the probabilities down to it (Romano, Sesia, Candès:
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
                tested, others = part == number, part != number
                limit = np.quantile(
                    np.append(scores[right][others], np.inf),
                    coverage,
                    weights=np.append(weights[others], 1.0),
                    method="inverted_cdf",
                )
                chosen[tested] = scores[tested] <= limit
            chosen[np.arange(len(acted)), shares.argmax(axis=1)] = True
            covered, size = (
                np.average(values, weights=weights) for values in (chosen[right], chosen.sum(1))
            )
            rows.append({"score": name, "coverage": coverage, "covered": covered, "size": size})
    return rows


def by_corpus(before, after, sets, answers, clips, labels, rng):
    """Return the results of each corpus: calibration, label sets, abstention and remarks."""
    shares, acted, corpora, speakers = after
    rows = []
    closed = [
        Predictions(
            labels=labels,
            utterances=tuple(clips),
            probabilities=probabilities,
            durations=np.full(len(clips), np.nan),
        ).among_acted()
        for probabilities in (before[0], shares)
    ]
    for corpus in dict.fromkeys(corpora.tolist()):
        in_corpus = corpora == corpus
        row = {
            "corpus": corpus,
            "n_clips": int(in_corpus.sum()),
            "n_speakers": len(set(speakers[in_corpus].tolist())),
        }
        for when, any_of, acted_of in (
            ("before", before[0], closed[0]),
            ("after", shares, closed[1]),
        ):
            for among, rows_among in (("any", any_of[in_corpus]), ("acted", acted_of[in_corpus])):
                confidence = rows_among.max(axis=1)
                is_correct = rows_among.argmax(axis=1) == acted[in_corpus]
                mean, high = perfect(confidence, rng)
                row[f"{when}_{among}"] = {
                    "accuracy": is_correct.mean(),
                    "confidence": confidence.mean(),
                    "ece": calibration_error(confidence, is_correct),
                    "perfect_ece": mean,
                    "perfect_ece_95": high,
                    "aurc": risk_coverage(confidence, is_correct)[1].mean(),
                }
        right = acted[in_corpus]
        row["sets"] = []
        for coverage in COVERAGES:
            chosen = [sets.of(share, coverage) for share in shares[in_corpus]]
            covered = np.mean([a in one for a, one in zip(right, chosen, strict=True)])
            size = np.mean([len(one) for one in chosen])
            row["sets"].append({"coverage": coverage, "covered": covered, "size": size})
        confidence = shares[in_corpus].max(axis=1)
        is_correct = shares[in_corpus].argmax(axis=1) == right
        row["kept"] = [
            {
                "min_confidence": least,
                "kept": np.mean(confidence >= least),
                "accuracy_kept": (
                    is_correct[confidence >= least].mean() if (confidence >= least).any() else None
                ),
            }
            for least in CONFIDENCES
        ]
        reasons = [headings(a.reasons) for a in itertools.compress(answers, in_corpus)]
        row["reliable"] = np.mean([not one for one in reasons])
        row["doubted"] = dict(Counter(name for one in reasons for name in one))
        rows.append(row)
    return rows


def by_folds(folder, rng):
    """Return the calibration of a benchmark's networks, each fold calibrated on the others.

    All speakers of a corpus take part. None was seen in training by the network that answered, and
    the temperature was not fitted to any of the fold.
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


def degraded(recognizer, clips):
    """Return the shares of degraded recordings with remarks and with unchanged answers."""
    clean = [recognizer.predict(u.path) for u in clips]
    conditions = {condition.name: condition for condition in CONDITIONS}
    rows = []
    for name in DEGRADED:
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
    """Return the time that the checks take for three seconds of speech, in ms."""
    samples = audio.load(clip.path, sampling_rate=recognizer.artifact.features.sampling_rate)
    rate = samples.sampling_rate
    clip = (np.resize(samples.samples, 3 * rate), rate)
    times = {recognizer.predict: [], recognizer.probabilities: []}
    for _ in range(200):  # in turn, and processor time, so that other programs matter little
        for ask, seconds in times.items():
            began = time.process_time()
            ask(clip)
            seconds.append(time.process_time() - began)
    best = [1000 * min(seconds) for seconds in times.values()]
    return {"predict_ms": best[0], "without_checks_ms": best[1]}


def main() -> None:
    """Measure, write the results and draw the pictures."""
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
    (validation,), (test,) = (
        protocols.get(name).folds(utterances) for name in ("joint-validation", "joint-test")
    )
    for recognizer, clips in ((fitted, [*validation.test, *test.test]), (tested, test.test)):
        shared = set(recognizer.artifact.training["speakers"]) & {u.speaker for u in clips}
        if shared or recognizer.artifact.temperature != 1:
            parser.error(f"{recognizer}: calibrated, or trained on {sorted(shared)}")

    predictions = collect(fitted, fitted.labels, validation.test, None, -1)
    trained_on = set(tested.artifact.training["speakers"])
    artifact = calibrate(
        tested,
        predictions,
        train_set=[u for u in utterances if u.speaker in trained_on],
        protocol=validation.name,
    )
    calibrated = EmotionRecognizer(artifact)
    shares, acted = predictions.probabilities, predictions.acted
    corpora, speakers = (
        np.array(names)
        for names in (predictions.corpora, [u.speaker for u in predictions.utterances])
    )
    temperature = calibrated.artifact.temperature
    scores = both_scores(sharpened(shares, temperature), acted, corpora, speakers)
    sets = LabelSets.from_dict(calibrated.artifact.calibration["label_sets"])

    clips, answers = judged(calibrated, test.test)
    after = arrays(calibrated, clips, answers)
    before = arrays(tested, clips, judged(tested, clips)[1])
    differences = []
    for corpus in set(after[2].tolist()):
        in_corpus = after[2] == corpus
        right = np.flatnonzero(in_corpus), after[1][in_corpus]
        ways = (after[0], sharpened(before[0], temperature))
        losses = [-np.log(shares[right]).mean() for shares in ways]
        differences.append(abs(losses[0] - losses[1]))
    rng = np.random.default_rng(0)
    some = sample_clips([u for u in clips if u.corpus in FITTED], arguments.spoilt)
    words = ["python", "benchmarks/calibration.py", *map(str, (arguments.fitted, arguments.tested))]
    results = {
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
            {"sound": name, "reasons": calibrated.predict(as_recording(samples)).reasons}
            for name, samples in sounds().items()
        ],
        "spoilt": {"n_clips": len(some), "conditions": degraded(calibrated, some)},
        "cost": cost(calibrated, clips[0]),
    }
    files.write_json(arguments.output, rounded(results, 4))

    is_fitted = np.isin(after[2], FITTED)
    for when, table in (("before", before), ("after", after)):
        confidence = table[0].max(axis=1)[is_fitted]
        is_correct = (table[0].argmax(axis=1) == table[1])[is_fitted]
        plots.reliability(confidence, is_correct).savefig(
            arguments.pictures / f"reliability_{when}.png"
        )
    curves = {
        row["corpus"]: risk_coverage(
            after[0].max(axis=1)[after[2] == row["corpus"]],
            (after[0].argmax(axis=1) == after[1])[after[2] == row["corpus"]],
        )
        for row in results["corpora"]
    }
    plots.risk_coverage(curves).savefig(arguments.pictures / "risk_coverage.png")
    print(f"wrote {arguments.output}, and three pictures to {arguments.pictures}")


if __name__ == "__main__":
    main()
