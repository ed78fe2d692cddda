"""Recipes in plain values: changing some of them, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emotionrecog import models
from emotionrecog.training.recipe import Recipe

__all__: list[str] = []

# Entries of a recipe that are tables.
TABLES = ("sizes", "features", "augmentation")


def changed(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain values of a recipe with some of them changed.

    Parameters
    ----------
    values
        As `Recipe.from_dict` takes them.
    changes
        New values by name; ``"sizes.units"`` is one entry of a table, and is changed after the
        table itself.

    Raises
    ------
    ValueError
        If a name with a dot begins with no table of a recipe.

    Examples
    --------
    >>> from emotionrecog.training.config import changed
    >>> changed({"architecture": "lstm", "epochs": 9}, {"epochs": 5, "features.deltas": 1})
    {'architecture': 'lstm', 'epochs': 5, 'features': {'preset': 'descriptors', 'deltas': 1}}
    """
    result = dict(values)
    for name, value in sorted(changes.items(), key=lambda item: "." in item[0]):
        table, dot, entry = name.partition(".")
        if not dot:
            result[name] = value
            continue
        if table not in TABLES:
            raise ValueError(
                f"a recipe has no table {table!r}, which {name!r} is of; expected {_some(TABLES)}"
            )
        known = result.get(table)
        if table == "features" and not isinstance(known, Mapping):
            known = {"preset": known or _preset(result)}
        result[table] = {**(known if isinstance(known, Mapping) else {}), entry: value}
    return result


def _preset(values: Mapping[str, Any]) -> str:
    about = models.ARCHITECTURES.get(values.get("architecture", Recipe.architecture))
    return about.features if about else "log-mel"


def require_sizes(architecture: str, sizes: Any) -> None:
    """Raise `ValueError` where an architecture does not have one of the sizes, or not such a one.

    Only kinds of values are compared; the architecture itself refuses what is out of bounds.
    """
    if not isinstance(sizes, Mapping):
        raise ValueError(f"`sizes` must be a table, got {sizes!r:.60}")
    known = models.default_sizes(architecture)
    for name, value in sizes.items():
        if name not in known:
            raise ValueError(
                f"`sizes` of {architecture!r} must be some of {_some(known)}, got {name!r}"
            )
        if not _is_like(value, known[name]) and name not in ("mean", "deviation"):
            raise ValueError(
                f"`sizes`: {name!r} of {architecture!r} must be a value like {known[name]!r}, got "
                f"{value!r}"
            )


def _is_like(value: Any, default: Any) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, float):
        return isinstance(value, int | float)
    if isinstance(default, list):
        return isinstance(value, list | tuple)
    return default is None or isinstance(value, type(default))


def _some(names: Any) -> str:
    return ", ".join(names)
