"""Spectra and descriptors of voices, computed with NumPy and `scipy.fft` alone."""

from emotionrecog.features.descriptors import (
    band_energy_ratio,
    chroma,
    delta,
    magnitude_spectrum,
    mfcc,
    power_to_db,
    rms,
    spectral_bandwidth,
    spectral_centroid,
    spectral_contrast,
    spectral_flatness,
    spectral_rolloff,
    zero_crossing_rate,
)
from emotionrecog.features.extraction import (
    CorpusFeatures,
    extract_corpus,
    extract_files,
    read_recordings,
)
from emotionrecog.features.extractor import Extractor, Statistics
from emotionrecog.features.functionals import FUNCTIONALS, functionals
from emotionrecog.features.mel import mel_filterbank, melspectrogram
from emotionrecog.features.pitch import f0, pyin, voicing, yin
from emotionrecog.features.spec import PRESETS, FeatureSpec, PresetName, as_spec

__all__ = [
    "FUNCTIONALS",
    "PRESETS",
    "CorpusFeatures",
    "Extractor",
    "FeatureSpec",
    "PresetName",
    "Statistics",
    "as_spec",
    "band_energy_ratio",
    "chroma",
    "delta",
    "extract_corpus",
    "extract_files",
    "f0",
    "functionals",
    "magnitude_spectrum",
    "mel_filterbank",
    "melspectrogram",
    "mfcc",
    "power_to_db",
    "pyin",
    "read_recordings",
    "rms",
    "spectral_bandwidth",
    "spectral_centroid",
    "spectral_contrast",
    "spectral_flatness",
    "spectral_rolloff",
    "voicing",
    "yin",
    "zero_crossing_rate",
]
