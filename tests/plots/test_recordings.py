"""Pictures of recordings: the values drawn, axes, colours and errors."""

import numpy as np
import pytest
import soundfile

from emotionrecog import audio, features, plots
from emotionrecog.audio import Waveform
from emotionrecog.datasets import CORPORA, EMOTIONS, Utterance
from emotionrecog.errors import AudioError
from emotionrecog.plots import kinds, style

RATE = 16_000
IMAGES = [name for name, kind in plots.KINDS.items() if kind.bar]
FRAMES = {"n_fft": 512, "win_length": 512, "hop_length": 128}
LONG_FRAMES = {"n_fft": 1024, "win_length": 1024, "hop_length": 128}
OF_SAMPLES = {"frame_length": 512, "hop_length": 128}
OF_PITCH = {"frame_length": 1024, "hop_length": 128}


def buzz(duration=0.5, rate=RATE, level=0.2, seed=0):
    """Return a buzz whose pitch wavers, with a pause in its middle, in some noise."""
    times = np.arange(round(duration * rate)) / rate
    phase = 2 * np.pi * np.cumsum(150 + 40 * np.sin(2 * np.pi * 4 * times)) / rate
    sound = np.sum([np.sin(k * phase) / k for k in range(1, 15)], axis=0)
    sound[len(sound) // 3 : len(sound) // 2] = 0
    noise = np.random.default_rng(seed).normal(size=len(times))
    return Waveform((level * (sound / 3 + 1e-4 * noise)).astype(np.float32), rate)


def drawn(panel):
    """Return what an image shows."""
    (image,) = panel.images
    return np.asarray(image.get_array())


def line(panel):
    """Return the values of the line that is drawn over all others."""
    return np.asarray(panel.lines[-1].get_ydata())


def levels(clip, frames=FRAMES):
    """Return a spectrum in dB re full-scale sine."""
    amplitudes = features.magnitude_spectrum(y=clip.samples, **frames) / (frames["win_length"] / 4)
    return features.power_to_db(np.square(amplitudes), amin=1e-20)


def test_waveform_shows_the_samples():
    clip = buzz(0.2)
    (panel,) = plots.plot(clip, "waveform").axes
    assert np.array_equal(line(panel), clip.samples)
    assert np.allclose(panel.lines[-1].get_xdata(), np.arange(3200) / RATE)
    assert panel.get_xlim() == (0, 0.2)
    low, high = panel.get_ylim()
    assert -low == high > np.abs(clip.samples).max()


def test_long_waveform_keeps_its_extremes():
    samples = 0.1 * np.random.default_rng(0).normal(size=100_000).astype(np.float32)
    samples[[12_345, 70_000, 99_999]] = 0.9, -0.9, 0.8
    (panel,) = plots.plot(Waveform(samples, RATE), "waveform").axes
    times, values = panel.lines[-1].get_data()
    assert len(values) <= kinds.MAX_POINTS
    where = np.round(np.asarray(times) * RATE).astype(int)
    assert np.array_equal(samples[where], values)
    assert (np.diff(where) >= 0).all()
    assert {12_345, 70_000, 99_999} <= set(where)


def test_spectrum_shows_the_amplitude_of_a_sine():
    times = np.arange(RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * 440 * times) + 0.2 + 0.1 * np.cos(2 * np.pi * 8000 * times)
    (panel,) = plots.plot(Waveform(tone.astype(np.float32), RATE), "spectrum").axes
    khz, values = map(np.asarray, panel.lines[-1].get_data())
    assert values[np.isclose(khz, 0.44)].max() == pytest.approx(0.3, abs=1e-4)
    assert values[np.isclose(khz, 8.0)].max() == pytest.approx(0.1, abs=1e-4)
    assert values[khz < 0.43].max() < 1e-4  # the offset is left out
    assert panel.get_xlabel() == "frequency in kHz"
    assert panel.get_xlim() == (0, 8)


def test_level_of_a_full_scale_sine_is_0_db():
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
    linear, decibels = plots.plot(Waveform(tone, RATE), ["spectrogram", "log_spectrogram"]).axes[:2]
    assert drawn(linear)[:, 10:-10].max() == pytest.approx(1, abs=1e-4)
    assert drawn(decibels)[:, 10:-10].max() == pytest.approx(0, abs=1e-3)
    (image,) = decibels.images
    assert image.get_clim()[1] - image.get_clim()[0] == style.DYNAMIC_RANGE


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("log_spectrogram", levels),
        ("spectral_centroid", levels),
        ("f0", lambda clip: levels(clip, LONG_FRAMES)),
        (
            "melspectrogram",
            lambda clip: features.power_to_db(
                features.melspectrogram(y=clip.samples, sr=RATE, n_mels=64, **FRAMES),
                ref=np.max,
                amin=1e-20,
            ),
        ),
        (
            "mfcc",
            lambda clip: features.mfcc(y=clip.samples, sr=RATE, n_mels=64, n_mfcc=20, **FRAMES)[1:],
        ),
        (
            "mfcc_delta",
            lambda clip: features.delta(
                features.mfcc(y=clip.samples, sr=RATE, n_mels=64, **FRAMES), mode="nearest"
            ),
        ),
        (
            "spectral_contrast",
            lambda clip: features.spectral_contrast(y=clip.samples, sr=RATE, **FRAMES),
        ),
        ("chroma", lambda clip: features.chroma(y=clip.samples, sr=RATE, **LONG_FRAMES)),
    ],
)
def test_image_shows_the_values_of_the_function(kind, expected):
    clip = buzz()
    panel = plots.plot(clip, kind).axes[0]
    assert np.allclose(drawn(panel), expected(clip), atol=1e-4)
    left, right, _, _ = panel.images[0].get_extent()
    assert left == pytest.approx(-0.004)  # a frame every 8 ms, drawn around its middle
    assert right == pytest.approx(-0.004 + 0.008 * drawn(panel).shape[1])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("rms", lambda y: features.rms(y=y, **OF_SAMPLES)),
        ("zero_crossing_rate", lambda y: features.zero_crossing_rate(y, **OF_SAMPLES)),
        ("band_energy_ratio", lambda y: features.band_energy_ratio(y=y, sr=RATE, **FRAMES)),
        ("spectral_flatness", lambda y: features.spectral_flatness(y=y, **FRAMES)),
        ("voicing", lambda y: features.voicing(y=y, sr=RATE, **OF_PITCH)),
    ],
)
def test_line_shows_the_values_of_the_function(kind, expected):
    clip = buzz()
    (panel,) = plots.plot(clip, kind).axes
    assert np.allclose(line(panel), expected(clip.samples)[0], rtol=1e-5)
    assert np.allclose(panel.lines[-1].get_xdata(), 0.008 * np.arange(len(line(panel))))
    bottom, top = panel.get_ylim()
    assert bottom <= line(panel).min()
    assert top >= line(panel).max()


