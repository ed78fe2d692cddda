"""Lay out the numbers and names that reports, errors and the command line print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

__all__ = [
    "count",
    "count_with_examples",
    "interval",
    "listing",
    "number",
    "percent",
    "printable",
    "rounded",
    "table",
]


def percent(share: float | None, *, digits: int = 1, sign: str = "") -> str:
    """Return a share in per cent, or an en dash for a missing one.

    Parameters
    ----------
    share
        From 0 to 1; None or NaN if there is none.
    digits
        Digits after the point.
    sign
        ``"+"`` to sign positive numbers as well.

    Examples
    --------
    >>> percent(0.7741), percent(-0.02, sign="+"), percent(-0.0001), percent(None)
    ('77.4', '-2.0', '0.0', '–')
    """
    if share is None or share != share:
        return "–"
    return f"{100 * share:{sign}z.{digits}f}"  # z: 0.0 instead of -0.0


def number(value: float | None, *, digits: int = 2) -> str:
    """Return a number with fixed digits after the point, or an en dash for a missing one.

    Examples
    --------
    >>> number(1.2345), number(None)
    ('1.23', '–')
    """
    return "–" if value is None else f"{value:.{digits}f}"


def interval(bounds: tuple[float, float] | None, *, digits: int = 1) -> str:
    """Return the two ends of an interval of shares in per cent, or an en dash if there is none.

    Examples
    --------
    >>> interval((0.631, 0.847)), interval(None)
    ('63.1–84.7', '–')
    """
    if bounds is None:
        return "–"
    return "–".join(percent(bound, digits=digits) for bound in bounds)


def count(n: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun, in the singular or plural.

    Examples
    --------
    >>> count(1, "clip"), count(2, "clip"), count(0, "copy", "copies")
    ('1 clip', '2 clips', '0 copies')
    """
    return f"{n} {noun if n == 1 else plural or noun + 's'}"


def count_with_examples(names: Sequence[object], noun: str) -> str:
    """Return how many things there are, and the first three of them.

    Examples
    --------
    >>> count_with_examples(["'a.wav'", "'b.wav'"], "file")
    "2 files (such as 'a.wav', 'b.wav')"
    """
    return f"{count(len(names), noun)} (such as {', '.join(map(str, names[:3]))})"


def listing(names: Collection[Any], *, n_shown: int = 5, quoted: bool = False) -> str:
    """Return names with commas between them; beyond `n_shown`, how many more there are.

    Examples
    --------
    >>> listing(["DC", "JE"])
    'DC, JE'
    >>> listing(range(20), n_shown=3)
    '0, 1, 2 and 17 more'
    """
    words = [repr(name) if quoted else str(name) for name in names]
    n_more = len(words) - n_shown
    if n_more <= 1:  # "and 1 more" is no shorter than the name itself
        return ", ".join(words)
    return f"{', '.join(words[:n_shown])} and {n_more} more"


def printable(name: str) -> str:
    r"""Quote a name that would break the line or send commands to the terminal.

    Examples
    --------
    >>> printable("clip.wav"), printable("a\nb.wav")
    ('clip.wav', "'a\\nb.wav'")
    """
    return name if name.isprintable() else repr(name)


def rounded(value: Any, digits: int = 6) -> Any:
    """Round every float in nested mappings, sequences and arrays, for JSON that people read.

    Examples
    --------
    >>> rounded({"uar": 0.123456789, "clips": [1, 0.5]})
    {'uar': 0.123457, 'clips': [1, 0.5]}
    """
    if isinstance(value, dict):
        return {name: rounded(item, digits) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item, digits) for item in value]
    if hasattr(value, "tolist"):  # of NumPy
        return rounded(value.tolist(), digits)
    return round(value, digits) if isinstance(value, float) else value


def table(
    head: Sequence[str], rows: Iterable[Sequence[object]], *, n_left: int = 1, indent: str = ""
) -> str:
    """Lay out a table in columns of fixed width, two spaces apart.

    Parameters
    ----------
    head
        The column names.
    rows
        The cells of each row, as many as there are names.
    n_left
        How many of the first columns are aligned left; the others are aligned right.
    indent
        What each line starts with.

    Returns
    -------
    str
        Lines without trailing spaces, and without a newline after the last.

    Examples
    --------
    >>> print(table(["corpus", "UAR"], [["savee", "29.8"], ["crema_d", "66.3"]]))
    corpus    UAR
    savee    29.8
    crema_d  66.3
    """
    lines = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if column < n_left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"{indent}{'  '.join(padded)}".rstrip()

    return "\n".join(map(line, lines))
