"""Test speakers of each fold of published protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "CREMA_D_EMOSUPERB5",
    "RAVDESS_EMOBOX6",
    "RAVDESS_LOSO",
    "RAVDESS_SUBJECT5",
    "SAVEE_EMOBOX4",
    "TESS_SPEAKER2",
    "actors",
    "speakers",
]


def speakers(corpus: str, codes: Iterable[object]) -> frozenset[str]:
    """Return the names of a corpus' speakers with these codes.

    Examples
    --------
    >>> sorted(speakers("savee", ["DC", "KL"]))
    ['savee/DC', 'savee/KL']
    """
    return frozenset(f"{corpus}/{code}" for code in codes)


def actors(*numbers: int) -> frozenset[str]:
    """Return the names of RAVDESS' actors with these numbers.

    Examples
    --------
    >>> sorted(actors(1, 24))
    ['ravdess/01', 'ravdess/24']
    """
    return speakers("ravdess", (f"{number:02d}" for number in numbers))


# Luna-Jiménez et al., "Multimodal emotion recognition on RAVDESS dataset using transfer learning",
# Sensors 21(22), 2021.
RAVDESS_SUBJECT5 = (
    actors(2, 5, 14, 15, 16),
    actors(3, 6, 7, 13, 18),
    actors(10, 11, 12, 19, 20),
    actors(8, 17, 21, 23, 24),
    actors(1, 4, 9, 22),
)

# Ma et al., "EmoBox: multilingual multi-corpus speech emotion recognition toolkit and benchmark",
# Interspeech 2024.
RAVDESS_EMOBOX6 = (
    actors(1, 11, 20, 21),
    actors(4, 10, 12, 14),
    actors(8, 9, 19, 23),
    actors(3, 5, 7, 24),
    actors(2, 15, 16, 18),
    actors(6, 13, 17, 22),
)
SAVEE_EMOBOX4 = tuple(speakers("savee", [code]) for code in ("JE", "KL", "DC", "JK"))

RAVDESS_LOSO = tuple(actors(number) for number in range(1, 25))

# Wu et al., "EMO-SUPERB: an in-depth look at speech emotion recognition", 2024.
CREMA_D_EMOSUPERB5 = (
    speakers("crema_d", range(1037, 1055)),
    speakers("crema_d", range(1001, 1019)),
    speakers("crema_d", range(1073, 1092)),
    speakers("crema_d", range(1055, 1073)),
    speakers("crema_d", range(1019, 1037)),
)

TESS_SPEAKER2 = (speakers("tess", ["OAF"]), speakers("tess", ["YAF"]))
