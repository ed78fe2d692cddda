"""Docstrings of the public interface: examples that run, and summaries that say what is done."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import emotionrecog
from emotionrecog import EmotionRecognizer
from emotionrecog.inference import Engine

# Functions that need no example, by reason.
NO_EXAMPLE = {
    "takes a Keras network": (
        "models.export.restore",
        "models.export.to_onnx",
        "models.mobilenet.build",
        "models.mobilenet.load_audioset_weights",
        "models.mobilenet.split",
        "training.arrays.evaluate_model",
        "training.arrays.train_model",
    ),
    "needs corpora or a long training": (
        "training.adaptation.adapt",
        "training.arrays.preprocess_data",
        "training.calibration.calibrate",
        "training.card.summarize",
        "training.run.train",
    ),
}

# First words that do not say in the imperative what a callable does.
BANNED = re.compile(
    r"Refuse|What\b|Whether .* heard|Of what\b|How\b.*\bheard|See\b|This function\b"
)


def modules() -> Iterator[ModuleType]:
    """Import every module that can be imported here; only TensorFlow's may be missing."""
    yield emotionrecog
    for found in pkgutil.walk_packages(emotionrecog.__path__, "emotionrecog."):
        if found.name.endswith("__main__"):
            continue
        try:
            yield importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in ("keras", "tensorflow"):
                raise


def public() -> dict[str, Any]:
    """Return the public functions and classes by full name."""
    return {
        f"{module.__name__}.{name}": thing
        for module in modules()
        for name in getattr(module, "__all__", ())
        if (inspect.isfunction(thing := getattr(module, name, None)) or inspect.isclass(thing))
        and thing.__module__ == module.__name__
    }


def methods(owner: type) -> dict[str, Any]:
    """Return the public methods that a class defines itself, by name."""
    return {
        name: getattr(owner, name)
        for name in vars(owner)
        if not name.startswith("_") and callable(getattr(owner, name))
    }


def without_example(things: dict[str, Any]) -> list[str]:
    return [
        name
        for name, thing in things.items()
        if not re.search(r"\nExamples\n-{8}\n(.|\n)*>>> ", inspect.getdoc(thing) or "")
    ]


def bad_summaries(things: dict[str, Any]) -> list[str]:
    bad = []
    for name, thing in things.items():
        first = (inspect.getdoc(thing) or "").partition("\n")[0]
        if not first.endswith(".") or BANNED.match(first):
            bad.append(f"{name}: {first}")
    return bad


@pytest.fixture(scope="module")
def interface() -> dict[str, Any]:
    return public()


def test_every_public_function_has_an_example(interface: dict[str, Any]) -> None:
    functions = {name: thing for name, thing in interface.items() if inspect.isfunction(thing)}
    assert len(functions) > 150
    excused = {f"emotionrecog.{name}" for names in NO_EXAMPLE.values() for name in names}
    assert set(without_example(functions)) <= excused


@pytest.mark.parametrize("owner", [EmotionRecognizer, Engine])
def test_every_method_has_an_example(owner: type) -> None:
    assert "predict" in methods(owner)
    assert without_example(methods(owner)) == []


def test_summaries_are_sentences(interface: dict[str, Any]) -> None:
    things = dict(interface)
    for name, thing in interface.items():
        if inspect.isclass(thing):
            things |= {f"{name}.{key}": method for key, method in methods(thing).items()}
    assert bad_summaries(things) == []


def test_docstrings_that_the_tests_object_to() -> None:
    def plain() -> None:
        """Return nothing."""

    def refusing() -> None:
        """Refuse strings."""

    def unfinished() -> None:
        """Return nothing"""

    things = {thing.__name__: thing for thing in (plain, refusing, unfinished)}
    assert without_example({"plain": plain, "require": emotionrecog.errors.require_whole}) == [
        "plain"
    ]
    assert bad_summaries(things) == ["refusing: Refuse strings.", "unfinished: Return nothing"]
