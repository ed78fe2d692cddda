"""What the networks hear: spectra of a waveform, computed on NumPy and `scipy.fft` alone."""

from emotionrecog.features.mel import FeatureSpec, LogMel, mel_filterbank, melspectrogram

__all__ = ["FeatureSpec", "LogMel", "mel_filterbank", "melspectrogram"]
