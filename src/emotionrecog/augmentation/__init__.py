"""Variations of training data: of waveforms, of spectrograms, and of whole corpora.

Waveforms are varied by transforms such as `AddNoise`, which are called as
``transform(samples, sampling_rate, rng)``, one after the other in a `Chain`. `augment_corpus`
writes varied copies of recordings that splits keep together with what they were made of.
`SpectrogramAugmentation`, `spec_augment` and `mixup` work on spectrograms and features. All
randomness comes from the generator that is passed in.
"""

from emotionrecog.augmentation.chain import Chain, Foreign, Transform
from emotionrecog.augmentation.copies import AugmentedCorpus, augment_corpus
from emotionrecog.augmentation.spectrograms import (
    SpectrogramAugmentation,
    fit_length,
    mixup,
    spec_augment,
)
from emotionrecog.augmentation.waveforms import (
    AddNoise,
    BandLimit,
    Clip,
    Codec,
    Gain,
    PitchShift,
    Range,
    RoomImpulse,
    Shift,
    TimeStretch,
)

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
    "mixup",
    "spec_augment",
]
