"""What is heard in a voice: spectra and descriptors, computed on NumPy and `scipy.fft` alone."""

from emotionrecog.features.descriptors import (
    band_energy_ratio,
    delta,
    magnitude_spectrum,
    mfcc,
    power_to_db,
    rms,
    spectral_bandwidth,
    spectral_centroid,
    spectral_flatness,
    spectral_rolloff,
    zero_crossing_rate,
)
from emotionrecog.features.mel import FeatureSpec, LogMel, mel_filterbank, melspectrogram

__all__ = [
    "FeatureSpec",
    "LogMel",
    "band_energy_ratio",
    "delta",
    "magnitude_spectrum",
    "mel_filterbank",
    "melspectrogram",
    "mfcc",
    "power_to_db",
    "rms",
    "spectral_bandwidth",
    "spectral_centroid",
    "spectral_flatness",
    "spectral_rolloff",
    "zero_crossing_rate",
]