@pytest.mark.parametrize("kind", ["spectral_centroid", "spectral_rolloff", "spectral_bandwidth"])
def test_line_over_a_spectrogram_is_interrupted_in_pauses(kind):
    clip = buzz()
    name = "spectral_centroid" if kind == "spectral_bandwidth" else kind
    expected = getattr(features, name)(y=clip.samples, sr=RATE, **FRAMES)[0] / 1000
    shown = line(plots.plot(clip, kind).axes[0])
    pause = np.isnan(shown)
    assert np.allclose(shown[~pause], expected[~pause], rtol=1e-4)
    times = 0.008 * np.arange(len(shown))
    assert pause[(times > 0.2) & (times < 0.23)].all()
    assert not pause[(times < 0.15) | (times > 0.28)].any()


def test_band_is_as_wide_as_the_bandwidth():
    clip = buzz()
    panel = plots.plot(clip, "spectral_bandwidth").axes[0]
    (band,) = panel.collections
    top = np.nanmax(band.get_paths()[0].vertices[:, 1])
    middle = features.spectral_centroid(y=clip.samples, sr=RATE, **FRAMES)[0]
    spread = features.spectral_bandwidth(y=clip.samples, sr=RATE, **FRAMES)[0]
    is_heard = ~np.isnan(line(panel))
    assert line(panel)[is_heard].max() < top <= (middle + spread).max() / 1000 + 1e-3


