"""Distributions of corpora: bars, labels and errors."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from emotionrecog import plots
from emotionrecog.datasets import EMOTIONS, Utterance
from emotionrecog.plots import corpora


def utterances(n, corpus="mine", n_speakers=4, style="speech"):
    """Return utterances of all emotions, more of the first than of the last."""
    rng = np.random.default_rng(n)
    return [
        Utterance(
            Path(f"{corpus}/{style}{number}.wav"),
            EMOTIONS[min(rng.integers(len(EMOTIONS), size=2))],
            corpus=corpus,
            speaker=f"{corpus}/{rng.integers(n_speakers):02d}",
            style=style,
        )
        for number in range(n)
    ]


def heights(panel):
    """Return the heights of the bars, the styles one after the other."""
    return [[bar.get_height() for bar in bars] for bars in panel.containers]


def test_heights_of_bars_are_numbers_of_recordings():
    recorded = utterances(200)
    by_emotion, by_speaker, by_duration = plots.distributions(recorded, [1.0] * 200).axes
    (of_emotions,) = heights(by_emotion)
    labels = [label.get_text() for label in by_emotion.get_xticklabels()]
    assert labels == list(EMOTIONS)
    assert dict(zip(labels, of_emotions, strict=True)) == Counter(u.emotion for u in recorded)
    (of_speakers,) = heights(by_speaker)
    labels = [label.get_text() for label in by_speaker.get_xticklabels()]
    assert labels == ["00", "01", "02", "03"]
    assert of_speakers == [sum(u.speaker == f"mine/{label}" for u in recorded) for label in labels]
    assert sum(patch.get_height() for patch in by_duration.patches) == 200


def test_styles_are_stacked():
    recorded = [*utterances(50), *utterances(30, style="song")]
    by_emotion, by_speaker, by_duration = plots.distributions(recorded, [2.0] * 80).axes
    for panel in (by_emotion, by_speaker):
        speech, song = panel.containers
        assert sum(bar.get_height() for bar in speech) == 50
        assert sum(bar.get_height() for bar in song) == 30
        for below, above in zip(speech, song, strict=True):
            assert above.get_y() == below.get_height()
            assert above.get_facecolor() != below.get_facecolor()
    legend = by_duration.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["speech", "song"]


def test_a_single_style_needs_no_legend():
    figure = plots.distributions(utterances(9), [1.0] * 9)
    assert all(panel.get_legend() is None for panel in figure.axes)


def test_durations_are_binned():
    durations = np.array([1.234, 1.26, 3.0, 1.31])
    by_duration = plots.distributions(utterances(4), durations).axes[2]
    bars = {round(p.get_x(), 3): p.get_height() for p in by_duration.patches if p.get_height()}
    assert bars == {1.2: 2, 1.3: 1, 2.9: 1}  # the last step holds its end
    assert by_duration.get_xlim()[0] == 0


def test_axes_are_labelled():
    for panel, label in zip(
        plots.distributions(utterances(9), [1.0] * 9).axes,
        ("emotion", "speaker", "duration in s"),
        strict=True,
    ):
        assert panel.get_xlabel() == label
        assert panel.get_ylabel() == "recordings"


def test_each_corpus_has_its_row():
    recorded = [*utterances(60, "crema_d", n_speakers=30), *utterances(9)]
    figure = plots.distributions(recorded, [1.0] * 60 + [5.0] * 9)
    assert len(figure.axes) == 6
    titles = [panel.get_title(loc="left") for panel in figure.axes]
    assert titles == ["CREMA-D: 60 recordings", "", "", "mine: 9 recordings", "", ""]
    n_speakers = len({u.speaker for u in recorded if u.corpus == "crema_d"})
    assert n_speakers > corpora.MAX_NAMED_SPEAKERS
    assert figure.axes[1].get_xlabel() == f"speaker ({n_speakers}, in the order of their codes)"
    assert figure.axes[2].get_xlim() == figure.axes[5].get_xlim()


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_picture_can_be_saved(tmp_path, suffix):
    path = tmp_path / f"picture.{suffix}"
    plots.distributions(utterances(9), [1.0] * 9).savefig(path)
    assert path.stat().st_size > 1000


@pytest.mark.parametrize(("n", "n_durations"), [(0, 0), (2, 1)])
def test_no_utterances_or_durations_raise(n, n_durations):
    with pytest.raises(ValueError, match=f"got {n} and {n_durations}"):
        plots.distributions(utterances(n), [1.0] * n_durations)
