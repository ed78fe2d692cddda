"""The settings of a training, and their form in plain values and in TOML files."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from emotionrecog import augmentation as augmentations
from emotionrecog import models
from emotionrecog.augmentation import Chain, SpectrogramAugmentation
from emotionrecog.datasets import EMOTIONS
from emotionrecog.errors import require_number, require_one_of, require_whole
from emotionrecog.features import PRESETS, FeatureSpec
from emotionrecog.features.spec import SAVED_AS
from emotionrecog.models import LOSSES, ArchitectureName, LossName

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

__all__ = [
    "BALANCES",
    "OPTIMIZERS",
    "SCHEDULES",
    "TABLES",
    "BalanceName",
    "OptimizerName",
    "Recipe",
    "ScheduleName",
    "changed",
    "require_sizes",
]

BalanceName = Literal["sampling", "weights", "none"]
OptimizerName = Literal["adamw", "adam"]
ScheduleName = Literal["cosine", "constant"]

BALANCES: tuple[BalanceName, ...] = get_args(BalanceName)
OPTIMIZERS: tuple[OptimizerName, ...] = get_args(OptimizerName)
SCHEDULES: tuple[ScheduleName, ...] = get_args(ScheduleName)

# Entries of a recipe that are tables.
TABLES = ("sizes", "features", "augmentation")

# Defaults of the architectures, apart from those that depend on the features. Architectures that
# are not listed in `_DEFAULTS` share `_OTHER_DEFAULTS`.
_OTHER_DEFAULTS: Mapping[str, Any] = {
    "epochs": 80,
    "batch_size": 32,
    "averaging": 0.0,
    "copies": 0,
    "patience": 10,
    "schedule": "constant",
}
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "mobilenet": {"crop_frames": 256},
    "crnn": {"crop_frames": 256, "copies": 0},
    "linear": {"copies": 0, "crop_frames": 1001},
}

# Length of a training crop of other architectures, in s.
_CROP = 2.0

# Smallest value of the whole numbers.
_LOWEST = {"copies": 0, "epochs": 1, "batch_size": 1, "crop_frames": 2}

# Bounds of the other numbers.
_BOUNDS = {
    "focal_gamma": (0.0, 100.0),
    "soft_targets": (0.0, 1.0),
    "weight_decay": (0.0, 10.0),
    "averaging": (0.0, 0.999999),
    "validation_share": (0.01, 0.9),
    "label_smoothing": (0.0, 1.0),
    "absent_weight": (0.0, 1.0),
}

# Transforms that a file can describe.
_TRANSFORMS = (
    "AddNoise",
    "BandLimit",
    "Clip",
    "Codec",
    "Gain",
    "PitchShift",
    "RoomImpulse",
    "Shift",
    "TimeStretch",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of a training.

    The defaults are those of the recogniser that comes with the package. `of` returns those of
    other architectures, and `from_toml` reads a file.

    Parameters
    ----------
    architecture, sizes
        Name and arguments for `emotionrecog.models.build`.
    features
        The input of the network. Networks normalise their input themselves, so the normalisation
        is ``"none"`` or ``"utterance"``.
    labels
        The emotions to distinguish, a subset of `emotionrecog.datasets.EMOTIONS` in their order;
        all of them by default.
    augmentation
        How spectra are varied; None for no variation. With features other than ``log_mel``, only
        its masks and its mixup are used.
    waveforms
        How the waveforms of the copies are varied, for features other than ``log_mel``.
    copies
        Number of varied copies of each clip, in addition to the clip itself. With features other
        than ``log_mel`` they come from `waveforms`. With ``log_mel`` they come from `augmentation`
        if a pretrained trunk is frozen and only its heads are trained; otherwise spectra are varied
        anew in each epoch.
    epochs, batch_size, crop_frames
        Number of passes over the clips, clips in a batch, frames of a training crop.
    loss, focal_gamma
        ``"crossentropy"``, or ``"focal"`` with its exponent, which gives easy clips less weight.
    balance
        ``"sampling"`` draws corpora in proportion to the square roots of their sizes, and the
        emotions of each equally; ``"weights"`` uses every clip once per epoch, with weights to the
        same effect; ``"none"`` uses every clip once, without weights.
    soft_targets
        Share of the target that follows the votes of listeners, for clips that have votes.
    optimizer, schedule, learning_rate, weight_decay
        ``"adamw"`` or ``"adam"``; ``"cosine"`` or ``"constant"``. The learning rate rises for a
        tenth of the steps; then it falls to zero along a cosine, or stays constant.
    averaging
        Momentum of the moving average of the weights, which becomes the final network; 0 for no
        average. It is lowered if the average would cover more than a tenth of all steps.
    patience
        Stop after this number of epochs without a higher UAR on validation speakers (or, at the
        same UAR, a lower loss), and keep the best weights; None runs all epochs and keeps the last.
    validation_share
        Share of the speakers of each corpus that is held out for `patience` if no validation set is
        given.
    label_smoothing
        Share of the target that is spread over the emotions of the clip's corpus.
    absent_weight
        Weight in the softmax of the emotions that the clip's corpus lacks. At 0 its clips do not
        train these emotions, and nothing keeps the network from answering them to any voice of that
        corpus.
    mixed_precision
        Compute in bfloat16 where that is safe; for GPUs.
    seed
        Seed of all random draws.

    Raises
    ------
    ValueError
        If a value is not one of the choices, or out of bounds.

    Examples
    --------
    >>> Recipe.of("lstm", epochs=5).patience
    10
    >>> Recipe.from_dict({"architecture": "gru", "features": {"preset": "mfcc", "deltas": 1}})
    ... # doctest: +ELLIPSIS
    Recipe(architecture='gru', ...deltas=1...)
    """

    architecture: ArchitectureName = "mobilenet"
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
    loss: LossName = "crossentropy"
    focal_gamma: float = 2.0
    balance: BalanceName = "sampling"
    soft_targets: float = 0.0
    optimizer: OptimizerName = "adamw"
    schedule: ScheduleName = "cosine"
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
        """Validate the fields."""
        require_one_of("architecture", self.architecture, models.ARCHITECTURES)
        require_one_of("loss", self.loss, LOSSES)
        require_one_of("balance", self.balance, BALANCES)
        require_one_of("optimizer", self.optimizer, OPTIMIZERS)
        require_one_of("schedule", self.schedule, SCHEDULES)
        # NumPy's numbers become Python's, which JSON can express.
        for name, lowest in _LOWEST.items():
            object.__setattr__(self, name, require_whole(name, getattr(self, name), lowest))
        if self.patience is not None:
            require_whole("patience", self.patience, 1)
        for name, (low, high) in _BOUNDS.items():
            object.__setattr__(self, name, require_number(name, getattr(self, name), low, high))
        rate = require_number("learning_rate", self.learning_rate, 0, 10, open_low=True)
        object.__setattr__(self, "learning_rate", rate)
        ordered = tuple(emotion for emotion in EMOTIONS if emotion in self.labels)
        if self.labels != ordered or len(ordered) < 2:
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
                "`waveforms` cannot be used with the features log_mel, whose spectra are varied by "
                "`augmentation`; to train on varied recordings, write them with "
                "emotionrecog.augmentation.augment_corpus"
            )

    @property
    def varies_spectra(self) -> bool:
        """Whether clips are kept as mel power, which `augmentation` varies."""
        return _varies_spectra(self.features)

    @classmethod
    def of(cls, architecture: ArchitectureName, **changes: Any) -> Self:
        """Return the default recipe of an architecture, with some fields changed.

        Parameters
        ----------
        architecture
            One of `emotionrecog.models.ARCHITECTURES`.
        **changes
            New values of fields, by name.

        Raises
        ------
        ValueError
            If the architecture is unknown, or a value is not one of the choices or out of bounds.

        Examples
        --------
        >>> Recipe.of("cnn1d", batch_size=16).features.n_mels
        128
        """
        require_one_of("architecture", architecture, models.ARCHITECTURES)
        spec = changes.get("features", PRESETS[models.ARCHITECTURES[architecture].features])
        defaults = {
            "crop_frames": 1 + int(_CROP * spec.sampling_rate / spec.hop_length),
            "augmentation": SpectrogramAugmentation() if _varies_spectra(spec) else None,
            **_DEFAULTS.get(architecture, _OTHER_DEFAULTS),
        }
        return cls(**{"architecture": architecture, "features": spec, **defaults, **changes})

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, ready for JSON; `waveforms` as the code that creates them.

        Examples
        --------
        >>> Recipe().to_dict()["optimizer"]
        'adamw'
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
        """Create a recipe from plain values, such as those of a TOML file.

        Parameters
        ----------
        values
            Fields by name; the others are as in `of`. ``features`` is the name of a preset, or a
            table of fields of `FeatureSpec`, optionally with the ``preset`` that it changes;
            ``augmentation`` is a table of fields of `SpectrogramAugmentation`, or false;
            ``waveforms`` is an array of tables, each with the name of a ``transform``, its
            arguments and, optionally, its ``probability``; ``patience`` may be false for None.

        Raises
        ------
        ValueError
            If an entry is unknown, of the wrong type or out of bounds.

        Examples
        --------
        >>> Recipe.from_dict({"architecture": "gru", "patience": False}).patience is None
        True
        """
        names = [field.name for field in dataclasses.fields(cls)]
        _require_entries("a recipe", values, names)
        fields = dict(values)
        for name, convert in _CONVERSIONS.items():
            if name in fields:
                fields[name] = convert(fields[name])
        return cls.of(fields.pop("architecture", cls.architecture), **fields)

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Self:
        """Read a recipe from a file; `from_dict` describes its entries.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is not TOML, or as in `from_dict`; the message names the file.

        Examples
        --------
        >>> Recipe.from_toml("examples/train_crnn.toml").architecture
        'crnn'
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
            If `waveforms` contain anything that a file cannot describe: transforms of other
            packages, recordings.

        Examples
        --------
        >>> text = Recipe.of("lstm", sizes={"units": 64}).to_toml()
        >>> text.splitlines()[:2], text.splitlines()[-2:]
        (['architecture = "lstm"', 'features = "descriptors"'], ['[sizes]', 'units = 64'])
        """
        values = self.to_dict()
        if self.waveforms is not None:
            values["waveforms"] = _tables_of(self.waveforms)
        for name, spec in PRESETS.items():
            if self.features == spec:
                values["features"] = name
        values = {name: False if value is None else value for name, value in values.items()}
        # Plain entries come first, because all entries after the head of a table belong to it.
        parts = [_toml_lines({k: v for k, v in values.items() if not _is_table(v)})]
        for name, value in values.items():
            if isinstance(value, dict) and value:
                parts.append(f"[{name}]\n{_toml_lines(value)}")
            elif _is_table(value):
                parts += [f"[[{name}]]\n{_toml_lines(row)}" for row in value]
        return "\n\n".join(parts) + "\n"


