"""Everything that training depends on besides the recordings."""

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

if TYPE_CHECKING:
    import os
    from collections.abc import Collection

    from emotionrecog.models import ArchitectureName

__all__ = [
    "BALANCES",
    "LOSSES",
    "OPTIMIZERS",
    "SCHEDULES",
    "BalanceName",
    "LossName",
    "OptimizerName",
    "Recipe",
    "ScheduleName",
    "changed",
    "require_sizes",
]

LossName = Literal["crossentropy", "focal"]
"""The names in `LOSSES`, for type checkers and editors."""
BalanceName = Literal["sampling", "weights", "none"]
"""The names in `BALANCES`, for type checkers and editors."""
OptimizerName = Literal["adamw", "adam"]
"""The names in `OPTIMIZERS`, for type checkers and editors."""
ScheduleName = Literal["cosine", "constant"]
"""The names in `SCHEDULES`, for type checkers and editors."""

LOSSES: tuple[LossName, ...] = get_args(LossName)
BALANCES: tuple[BalanceName, ...] = get_args(BalanceName)
OPTIMIZERS: tuple[OptimizerName, ...] = get_args(OptimizerName)
SCHEDULES: tuple[ScheduleName, ...] = get_args(ScheduleName)

# Entries of a recipe that are tables.
TABLES = ("sizes", "features", "augmentation")

