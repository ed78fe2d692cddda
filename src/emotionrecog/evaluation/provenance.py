"""Describe whether a recogniser was trained on the clips that test it, as far as is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emotionrecog.errors import LeakageError
from emotionrecog.text import count, listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from emotionrecog.datasets import Utterance

__all__ = ["describe_audit", "describe_calibration", "known_leakage", "shared_speakers"]


def shared_speakers(record: Mapping[str, Any], utterances: Iterable[Utterance]) -> list[str]:
    """Return the speakers of a record, such as an artefact's ``training``, who speak in clips.

    Parameters
    ----------
    record
        Names of speakers under ``speakers``; empty if nothing is known.
    utterances
        Clips to compare with.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance
    >>> clip = Utterance(Path("a.wav"), "sad", corpus="mine", speaker="mine/ann")
    >>> shared_speakers({"speakers": ["mine/ann", "mine/bob"]}, [clip])
    ['mine/ann']
    """
    return sorted(set(record.get("speakers", ())) & {u.speaker for u in utterances})


def known_leakage(
    training: Mapping[str, Any], test_set: Sequence[Utterance], allow_leakage: bool
) -> str | None:
    """Return the leakage that a recogniser's own record shows, in words; None if it shows none.

    Parameters
    ----------
    training
        The artefact's ``training``; empty if nothing is known.
    test_set
        Clips to test on.
    allow_leakage
        Whether to return shared speakers instead of raising.

    Raises
    ------
    LeakageError
        If the recogniser was trained on speakers of `test_set` and `allow_leakage` is false.

    Examples
    --------
    >>> from pathlib import Path
    >>> from emotionrecog.datasets import Utterance
    >>> clip = Utterance(Path("a.wav"), "sad", corpus="mine", speaker="mine/ann")
    >>> known_leakage({"speakers": ["mine/ann"]}, [clip], allow_leakage=True)
    'the recogniser was trained on 1 speaker of the test set (mine/ann)'
    """
    shared = shared_speakers(training, test_set)
    parts = []
    if shared:
        parts.append(
            f"the recogniser was trained on {count(len(shared), 'speaker')} of the test set "
            f"({listing(shared, n_shown=3)})"
        )
        if not allow_leakage:
            raise LeakageError(
                f"{parts[0]}, so that results do not show its performance on new speakers. Test on "
                "other speakers, or train without these; `allow_leakage=True`, or --allow-leakage "
                "on the command line, measures anyway, and the report says so"
            )
    if training.get("leakage"):
        parts.append(
            "the recogniser was trained although its test set was known to leak: "
            f"{training['leakage']}"
        )
    return "; ".join(parts) or None


def describe_calibration(
    calibration: Mapping[str, Any], test_set: Sequence[Utterance]
) -> tuple[str, ...]:
    """Return a note if confidence was calibrated on speakers of the test set.

    Parameters
    ----------
    calibration
        The artefact's ``calibration``; empty if there is none.
    test_set
        Clips to test on.

    Examples
    --------
    >>> describe_calibration({}, [])
    ()
    """
    shared = shared_speakers(calibration, test_set)
    if not shared:
        return ()
    return (
        f"confidence was calibrated on {len(shared)} of the speakers tested: calibration error, "
        "log-loss and Brier score are lower here than on other speakers",
    )


def describe_audit(
    training: Mapping[str, Any],
    test_set: Sequence[Utterance],
    n_train: int,
    *,
    compare_audio: bool,
    is_leaky: bool,
) -> str:
    """Return how the test set was compared with the training data.

    Parameters
    ----------
    training
        The artefact's ``training``; empty if nothing is known.
    test_set
        Clips to test on.
    n_train
        Number of training clips that were compared with them; 0 for none.
    compare_audio
        Whether their sound was compared as well.
    is_leaky
        Whether anything was shared.

    Examples
    --------
    >>> describe_audit({}, [], 0, compare_audio=True, is_leaky=False)
    'leakage audit: none, because nothing is known about the training data'
    """
    parts = []
    speakers = training.get("speakers", ())
    n_tested = len({utterance.speaker for utterance in test_set})
    if speakers:
        parts.append(
            f"the {count(n_tested, 'test speaker')} {_were(n_tested)} compared by name with the "
            f"{count(len(speakers), 'speaker')} in the recogniser's training record"
        )
    if n_train:
        how = "names, bytes and sound" if compare_audio else "names and bytes"
        parts.append(
            f"the {count(len(test_set), 'test recording')} {_were(len(test_set))} compared by "
            f"{how} with {count(n_train, 'training recording')}"
        )
    elif speakers:
        parts.append("recordings were not compared")
    if not parts:
        return "leakage audit: none, because nothing is known about the training data"
    outcome = "shared items are listed above" if is_leaky else "nothing is shared"
    return f"leakage audit: {'; '.join([*parts, outcome])}"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"