def changed(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain values of a recipe with some of them changed.

    Parameters
    ----------
    values
        As `Recipe.from_dict` takes them.
    changes
        New values by name. ``"sizes.units"`` is an entry of the table ``sizes``; such entries are
        changed after whole tables.

    Raises
    ------
    ValueError
        If a name with a dot does not begin with a table of a recipe.

    Examples
    --------
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
        entries = result.get(table)
        if table == "features" and not isinstance(entries, Mapping):
            entries = {"preset": entries or _preset(result)}
        result[table] = {**(entries if isinstance(entries, Mapping) else {}), entry: value}
    return result


def _preset(values: Mapping[str, Any]) -> str:
    """Return the preset of features that plain values imply."""
    architecture = models.ARCHITECTURES.get(values.get("architecture", Recipe.architecture))
    return architecture.features if architecture else "log-mel"


def require_sizes(architecture: str, sizes: Any) -> None:
    """Raise `ValueError` if an architecture lacks a size, or the value is of another kind.

    The bounds of the values are checked by the architecture itself, when it is built.

    Examples
    --------
    >>> require_sizes("gru", {"units": 32})
    >>> require_sizes("gru", {"units": "many"})
    Traceback (most recent call last):
    ValueError: `sizes`: 'units' of 'gru' must be a value like 64, got 'many'
    """
    if not isinstance(sizes, Mapping):
        raise ValueError(f"`sizes` must be a table, got {sizes!r:.60}")
    defaults = models.default_sizes(architecture)
    for name, value in sizes.items():
        require_one_of(f"size of {architecture!r}", name, defaults)
        if not _is_like(value, defaults[name]) and name not in ("mean", "deviation"):
            raise ValueError(
                f"`sizes`: {name!r} of {architecture!r} must be a value like {defaults[name]!r}, "
                f"got {value!r}"
            )


def _is_like(value: Any, default: Any) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, float):
        return isinstance(value, int | float)
    if isinstance(default, list):
        return isinstance(value, list | tuple)
    return default is None or isinstance(value, type(default))


