"""Draw the distributions of the recordings of corpora."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emotionrecog.datasets import CORPORA, EMOTIONS
from emotionrecog.plots.style import STYLE_COLOURS, new_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from emotionrecog.datasets import Utterance

__all__ = ["distributions"]

# Up to this many speakers are named below their bars; of more, only the number is shown.
MAX_NAMED_SPEAKERS = 12

# Width of a bar of durations, in s.
DURATION_STEP = 0.1


def distributions(utterances: Sequence[Utterance], durations: Sequence[float]) -> Figure:
    """Draw the numbers of recordings by emotion, speaker and duration.

    Parameters
    ----------
    utterances
        Utterances of one corpus or of several, which are drawn one below the other.
    durations
        Duration of each utterance, in s.

    Returns
    -------
    matplotlib.figure.Figure
        Its ``savefig`` writes a file. Speech and song have different colours.

    Raises
    ------
    EmotionRecogError
        If Matplotlib is not installed.
    ValueError
        If there are no utterances, or the numbers of utterances and durations differ.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog import plots
    >>> from emotionrecog.datasets import Utterance
    >>> utterances = [Utterance(Path("bob.wav"), "happy", corpus="mine", speaker="mine/bob")]
    >>> [axes.get_xlabel() for axes in plots.distributions(utterances, [1.5]).axes]
    ['emotion', 'speaker', 'duration in s']
    """
    if not utterances or len(utterances) != len(durations):
        raise ValueError(
            "expected one utterance or more and as many durations, "
            f"got {len(utterances)} and {len(durations)}"
        )
    corpora = list(dict.fromkeys(utterance.corpus for utterance in utterances))
    figure = new_figure(12, 0.6 + 2.9 * len(corpora))
    rows = figure.subplots(len(corpora), 3, squeeze=False)
    pairs = list(zip(utterances, durations, strict=True))
    for corpus, axes in zip(corpora, rows, strict=True):
        of_corpus = [(u, duration) for u, duration in pairs if u.corpus == corpus]
        _draw(axes, corpus, [u for u, _ in of_corpus], np.array([d for _, d in of_corpus]))
        axes[2].set_xlim(0, DURATION_STEP * np.ceil(max(durations) / DURATION_STEP + 1))
    return figure


def _draw(axes: Any, corpus: str, utterances: Sequence[Utterance], durations: Any) -> None:
    by_emotion, by_speaker, by_duration = axes
    styles = [style for style in STYLE_COLOURS if any(u.style == style for u in utterances)]
    emotions = [e for e in EMOTIONS if any(u.emotion == e for u in utterances)]
    speakers = sorted({u.speaker for u in utterances})
    _bars(
        by_emotion, emotions, {s: [u.emotion for u in utterances if u.style == s] for s in styles}
    )
    _bars(
        by_speaker, speakers, {s: [u.speaker for u in utterances if u.style == s] for s in styles}
    )
    for label in by_emotion.get_xticklabels():
        label.set(rotation=30, horizontalalignment="right", rotation_mode="anchor")
    by_emotion.set_xlabel("emotion")
    if len(speakers) <= MAX_NAMED_SPEAKERS:
        names = [speaker.removeprefix(f"{corpus}/") for speaker in speakers]
        by_speaker.set_xticks(range(len(speakers)), names)
        by_speaker.set_xlabel("speaker")
    else:
        by_speaker.set_xticks([])
        by_speaker.set_xlabel(f"speaker ({len(speakers)}, in the order of their codes)")
    first = np.floor(durations.min() / DURATION_STEP)
    n_bins = max(1, int(np.ceil(durations.max() / DURATION_STEP - first)))
    edges = DURATION_STEP * (first + np.arange(n_bins + 1))
    of_style = np.array([u.style for u in utterances])
    by_duration.hist(
        [durations[of_style == style] for style in styles],
        bins=edges,
        stacked=True,
        color=[STYLE_COLOURS[style] for style in styles],
        label=styles,
    )
    by_duration.set_xlabel("duration in s")
    for panel in axes:
        panel.set_ylabel("recordings")
        panel.yaxis.get_major_locator().set_params(integer=True)
        panel.margins(y=0.08)
        panel.spines[["top", "right"]].set_visible(False)
    name = CORPORA[corpus].title.partition(":")[0] if corpus in CORPORA else corpus
    by_emotion.set_title(f"{name}: {len(utterances)} recordings", loc="left", fontweight="bold")
    if len(styles) > 1:
        by_duration.legend(frameon=False)


def _bars(panel: Any, values: Sequence[str], of_style: dict[str, list[str]]) -> None:
    """Draw a bar for each value, with the styles stacked."""
    bottom = np.zeros(len(values))
    for style, values_of_style in of_style.items():
        heights = np.array([values_of_style.count(value) for value in values])
        panel.bar(
            range(len(values)),
            heights,
            width=0.8 if len(values) <= MAX_NAMED_SPEAKERS else 1.0,  # narrow gaps would show moiré
            bottom=bottom,
            color=STYLE_COLOURS[style],
        )
        bottom += heights
    panel.set_xticks(range(len(values)), values)
