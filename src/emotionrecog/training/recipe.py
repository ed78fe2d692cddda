"""Everything that training depends on besides the recordings."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from emotionrecog import augmentation as augmentations
from emotionrecog import models
from emotionrecog.augmentation import Chain, SpectrogramAugmentation
from emotionrecog.datasets import EMOTIONS
from emotionrecog.features import PRESETS, FeatureSpec
from emotionrecog.features.spec import SAVED_AS

if TYPE_CHECKING:
    import os

__all__ = ["Recipe", "changed", "require_sizes"]

LOSSES = ("crossentropy", "focal")
BALANCES = ("sampling", "weights", "none")
OPTIMIZERS = ("adamw", "adam")
SCHEDULES = ("cosine", "constant")

# Entries of a recipe that are tables.
TABLES = ("sizes", "features", "augmentation")

# What an architecture that has no recipe of its own is trained with, besides what its features say.
_ANY: Mapping[str, Any] = {
    "epochs": 80,
    "batch_size": 32,
    "averaging": 0.0,
    "copies": 0,
    "patience": 10,
    "schedule": "constant",
}
_OWN: Mapping[str, Mapping[str, Any]] = {
    "mobilenet": {"crop_frames": 256},
    "crnn": {"crop_frames": 256, "copies": 0},
    "linear": {"copies": 0, "crop_frames": 1001},
}

# Length in s of what other networks are given at once.
_CROP = 2.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that training depends on besides the recordings.

    The defaults are those of the recogniser that comes with the package; `of` has those of other
    architectures, and `from_toml` reads a file.

    Parameters
    ----------
    architecture, sizes
        Name and arguments for `emotionrecog.models.build`.
    features
        What the network is fed. Networks normalise their input themselves, so that normalisation
        is ``"none"`` or ``"utterance"``.
    labels
        The emotions to tell apart, some of `emotionrecog.datasets.EMOTIONS` in their order; by
        default all of them.
    augmentation
        How spectra are varied; `None` for not at all. Of features other than ``log_mel``, only its
        masks and its mixup are used.
    waveforms
        How the waveforms of the copies are varied, for features other than ``log_mel`` alone.
    copies
        How many varied copies of each clip there are, besides the clip itself. Those of features
        other than ``log_mel`` come from `waveforms`; those of ``log_mel`` from `augmentation`
        where a pretrained trunk keeps its weights and its heads are trained. Otherwise spectra are
        varied anew each time.
    epochs, batch_size, crop_frames
        Passes over as many clips as there are, clips in a step, frames of a training crop.
    loss, focal_gamma
        ``"crossentropy"``, or ``"focal"`` with its exponent, which makes what is easy count less.
    balance
        ``"sampling"`` draws corpora as the roots of their sizes and their emotions equally;
        ``"weights"`` takes every clip once and weighs it so; ``"none"`` takes all as they come.
    soft_targets
        Share of the target that follows the votes of listeners, where there are any.
    optimizer, schedule, learning_rate, weight_decay
        ``"adamw"`` or ``"adam"``. The rate rises for a tenth of the steps; then it falls as a
        cosine to zero, or is constant.
    averaging
        Momentum of the moving average of the weights, which is what is kept; 0 for none. It is
        lowered where it would reach further back than a tenth of all steps.
    patience
        Stop after so many epochs without a higher UAR on validation speakers (of equal ones, the
        lower loss is better), and keep the best weights; `None` runs all epochs and keeps the last.
    validation_share
        Share of the speakers of each corpus that `patience` watches where no validation set is
        given.
    label_smoothing
        Share of the target spread over the emotions that the clip's corpus contains.
    absent_weight
        Weight in the softmax of the emotions that the clip's corpus lacks. At 0 its clips teach
        nothing about them, and the network is free to answer them to any voice of that corpus.
    mixed_precision
        Compute in bfloat16 where that is safe; for GPUs.
    seed
        Of everything drawn.

    Raises
    ------
    ValueError
        If a value is none of those named, or out of its bounds.

    Examples
    --------
    >>> Recipe.of("lstm", epochs=5).patience
    10
    >>> Recipe.from_dict({"architecture": "gru", "features": {"preset": "mfcc", "deltas": 1}})
    ... # doctest: +ELLIPSIS
    Recipe(architecture='gru', ...deltas=1...)
    """

    architecture: str = "mobilenet"
    sizes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    features: FeatureSpec = dataclasses.field(default_factory=FeatureSpec)
    labels: tuple[str, ...] = EMOTIONS
    augmentation: SpectrogramAugmentation | None = dataclasses.field(
        default_factory=SpectrogramAugmentation
    )
    waveforms: Chain | None = None
    copies: int = 8
    epochs: int = 40
    batch_size: int = 64
    crop_frames: int = 256
    loss: str = "crossentropy"
    focal_gamma: float = 2.0
    balance: str = "sampling"
    soft_targets: float = 0.0
    optimizer: str = "adamw"
    schedule: str = "cosine"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    averaging: float = 0.998
    patience: int | None = None
    validation_share: float = 0.15
    label_smoothing: float = 0.1
    absent_weight: float = 0.05
    mixed_precision: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        for name, expected in (
            ("architecture", models.ARCHITECTURES),
            ("loss", LOSSES),
            ("balance", BALANCES),
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
        ):
            if getattr(self, name) not in expected:
                raise ValueError(
                    f"`{name}` must be one of {', '.join(expected)}, got {getattr(self, name)!r}"
                )
        for name, lowest in (("copies", 0), ("epochs", 1), ("batch_size", 1), ("crop_frames", 2)):
            _require_whole(name, getattr(self, name), lowest)
        if self.patience is not None:
            _require_whole("patience", self.patience, 1)
        for name, low, high in _BOUNDS:
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not low <= value <= high:
                raise ValueError(f"`{name}` must be from {low:g} to {high:g}, got {value!r}")
        if self.learning_rate == 0:
            raise ValueError("`learning_rate` must be above 0")
        chosen = tuple(emotion for emotion in EMOTIONS if emotion in self.labels)
        if self.labels != chosen or len(chosen) < 2:
            raise ValueError(
                f"`labels` must be two or more of {', '.join(EMOTIONS)}, in this order, got "
                f"{self.labels!r}"
            )
        if self.features.normalization == "corpus":
            raise ValueError(
                "`features` must not be normalised by corpus: the network does that itself, with "
                "statistics of the training data; use normalization 'none'"
            )
        if self.waveforms is not None and self.varies_spectra:
            raise ValueError(
                "`waveforms` are for features other than log_mel alone, whose spectra "
                "`augmentation` varies; to train on varied recordings, write them with "
                "emotionrecog.augmentation.augment_corpus"
            )

    @property
    def varies_spectra(self) -> bool:
        """Whether the clips are kept as mel power, which `augmentation` works on."""
        return _varies_spectra(self.features)

    @classmethod
    def of(cls, architecture: str, **changes: Any) -> Self:
        """Return what an architecture is trained with unless told otherwise.

        Parameters
        ----------
        architecture
            One of `emotionrecog.models.ARCHITECTURES`.
        **changes
            Fields that shall differ.
        """
        if architecture not in models.ARCHITECTURES:
            known = ", ".join(models.ARCHITECTURES)
            raise ValueError(f"`architecture` must be one of {known}, got {architecture!r}")
        spec = changes.get("features", PRESETS[models.ARCHITECTURES[architecture].features])
        chosen = {
            "crop_frames": 1 + int(_CROP * spec.sampling_rate / spec.hop_length),
            "augmentation": SpectrogramAugmentation() if _varies_spectra(spec) else None,
            **_OWN.get(architecture, _ANY),
        }
        return cls(**{"architecture": architecture, "features": spec, **chosen, **changes})

    def to_dict(self) -> dict[str, Any]:
        """Return the values under their names, ready for JSON.

        `waveforms` become the text that would make them.
        """
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return values | {
            "sizes": dict(self.sizes),
            "features": self.features.to_dict(),
            "labels": list(self.labels),
            "augmentation": self.augmentation and dataclasses.asdict(self.augmentation),
            "waveforms": self.waveforms and repr(self.waveforms),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make a recipe of plain values, as a TOML file has them.

        Parameters
        ----------
        values
            Fields by name; what is missing is as in `of`. ``features`` is the name of a preset, or
            a table of fields of `FeatureSpec` with or without a ``preset`` to start from;
            ``augmentation`` is a table of fields of `SpectrogramAugmentation`, or false;
            ``waveforms`` is an array of tables, each with the name of a ``transform``, its
            arguments and, if wanted, its ``probability``; ``patience`` may be false for `None`.

        Raises
        ------
        ValueError
            If an entry is unknown, of the wrong type or out of bounds.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        _require_known("a recipe", values, known)
        given = dict(values)
        if "features" in given:
            given["features"] = _features(given["features"])
        if "labels" in given:
            given["labels"] = tuple(given["labels"])
        if "augmentation" in given:
            given["augmentation"] = _augmentation(given["augmentation"])
        if "waveforms" in given:
            given["waveforms"] = _waveforms(given["waveforms"])
        if given.get("patience") is False:  # TOML has no None
            given["patience"] = None
        return cls.of(given.pop("architecture", cls.architecture), **given)

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Self:
        """Read a recipe; see `from_dict` for what the file may hold.

        Raises
        ------
        ValueError
            If the file is no TOML, or as in `from_dict`; the message names the file.
        """
        try:
            return cls.from_dict(tomllib.loads(Path(path).read_text(encoding="utf-8")))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{str(path)!r}: {error}") from error

    def to_toml(self) -> str:
        """Return the text of a file that `from_toml` reads as this recipe.

        Raises
        ------
        ValueError
            If `waveforms` hold what a file cannot say: transforms of others, recordings.

        Examples
        --------
        >>> text = Recipe.of("lstm", sizes={"units": 64}).to_toml()
        >>> text.splitlines()[:2], text.splitlines()[-2:]
        (['architecture = "lstm"', 'features = "descriptors"'], ['[sizes]', 'units = 64'])
        """
        values = self.to_dict()
        if self.waveforms is not None:
            values["waveforms"] = _rows(self.waveforms)
        for name, spec in PRESETS.items():
            if self.features == spec:
                values["features"] = name
        values = {name: False if value is None else value for name, value in values.items()}
        # What is no table comes first, for whatever follows the head of a table is in it.
        parts = [_toml_lines({k: v for k, v in values.items() if not _is_table(v)})]
        for name, value in values.items():
            if isinstance(value, dict) and value:
                parts.append(f"[{name}]\n{_toml_lines(value)}")
            elif _is_table(value):
                parts += [f"[[{name}]]\n{_toml_lines(row)}" for row in value]
        return "\n\n".join(parts) + "\n"


_BOUNDS = (
    ("focal_gamma", 0.0, 100.0),
    ("soft_targets", 0.0, 1.0),
    ("learning_rate", 0.0, 10.0),
    ("weight_decay", 0.0, 10.0),
    ("averaging", 0.0, 0.999999),
    ("validation_share", 0.01, 0.9),
    ("label_smoothing", 0.0, 1.0),
    ("absent_weight", 0.0, 1.0),
)


def _varies_spectra(spec: FeatureSpec) -> bool:
    return spec.features == ("log_mel",) and not (
        spec.deltas or spec.functionals or spec.normalization != "none"
    )


def _require_whole(name: str, value: object, lowest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
        raise ValueError(f"`{name}` must be a whole number from {lowest} on, got {value!r}")


def _require_known(what: str, values: object, known: list[str]) -> None:
    if not isinstance(values, Mapping):
        raise ValueError(f"{what} must be a table, got {values!r:.60}")
    unknown = [name for name in values if name not in known]
    if unknown:
        raise ValueError(f"{what} has no entry {unknown[0]!r}; expected some of {', '.join(known)}")


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


def _features(given: Any) -> FeatureSpec:
    fields = {"preset": given} if isinstance(given, str) else given
    if isinstance(fields, Mapping):  # a saved spec has its own spelling of some fields
        field_of = {saved: name for name, saved in SAVED_AS.items()}
        fields = {field_of.get(name, name): value for name, value in fields.items()}
    known = [field.name for field in dataclasses.fields(FeatureSpec)]
    _require_known("`features`", fields, ["preset", *known])
    own = _tuples(fields)
    preset = own.pop("preset", "log-mel")
    if preset not in PRESETS:
        raise ValueError(f"`preset` must be one of {', '.join(PRESETS)}, got {preset!r}")
    return dataclasses.replace(PRESETS[preset], **own)


def _augmentation(given: Any) -> SpectrogramAugmentation | None:
    if given is False or given is None:
        return None
    _require_known(
        "`augmentation`",
        given,
        [field.name for field in dataclasses.fields(SpectrogramAugmentation)],
    )
    return SpectrogramAugmentation(**_tuples(given))


def _waveforms(given: Any) -> Chain | None:
    if not given:
        return None
    transforms, probabilities = [], []
    for row in given:
        arguments = _tuples(row)
        name = arguments.pop("transform", None)
        if name not in _TRANSFORMS:
            raise ValueError(
                f"`waveforms` must name a `transform` each, one of {', '.join(_TRANSFORMS)}, "
                f"got {name!r}"
            )
        probabilities.append(arguments.pop("probability", 1.0))
        transforms.append(getattr(augmentations, name)(**arguments))
    return Chain(tuple(transforms), tuple(probabilities))


def _rows(chain: Chain) -> list[dict[str, Any]]:
    """Return what `_waveforms` makes the chain of."""
    shares = chain.probability
    if not isinstance(shares, tuple):
        shares = (shares,) * len(chain.transforms)
    rows = []
    transform: Any
    for transform, share in zip(chain.transforms, shares, strict=True):
        name = type(transform).__name__
        if name not in _TRANSFORMS or type(transform) is not getattr(augmentations, name):
            raise ValueError(
                f"`waveforms` must be made of {', '.join(_TRANSFORMS)} to be written into a file, "
                f"got {transform!r}"
            )
        fields = {f.name: getattr(transform, f.name) for f in dataclasses.fields(transform)}
        own = {k: v for k, v in fields.items() if v is not None}
        rows.append({"transform": name, **own, "probability": share})
    return rows


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], dict)
    )


def _toml_lines(values: Mapping[str, Any]) -> str:
    return "\n".join(f"{k} = {_toml(v)}" for k, v in values.items() if v is not None)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    raise ValueError(f"a file can hold numbers, texts and lists of them, not {value!r}")


_TRANSFORMS = (
    *("AddNoise", "BandLimit", "Clip", "Codec", "Gain"),
    *("PitchShift", "RoomImpulse", "Shift", "TimeStretch"),
)


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
    >>> from emotionrecog.training.recipe import changed
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
                f"{name!r}: a recipe has no table {table!r}; expected one of {', '.join(TABLES)}"
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
                f"`sizes` of {architecture!r} must be some of {', '.join(known)}, got {name!r}"
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