def _varies_spectra(spec: FeatureSpec) -> bool:
    return spec.features == ("log_mel",) and not (
        spec.deltas or spec.functionals or spec.normalization != "none"
    )


# Plain values ------------------------------------------------------------------------------------


def _require_entries(table: str, values: object, names: list[str]) -> None:
    if not isinstance(values, Mapping):
        raise ValueError(f"{table} must be a table, got {values!r:.60}")
    unknown = [name for name in values if name not in names]
    if unknown:
        raise ValueError(
            f"{table} has no entry {unknown[0]!r}; expected some of {', '.join(names)}"
        )


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


def _features(value: Any) -> FeatureSpec:
    entries = {"preset": value} if isinstance(value, str) else value
    if isinstance(entries, Mapping):  # a saved spec has its own spelling of some fields
        field_of = {saved: name for name, saved in SAVED_AS.items()}
        entries = {field_of.get(name, name): entry for name, entry in entries.items()}
    names = [field.name for field in dataclasses.fields(FeatureSpec)]
    _require_entries("`features`", entries, ["preset", *names])
    fields = _tuples(entries)
    preset = require_one_of("preset", fields.pop("preset", "log-mel"), PRESETS)
    return dataclasses.replace(PRESETS[preset], **fields)


def _augmentation(value: Any) -> SpectrogramAugmentation | None:
    if value is False or value is None:
        return None
    names = [field.name for field in dataclasses.fields(SpectrogramAugmentation)]
    _require_entries("`augmentation`", value, names)
    return SpectrogramAugmentation(**_tuples(value))