# Defaults of the architectures that have none of their own, besides those that follow from the
# features.
_COMMON_DEFAULTS: Mapping[str, Any] = {
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

# Length of the training crops of the other networks, in s.
_CROP_SECONDS = 2.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that training depends on besides the recordings.

    The defaults are those of the bundled recogniser; `of` returns those of other architectures, and
    `from_toml` reads a file.

    Parameters
    ----------
    architecture, sizes
        Name and arguments for `emotionrecog.models.build`.
    features
        Input of the network. Networks normalise their input themselves, so the normalisation of
        the features is ``"none"`` or ``"utterance"``.
    labels
        The emotions to distinguish, some of `emotionrecog.datasets.EMOTIONS` in their order; by
        default all of them.
    augmentation
        Augmentation of spectra, or `None`. For features other than ``log_mel``, only its masks and
        its mixup are used.
    waveforms
        Augmentation of the waveforms of the copies, only for features other than ``log_mel``.
    copies
        Number of augmented copies of each clip, besides the clip itself. For features other than
        ``log_mel`` they are made by `waveforms`. For ``log_mel`` they are made by `augmentation` if
        the trunk is pretrained and frozen; otherwise, spectra are augmented anew each time.
    epochs, batch_size, crop_frames
        Number of passes over the training clips, of clips in a step and of frames in a training
        crop.
    loss, focal_gamma
        ``"crossentropy"``, or ``"focal"`` with its exponent, which reduces the weight of easy
        clips.
    balance
        ``"sampling"`` samples corpora in proportion to the square root of their sizes, and their
        emotions equally; ``"weights"`` uses every clip once, with such a weight; ``"none"`` uses
        every clip once.
    soft_targets
        Share of the target that follows the votes of listeners, for clips that have votes.
    optimizer, schedule, learning_rate, weight_decay
        ``"adamw"`` or ``"adam"``. The learning rate rises for a tenth of the steps; then it falls
        to zero as a cosine, or is constant.
    averaging
        Momentum of the moving average of the weights, which replaces the weights in the end; 0 for
        none. It is reduced if the average would cover more than a tenth of all steps.
    patience
        Number of epochs without a higher UAR on validation speakers (or an equal one at a lower
        loss) after which training stops early; the best weights are kept. `None` trains for all
        epochs and keeps the last weights.
    validation_share
        Share of the speakers of each corpus that is held out for early stopping if no validation
        set is given.
    label_smoothing
        Share of the target spread over the emotions that the clip's corpus contains.
    absent_weight
        Weight in the softmax of the emotions that the clip's corpus lacks. At 0 its clips teach
        nothing about them, and the network may predict them for any voice of that corpus.
    mixed_precision
        Compute in bfloat16 where that is safe; for GPUs.
    seed
        Random seed of the whole training.

    Raises
    ------
    ValueError
        If a value is not one of the choices, or out of its bounds.

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
        for name, choices in (
            ("architecture", models.ARCHITECTURES),
            ("loss", LOSSES),
            ("balance", BALANCES),
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
        ):
            require_one_of(name, getattr(self, name), choices)
        # Numbers of NumPy become those of Python, which JSON can express.
        for name, minimum in _MINIMA.items():
            if name != "patience" or self.patience is not None:
                value = require_whole(name, getattr(self, name), minimum)
                object.__setattr__(self, name, value)
        for name, (low, high) in _BOUNDS.items():
            number = require_number(
                name, getattr(self, name), low, high, open_low=name == "learning_rate"
            )
            object.__setattr__(self, name, number)
        in_order = tuple(emotion for emotion in EMOTIONS if emotion in self.labels)
        if self.labels != in_order or len(in_order) < 2:
            raise ValueError(
                f"`labels` must be two or more of {', '.join(EMOTIONS)}, in this order, got "
                f"{self.labels!r}"
            )
        if self.features.normalization == "corpus":
            raise ValueError(
                "`features` must not be normalised by corpus, because the network normalises them "
                "with statistics of the training data; use normalization 'none'"
            )
        if self.waveforms is not None and self.varies_spectra:
            raise ValueError(
                "`waveforms` cannot be used with the features log_mel, whose spectra are varied by "
                "`augmentation`; to train on varied recordings, write them with "
                "emotionrecog.augmentation.augment_corpus"
            )

    @property
    def varies_spectra(self) -> bool:
        """Whether the clips are kept as mel power, which `augmentation` varies."""
        return _varies_spectra(self.features)

    @classmethod
    def of(cls, architecture: str, **changes: Any) -> Self:
        """Return the default recipe of an architecture.

        Parameters
        ----------
        architecture
            One of `emotionrecog.models.ARCHITECTURES`.
        **changes
            Values of fields that differ from the default.

        Raises
        ------
        ValueError
            If the architecture is unknown or a value is out of bounds.

        Examples
        --------
        >>> Recipe.of("gru").epochs, Recipe.of("gru", epochs=5).epochs
        (80, 5)
        """
        require_one_of("architecture", architecture, models.ARCHITECTURES)
        spec = changes.get("features", PRESETS[models.ARCHITECTURES[architecture].features])
        defaults = {
            "crop_frames": 1 + int(_CROP_SECONDS * spec.sampling_rate / spec.hop_length),
            "augmentation": SpectrogramAugmentation() if _varies_spectra(spec) else None,
            **_DEFAULTS.get(architecture, _COMMON_DEFAULTS),
        }
        return cls(**{"architecture": architecture, "features": spec, **defaults, **changes})

    def to_dict(self) -> dict[str, Any]:
        """Return the values under their names, ready for JSON.

        `waveforms` become their Python expression as text.

        Examples
        --------
        >>> Recipe().to_dict()["learning_rate"]
        0.001
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
        """Build a recipe from plain values, such as those of a TOML file.

        Parameters
        ----------
        values
            Fields by name; missing ones have the defaults of `of`. ``features`` is the name of a
            preset, or a table of fields of `FeatureSpec` with an optional ``preset`` to start
            from; ``augmentation`` is a table of fields of `SpectrogramAugmentation`, or false;
            ``waveforms`` is an array of tables, each with the name of a ``transform``, its
            arguments and optionally its ``probability``; ``patience`` may be false for `None`.

        Raises
        ------
        ValueError
            If an entry is unknown, of the wrong type or out of bounds.

        Examples
        --------
        >>> Recipe.from_dict({"architecture": "lstm", "epochs": 5}) == Recipe.of("lstm", epochs=5)
        True
        """
        _require_entries("recipe", values, [field.name for field in dataclasses.fields(cls)])
        fields = dict(values)
        if "features" in fields:
            fields["features"] = _features(fields["features"])
        if "labels" in fields:
            fields["labels"] = tuple(fields["labels"])
        if "augmentation" in fields:
            fields["augmentation"] = _augmentation(fields["augmentation"])
        if "waveforms" in fields:
            fields["waveforms"] = _waveforms(fields["waveforms"])
        if fields.get("patience") is False:  # TOML has no None
            fields["patience"] = None
        return cls.of(fields.pop("architecture", cls.architecture), **fields)

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Self:
        """Read a recipe from a TOML file; `from_dict` describes its entries.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is not TOML, or as in `from_dict`; the message names the file.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "recipe.toml")
        ...     _ = path.write_text(Recipe.of("gru").to_toml(), encoding="utf-8")
        ...     Recipe.from_toml(path) == Recipe.of("gru")
        True
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
            If `waveforms` cannot be expressed in a file: custom transforms, or recordings.

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
        # Tables come last, because the lines after the head of a table belong to it.
        parts = [_toml_lines({k: v for k, v in values.items() if not _is_table(v)})]
        for name, value in values.items():
            if isinstance(value, dict) and value:
                parts.append(f"[{name}]\n{_toml_lines(value)}")
            elif _is_table(value):
                parts += [f"[[{name}]]\n{_toml_lines(row)}" for row in value]
        return "\n\n".join(parts) + "\n"