def test_pitch_is_drawn_where_there_is_one():
    clip = buzz()
    shown = line(plots.plot(clip, "f0").axes[0])
    expected = features.f0(y=clip.samples, sr=RATE, **OF_PITCH)[0] / 1000
    assert 0 < np.isnan(shown).sum() < len(shown)
    assert np.array_equal(np.isnan(shown), expected == 0)
    assert np.allclose(shown[expected > 0], expected[expected > 0])


@pytest.mark.parametrize("kind", plots.KINDS)
def test_every_kind_is_labelled(kind):
    figure = plots.plot(buzz(), kind, titles=["clip.wav"])
    panel = figure.axes[0]
    expected = plots.KINDS[kind]
    assert panel.get_ylabel() == f"{expected.title}\n{expected.y}"
    assert panel.get_xlabel() == expected.x
    assert panel.get_title(loc="left") == "clip.wav"
    assert [bar.get_ylabel() for bar in figure.axes[1:]] == ([expected.bar] if expected.bar else [])
    assert len(panel.get_xticklabels()) < 12
    assert len(panel.get_yticklabels()) < 12


def test_bands_are_labelled_by_their_frequencies():
    panel = plots.plot(buzz(), "melspectrogram").axes[0]
    bands = features.mel_filterbank(sr=RATE, n_fft=512, n_mels=64)
    assert [label.get_text() for label in panel.get_yticklabels()] == ["0.25", "0.5", "1", "2", "4"]
    for tick, khz in zip(panel.get_yticks(), (0.25, 0.5, 1, 2, 4), strict=True):
        middle = bands[round(tick)] @ np.arange(257) * RATE / 512 / bands[round(tick)].sum()
        assert middle / 1000 == pytest.approx(khz, rel=0.1)


@pytest.mark.parametrize(("rate", "top"), [(4000, "1.6–2"), (8000, "3.2–4"), (44100, "6.4–22.1")])
def test_contrast_has_the_octaves_below_half_the_sampling_rate(rate, top):
    panel = plots.plot(buzz(rate=rate), "spectral_contrast").axes[0]
    assert [label.get_text() for label in panel.get_yticklabels()][-1] == top


def test_rows_are_kinds_and_columns_are_clips():
    clips = [buzz(0.2), buzz(0.3, level=0.02), buzz(0.25, seed=1)]
    figure = plots.plot(clips, ["waveform", "mfcc", "rms"], titles=["a", "b", "c"])
    panels = np.reshape(figure.axes[:9], (3, 3))
    assert len(figure.axes) == 10  # and a colour bar
    assert [p.get_title(loc="left") for p in panels[0]] == ["a", "b", "c"]
    assert [p.get_title(loc="left") for p in panels[1]] == ["", "", ""]
    assert [p.get_ylabel().partition("\n")[0] for p in panels[:, 0]] == ["waveform", "MFCC", "RMS"]
    assert {p.get_ylabel() for p in panels[:, 1:].flat} == {""}
    assert {p.get_xlabel() for p in panels[:2].flat} == {""}
    assert {p.get_xlabel() for p in panels[2]} == {"time in s"}
    for row in panels:
        assert len({p.get_ylim() for p in row}) == 1
        assert {p.get_xlim() for p in row} == {(0, 0.3)}
    assert len({p.images[0].get_clim() for p in panels[1]}) == 1
    for panel, clip in zip(panels[0], clips, strict=True):
        assert np.array_equal(line(panel), clip.samples)


