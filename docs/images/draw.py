"""Draw the pictures of the documentation: ``python docs/images/draw.py``.

They show the example clip, synthetic signals, and the results in ``benchmarks/results/stress.json``
and ``benchmarks/results/benchmark``. ``distributions.png`` needs the corpora and is drawn by
``emotionrecog corpus check``.
"""

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.signal import lfilter

from emotionrecog import EmotionRecognizer, audio, benchmark, plots
from emotionrecog.audio import Waveform
from emotionrecog.splits import protocols

HERE = Path(__file__).parent
CLIP = HERE.parents[1] / "examples" / "clip.wav"
STRESS = HERE.parents[1] / "benchmarks" / "results" / "stress.json"
BENCHMARK = HERE.parents[1] / "benchmarks" / "results" / "benchmark"
RATE = 16_000

# Formants of the vowels a, i and u, in Hz, the last two of which they share.
VOWELS = tuple(
    (*formants, 3500, 4500) for formants in ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240))
)


def voice(pitch, swing, syllable, tilt, level):
    """Return three synthetic vowels.

    The pitch, in Hz, falls from syllable to syllable and rises in the middle of each by the share
    `swing`; `syllable` is a duration in s. Overtone k has the amplitude ``k ** -tilt``.
    """
    n_samples = round(syllable * RATE)
    places = np.arange(n_samples) / n_samples
    parts = []
    for number, formants in enumerate(VOWELS):
        hertz = pitch * (1 - 0.07 * number) * (1 + swing * np.sin(np.pi * places))
        phase = 2 * np.pi * np.cumsum(hertz) / RATE
        overtones = range(1, int(RATE / 2 / hertz.max()))
        sound = np.sum([np.sin(k * phase) * k**-tilt for k in overtones], axis=0)
        for formant in formants:
            radius = np.exp(-np.pi * 90 / RATE)
            poles = [1, -2 * radius * np.cos(2 * np.pi * formant / RATE), radius**2]
            sound = lfilter([sum(poles)], poles, sound)
        sound *= np.sin(np.pi * places) / np.abs(sound).max()
        parts += [sound, np.zeros(n_samples // 4)]
    sound = level * np.concatenate([np.zeros(RATE // 10), *parts])
    return waveform(sound + 1e-4 * np.random.default_rng(0).normal(size=len(sound)))


def waveform(sound):
    """Return samples at 16 kHz as a recording."""
    return Waveform(np.asarray(sound, dtype=np.float32), RATE)


def signals():
    """Return a second of a sine, of a rising buzz and of noise, by title."""
    times = np.arange(RATE) / RATE
    phase = 2 * np.pi * (120 * times + 60 * times**2)
    buzz = np.sum([np.sin(k * phase) / k for k in range(1, 30)], axis=0)
    noise = np.random.default_rng(0).normal(size=RATE)
    return {
        "sine of 440 Hz": waveform(0.5 * np.sin(2 * np.pi * 440 * times)),
        "buzz from 120 to 240 Hz": waveform(0.25 * buzz),
        "white noise": waveform(0.15 * noise),
    }


def save(figure, name):
    """Write a picture with 256 colours, which takes a third of the space."""
    png = io.BytesIO()
    figure.savefig(png, format="png")
    picture = Image.open(png).convert("RGB")
    # With 256 colours, no value is off by more than 6 of 255.
    picture = picture.quantize(256, Image.Quantize.MAXCOVERAGE, 1, dither=Image.Dither.NONE)
    picture.save(HERE / f"{name}.png", optimize=True)


def main():
    """Draw all pictures."""
    clip = audio.load(CLIP)
    for kind in plots.KINDS:
        save(plots.plot(clip, kind, titles=[CLIP.name]), kind)
    save(plots.plot(clip, titles=[CLIP.name]), "default")
    kinds = ["log_spectrogram", "zero_crossing_rate", "spectral_flatness", "voicing"]
    save(plots.plot(list(signals().values()), kinds, titles=list(signals())), "signals")
    voices = {
        "low, slow, dull, quiet": voice(100, 0.05, 0.42, 1.8, 0.1),
        "between": voice(130, 0.15, 0.3, 1.0, 0.3),
        "high, fast, bright, loud": voice(210, 0.4, 0.2, 0.2, 0.8),
    }
    kinds = ["waveform", "f0", "spectral_centroid"]
    save(plots.plot(list(voices.values()), kinds, titles=list(voices)), "voices")
    explanation = EmotionRecognizer().explain(CLIP)
    save(plots.explanation(explanation.to_dict(), CLIP), "explanation")
    save(plots.stress(json.loads(STRESS.read_text(encoding="utf-8"))), "stress")
    summaries = [benchmark.summary(path.parent) for path in BENCHMARK.glob("*/run.json")]
    summaries.sort(key=lambda summary: protocols.NAMES.index(summary.protocol))
    if summaries:
        others = [
            dataclasses.asdict(row)
            for summary in summaries
            for row in benchmark.published(summary.protocol)
            if summary.compares(row)
        ]
        save(plots.benchmark([summary.to_dict() for summary in summaries], others), "benchmark")


if __name__ == "__main__":
    main()
