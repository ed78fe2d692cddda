"""The specification of features, `FeatureSpec`, and presets."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, Self

from emotionrecog.errors import require_number, require_one_of, require_share, require_whole
from emotionrecog.features.functionals import FUNCTIONALS

__all__ = ["PRESETS", "SAVED_AS", "FeatureSpec", "PresetName", "as_spec", "require_fitting_window"]

NORMALIZATIONS = ("none", "utterance", "spectrogram", "corpus")
MEL_SCALES = ("htk", "slaney")

# Number of columns of each feature, or the field of the spec that holds it.
N_COLUMNS: Mapping[str, int | str] = MappingProxyType(
    {
        "rms": 1,
        "zero_crossing_rate": 1,
        "band_energy_ratio": 1,
        "spectral_centroid": 1,
        "spectral_bandwidth": 1,
        "spectral_rolloff": 1,
        "spectral_flatness": 1,
        "spectral_contrast": 7,
        "chroma": 12,
        "f0": 1,
        "voicing": 1,
        "mfcc": "n_mfcc",
        "mel": "n_mels",
        "mel_db": "n_mels",
        "log_mel": "n_mels",
        "magnitude": "n_bins",
    }
)

_OF_PITCH = {"f0", "voicing"}

# Fields that are tuples, and lists in JSON.
_SEVERAL = ("features", "functionals", "f0_range")

# Fields added after version 0.1.0, which files saved by it do not have.
_LATER = frozenset(
    {
        "features",
        "mel_scale",
        "remove_offset",
        "n_mfcc",
        "split_frequency",
        "f0_range",
        "deltas",
        "functionals",
        "normalization",
        "n_frames",
    }
)

# Fields whose key in the saved format has another spelling.
SAVED_AS = MappingProxyType({"normalization": "normalisation"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """All parameters of the features of a recording.

    The defaults are the input of the bundled recogniser. They keep the time and frequency
    resolution of the AudioSet networks of Schmid et al. [1]_ (frames of 25 ms every 10 ms; mel
    bands 27 mel apart), up to the 8 kHz of recordings at 16 kHz.

    Parameters
    ----------
    features
        Names, in the order of the columns: ``rms``, ``zero_crossing_rate``,
        ``band_energy_ratio``, ``spectral_centroid``, ``spectral_bandwidth``,
        ``spectral_rolloff``, ``spectral_flatness``, ``spectral_contrast``, ``chroma``, ``f0``,
        ``voicing``, ``mfcc``, ``mel`` (power), ``mel_db`` (the same in dB, at most 80 below the
        loudest), ``log_mel`` (the natural logarithm of mel power relative to the level of the
        voice) and ``magnitude``. Except for ``log_mel``, the values equal those of the functions
        of `emotionrecog.features`.
    sampling_rate
        In Hz; recordings are resampled to it.
    n_fft, win_length, hop_length
        Transform size, Hann window and step, in samples. Frames of ``rms``,
        ``zero_crossing_rate``, ``f0`` and ``voicing`` are `n_fft` long.
    n_mels
        Number of mel bands.
    fmin, fmax
        Lower edge of the first and upper edge of the last mel band, in Hz.
    mel_scale
        ``"htk"``: HTK's scale, triangles of equal height; ``"slaney"``: Slaney's scale, triangles
        of equal area, librosa's default.
    preemphasis
        Coefficient c of the first difference ``y[n] - c y[n-1]``, applied to the power that mel
        bands sum.
    remove_offset
        Subtract the mean of the samples first: some recordings carry a constant offset larger than
        their silence.
    log_offset
        Added to mel power before the logarithm of ``log_mel``: a noise floor, as a ratio to the
        mean power of the voice.
    n_mfcc
        Number of coefficients of ``mfcc``.
    split_frequency
        Frequency in Hz that separates the two bands of ``band_energy_ratio``.
    f0_range
        Lowest and highest fundamental frequency to detect, in Hz.
    deltas
        1 adds the first derivative of each column over time (`delta` over nine frames, the ends
        repeated), 2 also the second.
    functionals
        Names of statistics over time, among `emotionrecog.features.FUNCTIONALS`. If there are
        any, a recording becomes one vector instead of frames. ``f0`` is summarised over voiced
        frames only.
    normalization
        ``"utterance"`` normalises each column to mean 0 and deviation 1 over the recording;
        ``"spectrogram"`` normalises all columns together, which keeps the shape of a spectrum and
        removes its level, for features of one unit; ``"corpus"`` uses the mean and deviation of
        each column in training data (`Statistics`).
    n_frames
        Number of frames: longer recordings are cut to their middle, shorter ones padded with zeros
        at the end; `None` keeps their lengths.

    Raises
    ------
    ValueError
        If a value is of the wrong type or out of bounds, or two values contradict each other; the
        message names them.

    References
    ----------
    .. [1] F. Schmid, K. Koutini, G. Widmer: "Efficient large-scale audio tagging via
       Transformer-to-CNN knowledge distillation", ICASSP 2023.

    Examples
    --------
    >>> spec = FeatureSpec(features=("rms", "mfcc"), n_mfcc=2, n_mels=40, deltas=1)
    >>> spec.feature_names
    ('rms', 'mfcc_0', 'mfcc_1', 'rms_delta', 'mfcc_0_delta', 'mfcc_1_delta')
    >>> FeatureSpec.from_dict(spec.to_dict()) == spec
    True
    """

    features: tuple[str, ...] = ("log_mel",)
    sampling_rate: int = 16_000
    n_fft: int = 512
    win_length: int = 400
    hop_length: int = 160
    n_mels: int = 104
    fmin: float = 0.0
    fmax: float = 8_000.0
    mel_scale: str = "htk"
    preemphasis: float = 0.97
    remove_offset: bool = True
    log_offset: float = 1e-5
    n_mfcc: int = 13
    split_frequency: float = 2_000.0
    f0_range: tuple[float, float] = (65.0, 500.0)
    deltas: int = 0
    functionals: tuple[str, ...] = ()
    normalization: str = "none"
    n_frames: int | None = None

    def __post_init__(self) -> None:
        """Validate the fields."""
        _require_names("features", self.features, N_COLUMNS, at_least=1)
        _require_names("functionals", self.functionals, FUNCTIONALS, at_least=0)
        for name in ("sampling_rate", "n_fft", "win_length", "hop_length", "n_mels", "n_mfcc"):
            object.__setattr__(self, name, require_whole(name, getattr(self, name), 1))
        for name in ("fmin", "fmax", "split_frequency"):
            require_number(name, getattr(self, name))
        if not isinstance(self.remove_offset, bool):
            raise ValueError(f"`remove_offset` must be True or False, got {self.remove_offset!r}")
        require_fitting_window(self.win_length, self.n_fft)
        self._check_frequencies()
        require_share("preemphasis", self.preemphasis, open_high=True)
        require_share("log_offset", self.log_offset, open_low=True, open_high=True)
        require_one_of("mel_scale", self.mel_scale, MEL_SCALES)
        require_one_of("normalization", self.normalization, NORMALIZATIONS)
        if "mfcc" in self.features and self.n_mfcc > self.n_mels:
            raise ValueError(
                f"`n_mfcc` must be at most n_mels = {self.n_mels}, the number of bands, "
                f"got {self.n_mfcc}"
            )
        object.__setattr__(self, "deltas", require_whole("deltas", self.deltas, 0, 2))
        if self.n_frames is not None:
            object.__setattr__(self, "n_frames", require_whole("n_frames", self.n_frames, 1))
        if self.functionals and self.n_frames is not None:
            raise ValueError(
                "`functionals` leave no frames to cut or pad: `n_frames` must be None with them"
            )
        if self.functionals and self.normalization in ("utterance", "spectrogram"):
            raise ValueError(
                f"`functionals` cannot be normalised by {self.normalization}, because they are one "
                "row per recording; use normalization 'corpus' or 'none'"
            )

    def _check_frequencies(self) -> None:
        nyquist = self.sampling_rate / 2
        if not 0 <= self.fmin < self.fmax <= nyquist:
            raise ValueError(
                "`fmin` and `fmax` must satisfy 0 <= fmin < fmax <= sampling_rate / 2 = "
                f"{nyquist:g} Hz, got fmin = {self.fmin!r} and fmax = {self.fmax!r}"
            )
        if "band_energy_ratio" in self.features and not 0 < self.split_frequency <= nyquist:
            raise ValueError(
                f"`split_frequency` must be above 0 and at most sampling_rate / 2 = {nyquist:g} "
                f"Hz, got {self.split_frequency!r}"
            )
        f0_range = self.f0_range
        if not isinstance(f0_range, tuple) or len(f0_range) != 2:
            raise ValueError(f"`f0_range` must be two frequencies in Hz, got {f0_range!r}")
        for value in f0_range:
            require_number("f0_range", value)
        if not 0 < f0_range[0] < f0_range[1]:
            raise ValueError(
                f"`f0_range` must be a lower and a higher frequency in Hz, got {f0_range!r}"
            )
        if _OF_PITCH & set(self.features):
            shortest = 2 * math.ceil(self.sampling_rate / f0_range[0])
            if self.n_fft < shortest:
                raise ValueError(
                    "`n_fft` must hold two periods of the lowest frequency of `f0_range`, "
                    f"{shortest} samples for {f0_range[0]:g} Hz, got {self.n_fft}"
                )
            if f0_range[1] > nyquist:
                raise ValueError(
                    f"`f0_range` must end at sampling_rate / 2 = {nyquist:g} Hz or below, got "
                    f"{f0_range[1]:g} Hz"
                )

    @property
    def n_bins(self) -> int:
        """Number of frequencies of a spectrum."""
        return 1 + self.n_fft // 2

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Name of each column: the feature, its number, ``delta``, the functional."""
        plain: list[str] = []
        for feature in self.features:
            entry = N_COLUMNS[feature]
            n_columns = entry if isinstance(entry, int) else getattr(self, entry)
            plain += [feature] if entry == 1 else [f"{feature}_{i}" for i in range(n_columns)]
        names = list(plain)
        for suffix in ("delta", "delta2")[: self.deltas]:
            names += [f"{name}_{suffix}" for name in plain]
        if self.functionals:
            return tuple(f"{name}_{statistic}" for statistic in self.functionals for name in names)
        return tuple(names)

    def to_dict(self) -> dict[str, Any]:
        """Return the values under their names, ready for JSON.

        The key of `normalization` is ``normalisation``, as in the saved format of version 0.1.0.

        Examples
        --------
        >>> FeatureSpec(normalization="utterance").to_dict()["normalisation"]
        'utterance'
        """
        values = dataclasses.asdict(self)
        return {
            SAVED_AS.get(k, k): list(v) if isinstance(v, tuple) else v for k, v in values.items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild a spec from `to_dict`.

        Raises
        ------
        ValueError
            If an entry is missing, unknown, of the wrong type or out of bounds. Entries that
            version 0.1.0 did not have may be missing.
        """
        names = {SAVED_AS.get(f.name, f.name): f.name for f in dataclasses.fields(cls)}
        optional = {SAVED_AS.get(name, name) for name in _LATER}
        if (
            not isinstance(values, Mapping)
            or not set(values) <= set(names)
            or not set(names) - optional <= set(values)
        ):
            raise ValueError(f"a feature spec must have the entries {[*names]}, got {values!r}")
        fields: dict[str, Any] = {
            names[key]: tuple(value) if key in _SEVERAL and isinstance(value, list) else value
            for key, value in values.items()
        }
        return cls(**fields)


def _require_names(name: str, value: object, known: Mapping[str, object], *, at_least: int) -> None:
    if (
        not isinstance(value, tuple)
        or len(value) < at_least
        or not all(isinstance(item, str) and item in known for item in value)
        or len(set(value)) < len(value)
    ):
        raise ValueError(
            f"`{name}` must be a tuple of names, each once, got {value!r}; expected some of "
            f"{', '.join(known)}"
        )


def require_fitting_window(win_length: int, n_fft: int) -> None:
    """Raise `ValueError` if a window is longer than the transform."""
    if win_length > n_fft:
        raise ValueError(f"`win_length` must be at most n_fft = {n_fft}, got {win_length}")


_LIBROSA = FeatureSpec(
    features=("mel",),
    sampling_rate=22_050,
    n_fft=2_048,
    win_length=2_048,
    hop_length=512,
    n_mels=128,
    fmax=11_025.0,
    mel_scale="slaney",
    preemphasis=0.0,
    remove_offset=False,
)

PRESETS: Mapping[str, FeatureSpec] = MappingProxyType(
    {
        "log-mel": FeatureSpec(),
        "log-mel-functionals": FeatureSpec(
            n_mels=40,
            functionals=(
                "mean",
                "std",
                "percentile10",
                "percentile50",
                "percentile90",
                "step_std",
            ),
        ),
        "mel-128x87": dataclasses.replace(
            _LIBROSA, features=("mel_db",), normalization="spectrogram", n_frames=87
        ),
        "mfcc": dataclasses.replace(_LIBROSA, features=("mfcc",), n_mfcc=40),
        "descriptors": dataclasses.replace(
            _LIBROSA,
            features=(
                "rms",
                "zero_crossing_rate",
                "band_energy_ratio",
                "spectral_centroid",
                "spectral_bandwidth",
                "spectral_rolloff",
                "mfcc",
            ),
        ),
    }
)
"""Ready-made specs, by name; read-only.

``log-mel``
    The input of the bundled recogniser.
``log-mel-functionals``
    Six statistics of 40 log-mel bands, one vector per recording, for classical models.
``mel-128x87``
    128 mel bands in dB of 2 s at 22,050 Hz, normalised together to mean 0 and deviation 1, cut or
    padded to 87 frames: an image for convolutional networks.
``mfcc``
    40 MFCCs with librosa's frames.
``descriptors``
    RMS, zero-crossing rate, band energy ratio, spectral centroid, bandwidth and rolloff, and 13
    MFCCs (``dataclasses.replace(..., n_mfcc=40)`` for more).
"""

PresetName = Literal["log-mel", "log-mel-functionals", "mel-128x87", "mfcc", "descriptors"]
"""The names in `PRESETS`, for type checkers and editors."""


def as_spec(spec: FeatureSpec | str) -> FeatureSpec:
    """Return the preset of a name; a `FeatureSpec` is returned unchanged.

    Raises
    ------
    ValueError
        If there is no preset of that name.

    Examples
    --------
    >>> as_spec("mfcc") == PRESETS["mfcc"]
    True
    """
    if isinstance(spec, FeatureSpec):
        return spec
    if not isinstance(spec, str):
        raise ValueError(
            f"`features` must be a FeatureSpec or one of {', '.join(PRESETS)}, got {spec!r:.60}"
        )
    require_one_of("features", spec, PRESETS)
    return PRESETS[spec]