def test_levels_of_several_clips_are_comparable():
    loud, quiet = plots.plot([buzz(), buzz(level=0.02)], "melspectrogram").axes[:2]
    assert drawn(loud).max() == pytest.approx(0, abs=1e-4)
    assert drawn(quiet).max() == pytest.approx(-20, abs=0.1)
    assert loud.images[0].get_clim() == quiet.images[0].get_clim() == (-80, 0)


def test_frequency_axis_above_a_time_axis_is_labelled():
    panels = plots.plot(buzz(), ["waveform", "spectrum", "rms"]).axes
    labels = [panel.get_xlabel() for panel in panels]
    assert labels == ["time in s", "frequency in kHz", "time in s"]


def test_clips_are_resampled_to_one_rate():
    clips = [buzz(rate=48_000), buzz(rate=RATE)]
    one, other = plots.plot(clips, "melspectrogram").axes[:2]
    assert drawn(one).shape == drawn(other).shape
    resampled = audio.load(clips[0], sampling_rate=RATE)
    alone = plots.plot(resampled, "melspectrogram").axes[0]
    assert np.allclose(drawn(one) - drawn(one).max(), drawn(alone), atol=1e-3)


SILENCE = Waveform(np.zeros(8000, np.float32), RATE)


@pytest.mark.parametrize(
    "clip",
    [
        pytest.param(SILENCE, id="silence"),
        pytest.param(Waveform(np.full(8000, 0.5, np.float32), RATE), id="constant"),
        pytest.param(Waveform(np.ones(1, np.float32), RATE), id="one sample"),
        pytest.param(buzz(0.05, rate=4000), id="slowest rate"),
        pytest.param(buzz(0.05, rate=96_000), id="fast rate"),
        pytest.param(
            Waveform(np.clip(buzz(0.1, level=9).samples, -1, 1).astype(np.float32), RATE),
            id="clipped",
        ),
    ],
)
def test_unusual_clips_are_drawn_without_a_warning(clip, tmp_path):
    figure = plots.plot(clip, list(plots.KINDS))
    assert len(figure.axes) == len(plots.KINDS) + len(IMAGES)
    figure.set_layout_engine("none")  # which takes most of the time
    figure.savefig(tmp_path / "odd.png", dpi=20)


def test_silence_is_dark():
    for kind in ("spectrogram", "log_spectrogram", "melspectrogram"):
        (image,) = plots.plot(SILENCE, kind).axes[0].images
        assert drawn(image.axes).max() <= image.get_clim()[0]


def test_long_clip_is_drawn(tmp_path):
    clip = Waveform(np.tile(buzz(1).samples, 60), RATE)
    figure = plots.plot(clip, ["waveform", "spectrum", "spectral_centroid"])
    figure.savefig(tmp_path / "long.png")
    assert figure.axes[0].get_xlim() == (0, 60)


def test_any_file_name_can_be_a_title(tmp_path):
    titles = ["$x", "\\frac{", "\udcff.wav", "n" * 300]
    figure = plots.plot([buzz(0.05)] * 4, "waveform", titles=titles)
    figure.savefig(tmp_path / "names.png")
    shown = [panel.get_title(loc="left") for panel in figure.axes]
    assert shown[:3] == ["$x", "\\frac{", "\\udcff.wav"]
    assert len(shown[3]) < 50
    assert "…" in shown[3]


@pytest.mark.parametrize(
    ("clips", "kinds", "titles", "message"),
    [
        ([], "rms", None, "got 0 and 0"),
        ([buzz(0.1)], "rms", ["a", "b"], "got 1 and 2"),
        (buzz(0.1), "loudness", None, "expected kinds out of waveform, .*, got 'loudness'"),
        (buzz(0.1), [], None, r"expected kinds out of .*, got \[\]"),
        (buzz(0.1), ["rms", 3], None, r"got \['rms', 3\]"),
        ([buzz(0.1)] * 51, ["rms", "mfcc"], None, "at most 100 panels .*, got 51 .* times 2"),
    ],
)
def test_invalid_arguments_raise(clips, kinds, titles, message):
    with pytest.raises(ValueError, match=message):
        plots.plot(clips, kinds, titles=titles)