def _waveforms(value: Any) -> Chain | None:
    if not value:
        return None
    transforms, probabilities = [], []
    for table in value:
        arguments = _tuples(table)
        name = require_one_of("transform", arguments.pop("transform", None), _TRANSFORMS)
        probabilities.append(arguments.pop("probability", 1.0))
        transforms.append(getattr(augmentations, name)(**arguments))
    return Chain(tuple(transforms), tuple(probabilities))


def _patience(value: Any) -> Any:
    return None if value is False else value  # TOML has no None


# How fields are converted from plain values.
_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "features": _features,
    "labels": tuple,
    "augmentation": _augmentation,
    "waveforms": _waveforms,
    "patience": _patience,
}


def _tables_of(chain: Chain) -> list[dict[str, Any]]:
    """Return the tables from which `_waveforms` creates a chain."""
    probabilities = chain.probability
    if not isinstance(probabilities, tuple):
        probabilities = (probabilities,) * len(chain.transforms)
    tables = []
    transform: Any
    for transform, probability in zip(chain.transforms, probabilities, strict=True):
        name = type(transform).__name__
        if name not in _TRANSFORMS or type(transform) is not getattr(augmentations, name):
            raise ValueError(
                f"a file can only describe `waveforms` made of {', '.join(_TRANSFORMS)}, "
                f"got {transform!r}"
            )
        fields = {f.name: getattr(transform, f.name) for f in dataclasses.fields(transform)}
        arguments = {name: value for name, value in fields.items() if value is not None}
        tables.append({"transform": name, **arguments, "probability": probability})
    return tables


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
    raise ValueError(f"a file can contain numbers, strings and lists of them, not {value!r}")
