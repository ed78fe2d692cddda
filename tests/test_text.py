"""Numbers and names in words."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotionrecog import text


@given(st.floats(-1, 1))
def test_percent_has_one_digit(share: float) -> None:
    whole, point, digits = text.percent(share).partition(".")
    assert point == "."
    assert len(digits) == 1
    assert float(f"{whole}.{digits}") == pytest.approx(100 * share, abs=0.051)


@pytest.mark.parametrize("missing", [None, math.nan])
def test_missing_share_is_a_dash(missing: float | None) -> None:
    assert text.percent(missing) == "–"
    assert text.interval(None) == "–"


def test_percent_options() -> None:
    assert text.percent(0.5, digits=0) == "50"
    assert text.percent(0.123, sign="+") == "+12.3"
    assert text.interval((0.1, 0.25), digits=0) == "10–25"


@pytest.mark.parametrize(("number", "expected"), [(0, "0 clips"), (1, "1 clip"), (11, "11 clips")])
def test_count_agrees_with_its_noun(number: int, expected: str) -> None:
    assert text.count(number, "clip") == expected


def test_irregular_plural() -> None:
    assert text.count(3, "copy", "copies") == "3 copies"


@given(st.lists(st.text("abc", min_size=1, max_size=3), max_size=20), st.integers(1, 10))
def test_listing_names_all_or_says_how_many_are_missing(names: list[str], n_shown: int) -> None:
    listing = text.listing(names, n_shown=n_shown)
    head, _, n_more = listing.removesuffix(" more").rpartition(" and ")
    if len(names) <= n_shown + 1:
        assert listing == ", ".join(names)
    else:
        assert len(head.split(", ")) + int(n_more) == len(names)


def test_quoted_listing() -> None:
    assert text.listing(["a b", "c"], quoted=True) == "'a b', 'c'"


def test_examples_are_three_at_most() -> None:
    assert text.count_with_examples("abcd", "row") == "4 rows (such as a, b, c)"
    assert text.count_with_examples(["a"], "row pair") == "1 row pair (such as a)"


@given(st.text())
def test_printable_name_never_breaks_a_line(name: str) -> None:
    assert text.printable(name).isprintable()


@pytest.mark.parametrize("name", ["clip.wav", "schön 1.wav", "声.wav"])
def test_ordinary_name_is_unchanged(name: str) -> None:
    assert text.printable(name) == name


def test_rounding_reaches_nested_values() -> None:
    nested = {"uar": 1 / 3, "rows": [(2 / 3, 1, True, None, "0.123456789")]}
    assert text.rounded(nested, 3) == {
        "uar": 0.333,
        "rows": [[0.667, 1, True, None, "0.123456789"]],
    }


cells = st.text("abc ", max_size=6)


@given(
    st.integers(1, 4).flatmap(
        lambda n: st.tuples(
            st.lists(st.text("xyz", min_size=1, max_size=4), min_size=n, max_size=n),
            st.lists(st.lists(cells, min_size=n, max_size=n), max_size=4),
        )
    )
)
def test_columns_of_a_table_line_up(content: tuple[list[str], list[list[str]]]) -> None:
    head, rows = content
    lines = text.table(head, rows, n_left=len(head)).split("\n")
    assert len(lines) == 1 + len(rows)
    assert not any(line.endswith(" ") for line in lines)
    starts = [0]
    for column in range(len(head) - 1):
        width = max(len(row[column]) for row in (head, *rows))
        starts.append(starts[-1] + width + 2)
    for line, row in zip(lines, (head, *rows), strict=True):
        for start, cell in zip(starts, row, strict=True):
            assert line.ljust(start + len(cell))[start:].startswith(cell)


def test_rows_of_a_table_have_one_length() -> None:
    with pytest.raises(ValueError, match="argument"):
        text.table(["a", "b"], [["1"]])