@pytest.mark.parametrize("kind", plots.KINDS)
def test_non_finite_samples_raise(kind):
    samples = buzz(0.1).samples.copy()
    samples[5] = np.nan
    with pytest.raises(AudioError, match="must be finite"):
        plots.plot(Waveform(samples, RATE), kind)


# By emotion -------------------------------------------------------------------------------------


def spoken(folder, emotions, rate=RATE):
    """Write a recording of each emotion."""
    recorded = []
    for number, emotion in enumerate(emotions):
        path = folder / f"{number}.wav"
        soundfile.write(path, buzz(0.2, rate, seed=number).samples, rate)
        recorded.append(Utterance(path, emotion, corpus="mine", speaker="mine/bob"))
    return recorded


def test_each_emotion_has_a_column(tmp_path):
    recorded = spoken(tmp_path, ["sad", "happy", "sad", "neutral"])
    figure = plots.compare(recorded, "rms")
    titles = [panel.get_title(loc="left") for panel in figure.axes]
    assert titles == ["neutral\n3", "happy\n1", "sad\n0", "sad\n2"]
    where = [panel.get_subplotspec().colspan.start for panel in figure.axes]
    assert where == [0, 1, 2, 2]
    assert [panel.get_subplotspec().rowspan.start for panel in figure.axes] == [0, 0, 0, 1]
    expected = features.rms(y=audio.load(recorded[2].path).samples, **OF_SAMPLES)[0]
    assert np.allclose(line(figure.axes[3]), expected)
    assert len({panel.get_ylim() for panel in figure.axes}) == 1
    assert [panel.get_xlabel() for panel in figure.axes] == [
        "time in s",
        "time in s",
        "",
        "time in s",
    ]


def test_emotions_share_a_colour_bar(tmp_path):
    figure = plots.compare(spoken(tmp_path, ["sad", "angry", "sad"]), ["mfcc", "log_spectrogram"])
    panels = [panel for panel in figure.axes if panel.images]
    assert len(panels) == 6
    for kind in ("MFCC", "log-amplitude spectrogram"):
        rows = {p.get_subplotspec().rowspan.start for p in panels if kind in p.get_ylabel()}
        of_kind = [p for p in panels if p.get_subplotspec().rowspan.start in rows]
        assert len({p.images[0].get_clim() for p in of_kind}) == 1
    assert len(figure.axes) == 8


def test_recordings_can_be_resampled(tmp_path):
    recorded = spoken(tmp_path, ["sad", "angry"], rate=48_000)
    panel = plots.compare(recorded, sampling_rate=8_000).axes[0]
    assert panel.get_ylim() == (0, 4)


def test_compare_without_utterances_raises(tmp_path):
    with pytest.raises(ValueError, match="expected one utterance or more"):
        plots.compare([])
    missing = Utterance(tmp_path / "no.wav", "sad", corpus="mine", speaker="mine/bob")
    with pytest.raises(FileNotFoundError):
        plots.compare([missing])
    with pytest.raises(ValueError, match="at most 100 panels"):  # before anything is read
        plots.compare([missing] * 101)


@pytest.mark.corpora
def test_emotions_of_a_speaker_are_drawn(corpora_root, tmp_path):
    recorded = CORPORA["savee"].utterances(corpora_root / "savee" / "KL")
    figure = plots.compare([u for u in recorded if u.path.stem.endswith("01")], ["f0", "rms"])
    titles = [panel.get_title(loc="left") for panel in figure.axes if panel.get_title(loc="left")]
    assert [title.partition("\n")[0] for title in titles[:7]] == [
        e for e in EMOTIONS if e != "calm"
    ]
    for panel in figure.axes[:7]:
        pitch = 1000 * line(panel)
        assert 70 < np.nanmedian(pitch) < 300  # a man
    figure.savefig(tmp_path / "emotions.png")
