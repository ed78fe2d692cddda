"""Vary training data: waveforms, spectrograms, and whole corpora.

Transforms such as `AddNoise` vary waveforms. They are called as
``transform(samples, sampling_rate, rng)``, one after the other in a `Chain`. `augment_corpus`
writes varied copies of recordings, which splits keep together with their originals.
`SpectrogramAugmentation`, `spec_augment` and `mixup` work on spectrograms and features. All
randomness comes from the generator that is passed in; `generator_for` makes one for a recording.
"""

from emotionrecog.augmentation.chain import Chain, Foreign, Transform
from emotionrecog.augmentation.channels import BandLimit, Clip, Codec, RoomImpulse
from emotionrecog.augmentation.copies import AugmentedCorpus, augment_corpus
from emotionrecog.augmentation.samples import Range, generator_for
from emotionrecog.augmentation.spectrograms import (
    SpectrogramAugmentation,
    fit_length,
    mixup,
    spec_augment,
)
from emotionrecog.augmentation.waveforms import AddNoise, Gain, PitchShift, Shift, TimeStretch

__all__ = [
    "AddNoise",
    "AugmentedCorpus",
    "BandLimit",
    "Chain",
    "Clip",
    "Codec",
    "Foreign",
    "Gain",
    "PitchShift",
    "Range",
    "RoomImpulse",
    "Shift",
    "SpectrogramAugmentation",
    "TimeStretch",
    "Transform",
    "augment_corpus",
    "fit_length",
    "generator_for",
    "mixup",
    "spec_augment",
]