# Minima of the fields that are whole numbers, and bounds of the other numbers.
_MINIMA = {"copies": 0, "epochs": 1, "batch_size": 1, "crop_frames": 2, "patience": 1}
_BOUNDS = {
    "focal_gamma": (0.0, 100.0),
    "soft_targets": (0.0, 1.0),
    "learning_rate": (0.0, 10.0),
    "weight_decay": (0.0, 10.0),
    "averaging": (0.0, 0.999999),
    "validation_share": (0.01, 0.9),
    "label_smoothing": (0.0, 1.0),
    "absent_weight": (0.0, 1.0),
}


def _varies_spectra(spec: FeatureSpec) -> bool:
    return spec.features == ("log_mel",) and not (
        spec.deltas or spec.functionals or spec.normalization != "none"
    )


def _require_entries(table: str, values: object, names: Collection[str]) -> None:
    """Raise `ValueError` unless `values` is a table whose entries are among `names`."""
    if not isinstance(values, Mapping):
        raise ValueError(f"`{table}` must be a table, got {values!r:.60}")
    for name in values:
        require_one_of(f"{table} entry", name, names)


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


def _features(value: Any) -> FeatureSpec:
    fields = {"preset": value} if isinstance(value, str) else value
    if isinstance(fields, Mapping):  # a saved spec spells some fields differently
        field_of = {saved: name for name, saved in SAVED_AS.items()}
        fields = {field_of.get(name, name): value for name, value in fields.items()}
    names = [field.name for field in dataclasses.fields(FeatureSpec)]
    _require_entries("features", fields, ["preset", *names])
    changes = _tuples(fields)
    preset = require_one_of("preset", changes.pop("preset", "log-mel"), PRESETS)
    return dataclasses.replace(PRESETS[preset], **changes)


def _augmentation(value: Any) -> SpectrogramAugmentation | None:
    if value is False or value is None:
        return None
    names = [field.name for field in dataclasses.fields(SpectrogramAugmentation)]
    _require_entries("augmentation", value, names)
    return SpectrogramAugmentation(**_tuples(value))


def _waveforms(rows: Any) -> Chain | None:
    if not rows:
        return None
    transforms, probabilities = [], []
    for row in rows:
        arguments = _tuples(row)
        name = require_one_of("waveforms transform", arguments.pop("transform", None), _TRANSFORMS)
        probabilities.append(arguments.pop("probability", 1.0))
        transforms.append(getattr(augmentations, name)(**arguments))
    return Chain(tuple(transforms), tuple(probabilities))


def _rows(chain: Chain) -> list[dict[str, Any]]:
    """Return the plain values from which `_waveforms` builds the chain."""
    probabilities = chain.probability
    if not isinstance(probabilities, tuple):
        probabilities = (probabilities,) * len(chain.transforms)
    rows = []
    transform: Any
    for transform, probability in zip(chain.transforms, probabilities, strict=True):
        name = type(transform).__name__
        if name not in _TRANSFORMS or type(transform) is not getattr(augmentations, name):
            raise ValueError(
                f"`waveforms` must be made of {', '.join(_TRANSFORMS)} to be written into a file, "
                f"got {transform!r}"
            )
        fields = {f.name: getattr(transform, f.name) for f in dataclasses.fields(transform)}
        arguments = {k: v for k, v in fields.items() if v is not None}
        rows.append({"transform": name, **arguments, "probability": probability})
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
    raise ValueError(f"a file can contain numbers, texts and lists of them, not {value!r}")


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


def changed(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain values of a recipe with some of them changed.

    Parameters
    ----------
    values
        Plain values, as for `Recipe.from_dict`.
    changes
        New values by name; ``"sizes.units"`` is one entry of a table, and is changed after the
        table itself.

    Raises
    ------
    ValueError
        If the part of a name before its dot is not a table of a recipe.

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
        entries = result.get(table)
        if table == "features" and not isinstance(entries, Mapping):
            entries = {"preset": entries or _preset(result)}
        result[table] = {**(entries if isinstance(entries, Mapping) else {}), entry: value}
    return result


def _preset(values: Mapping[str, Any]) -> str:
    architecture = models.ARCHITECTURES.get(values.get("architecture", Recipe.architecture))
    return architecture.features if architecture else "log-mel"


def require_sizes(architecture: str, sizes: Any) -> None:
    """Raise `ValueError` if a size is not one of the architecture, or of another type.

    Bounds are checked by the architecture itself when it is built.

    Examples
    --------
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
