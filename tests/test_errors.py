"""The exceptions, and the checks of arguments: one wording for each kind of mistake."""

import inspect
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotionrecog import errors
from emotionrecog.errors import (
    DatasetError,
    EmotionRecogError,
    require_number,
    require_one_of,
    require_share,
    require_whole,
)


def test_every_exception_is_caught_by_the_base_class() -> None:
    classes = [value for _, value in inspect.getmembers(errors, inspect.isclass)]
    exceptions = [each for each in classes if issubclass(each, Exception)]
    assert len(exceptions) >= 6
    assert all(issubclass(each, EmotionRecogError) for each in exceptions)


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("AudioError", ValueError),
        ("DatasetError", ValueError),
        ("LeakageError", DatasetError),
        ("ModelError", ValueError),
        ("DownloadError", OSError),
    ],
)
def test_exception_is_also_the_builtin_that_fits(name: str, builtin: type[Exception]) -> None:
    assert issubclass(getattr(errors, name), builtin)


# Whole numbers -----------------------------------------------------------------------------------


@given(st.integers(-(10**30), 10**30))
def test_whole_numbers_pass_exactly_within_their_bounds(value: int) -> None:
    if 1 <= value <= 100:
        assert require_whole("n", value, 1, 100) == value
    else:
        with pytest.raises(
            ValueError, match=r"^`n` must be a whole number from 1 to 100, got -?\d"
        ):
            require_whole("n", value, 1, 100)


@pytest.mark.parametrize("value", [True, 1.0, "1", None, [1], math.nan, np.float32(1), np.bool_(1)])
def test_what_is_no_whole_number_raises(value: object) -> None:
    with pytest.raises(ValueError, match=r"^`n` must be a whole number of at least 0, got "):
        require_whole("n", value)


def test_whole_number_of_numpy_becomes_an_int() -> None:
    number = require_whole("n", np.int16(3), 1)
    assert number == 3
    assert type(number) is int


def test_unit_is_in_the_message() -> None:
    with pytest.raises(ValueError, match="of at least 1 Hz, got 0"):
        require_whole("sr", 0, 1, unit="Hz")
    with pytest.raises(ValueError, match="a number above 0 Hz, got -1"):
        require_number("sr", -1, 0, open_low=True, unit="Hz")


# Numbers -----------------------------------------------------------------------------------------


@given(
    value=st.floats(allow_nan=True, allow_infinity=True),
    bounds=st.tuples(st.floats(-10, 10), st.floats(-10, 10)).map(sorted),
    open_low=st.booleans(),
    open_high=st.booleans(),
)
def test_numbers_pass_exactly_within_their_bounds(
    value: float, bounds: list[float], open_low: bool, open_high: bool
) -> None:
    low, high = bounds
    above = value > low if open_low else value >= low
    below = value < high if open_high else value <= high
    if above and below:
        assert (
            require_number("x", value, low, high, open_low=open_low, open_high=open_high) == value
        )
    else:
        with pytest.raises(ValueError, match=r"^`x` must be a number "):
            require_number("x", value, low, high, open_low=open_low, open_high=open_high)


@pytest.mark.parametrize(
    ("options", "bounds"),
    [
        ({}, ""),
        ({"minimum": 0}, " of at least 0"),
        ({"maximum": 2}, " of at most 2"),
        ({"minimum": 0, "maximum": 2}, " from 0 to 2"),
        ({"minimum": 0, "open_low": True}, " above 0"),
        ({"minimum": 0, "maximum": 1, "open_high": True}, " of at least 0 and below 1"),
        ({"minimum": 0, "maximum": 1, "open_low": True, "open_high": True}, " above 0 and below 1"),
    ],
)
def test_bounds_have_one_wording(options: dict[str, float], bounds: str) -> None:
    message = re.escape(f"`x` must be a number{bounds}, got 'many'")
    with pytest.raises(ValueError, match=f"^{message}$"):
        require_number("x", "many", **options)


@pytest.mark.parametrize("value", [True, "0.5", None, math.inf, -math.inf, math.nan])
def test_what_is_no_finite_number_raises(value: object) -> None:
    with pytest.raises(ValueError, match="must be a number"):
        require_number("x", value)


@pytest.mark.parametrize("value", [-0.1, 1.1, 70])
def test_share_is_from_0_to_1(value: float) -> None:
    assert require_share("share", 0) == 0.0
    assert require_share("share", 1) == 1.0
    with pytest.raises(ValueError, match=rf"^`share` must be a number from 0 to 1, got {value}$"):
        require_share("share", value)
    with pytest.raises(ValueError, match="above 0 and of at most 1, got 0"):
        require_share("share", 0, open_low=True)


def test_long_values_are_shortened() -> None:
    with pytest.raises(ValueError, match="`n` must be") as raised:
        require_whole("n", "x" * 10_000)
    assert len(str(raised.value)) < 150


# Choices -----------------------------------------------------------------------------------------


@given(st.text(max_size=10))
def test_choices_pass_and_nothing_else(value: str) -> None:
    choices = ("linear", "gru")
    if value in choices:
        assert require_one_of("architecture", value, choices) == value
    else:
        with pytest.raises(ValueError, match="`architecture` must be one of linear, gru"):
            require_one_of("architecture", value, choices)


def test_nearest_choice_is_suggested() -> None:
    with pytest.raises(ValueError, match="did you mean 'ravdess'\\? Got 'ravdes'"):
        require_one_of("corpus", "ravdes", ("savee", "ravdess"))
    with pytest.raises(ValueError, match="must be one of savee, ravdess") as raised:
        require_one_of("corpus", "xyz", ("savee", "ravdess"))
    assert "did you mean" not in str(raised.value)


@pytest.mark.parametrize("value", [[1], {}, np.zeros(3), None])
def test_values_of_any_type_raise(value: object) -> None:
    with pytest.raises(ValueError, match="must be one of a, b"):
        require_one_of("name", value, {"a": 1, "b": 2})


def test_error_type_can_be_chosen() -> None:
    with pytest.raises(DatasetError, match="`emotion` must be one of happy"):
        require_one_of("emotion", "joy", ("happy",), error=DatasetError)
