"""Lay out generated tables as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emotionrecog.text import percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# A line is not broken at this space.
SPACE = "\u00a0"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, n_left: int = 1) -> list[str]:
    """Return the lines of a table whose first columns are aligned left and the others right."""
    return [
        row(head),
        "|---" * n_left + "|---:" * (len(head) - n_left) + "|",
        *map(row, rows),
    ]


def row(cells: Sequence[object]) -> str:
    """Return one row of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def shell(*commands: str) -> list[str]:
    """Return a block of shell commands, with an empty line on either side."""
    return ["", "```sh", *commands, "```", ""]


def spread(mean: float | None, deviation: float | None) -> str:
    """Return a mean and its standard deviation in per cent."""
    if deviation is None:
        return percent(mean)
    return f"{percent(mean)}{SPACE}±{SPACE}{percent(deviation)}"


def with_interval(value: float | None, bounds: tuple[float, float] | None) -> str:
    """Return a value and its interval in per cent."""
    if bounds is None:
        return f"{percent(value)} (none)"
    low, high = map(percent, bounds)
    return f"{percent(value)} ({low}{SPACE}to{SPACE}{high})"


def escape(text: str) -> str:
    """Return a text with the characters that Markdown would interpret escaped."""
    return "".join(f"\\{letter}" if letter in r"\`*_[]<>|" else letter for letter in text)
