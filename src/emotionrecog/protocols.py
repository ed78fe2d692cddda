"""Named splits whose test speakers are heard in testing alone."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from emotionrecog.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from emotionrecog.datasets import Utterance

__all__ = ["HELD_OUT", "split"]

HELD_OUT: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        # The first fold of RAVDESS' subject-wise five, the fifth of EMO-SUPERB's for CREMA-D, one
        # of SAVEE's four men, one of TESS' two women: all out of training in one run.
        "joint-test": frozenset(
            [
                *(f"ravdess/{actor:02d}" for actor in (2, 5, 14, 15, 16)),
                *(f"crema_d/{actor}" for actor in range(1019, 1037)),
                "savee/KL",
                "tess/YAF",
            ]
        ),
        # Other speakers, to choose between recipes on.
        "joint-validation": frozenset(
            [
                *(f"ravdess/{actor:02d}" for actor in (3, 6, 7, 13, 18)),
                *(f"crema_d/{actor}" for actor in range(1055, 1073)),
                "savee/JK",
                "tess/OAF",
            ]
        ),
    }
)
"""Held-out speakers, by the name of the protocol. Both are speaker-disjoint. Neither is
text-disjoint: the corpora have all their speakers say the same sentences."""


def split(
    utterances: Iterable[Utterance], protocol: str
) -> tuple[list[Utterance], list[Utterance]]:
    """Divide utterances into training and test data that share no speaker.

    The test speakers of ``"joint-test"`` are left out of ``"joint-validation"`` altogether, so that
    what is chosen on the latter has not seen them.

    Parameters
    ----------
    utterances
        Of all corpora.
    protocol
        A name out of `HELD_OUT`.

    Returns
    -------
    train_set, test_set
        Both in the given order.

    Raises
    ------
    ValueError
        If the protocol is unknown.
    DatasetError
        If one of its speakers has no utterance.
    """
    if protocol not in HELD_OUT:
        raise ValueError(f"`protocol` must be one of {', '.join(HELD_OUT)}, got {protocol!r}")
    given = list(utterances)
    tested = HELD_OUT[protocol]
    missing = sorted(tested - {utterance.speaker for utterance in given})
    if missing:
        raise DatasetError(
            f"`utterances` must hold all speakers of protocol {protocol!r}; "
            f"missing are {', '.join(missing)}"
        )
    unheard = tested | HELD_OUT["joint-test"]
    train_set = [utterance for utterance in given if utterance.speaker not in unheard]
    return train_set, [utterance for utterance in given if utterance.speaker in tested]
