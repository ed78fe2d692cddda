"""Recipes as TOML files."""

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotionrecog import augmentation
from emotionrecog.augmentation import Chain, SpectrogramAugmentation
from emotionrecog.datasets import EMOTIONS
from emotionrecog.features import PRESETS, FeatureSpec
from emotionrecog.training import Recipe

NUMBERS = st.floats(0, 1, allow_subnormal=False)


# The first text takes long, because the table of characters is made for it.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    architecture=st.sampled_from(["mobilenet", "gru", "cnn1d", "linear"]),
    sizes=st.dictionaries(
        st.sampled_from(["units", "dropout", "cell"]),
        st.integers() | NUMBERS | st.text(st.characters(codec="utf-8")) | st.lists(st.integers()),
    ),
    spec=st.sampled_from([*PRESETS.values(), FeatureSpec(features=("rms", "mfcc"), deltas=1)]),
    spectra=st.none() | st.builds(SpectrogramAugmentation, mixup=NUMBERS, masks=st.integers(0, 3)),
    patience=st.none() | st.integers(1, 99),
    rate=st.floats(1e-300, 10),
    labels=st.sets(st.sampled_from(EMOTIONS), min_size=2),
    mixed=st.booleans(),
)
def test_recipe_survives_its_file(
    architecture: str,
    sizes: dict[str, Any],
    spec: FeatureSpec,
    spectra: SpectrogramAugmentation | None,
    patience: int | None,
    rate: float,
    labels: set[str],
    mixed: bool,
) -> None:
    one = Recipe.of(
        architecture,
        sizes=sizes,
        features=spec,
        augmentation=spectra,
        patience=patience,
        learning_rate=rate,
        labels=tuple(emotion for emotion in EMOTIONS if emotion in labels),
        mixed_precision=mixed,
    )
    assert Recipe.from_dict(tomllib.loads(one.to_toml())) == one


def test_chain_survives_its_file() -> None:
    chain = Chain(
        (
            augmentation.AddNoise(snr_db=(5, 20), noises=("pink",)),
            augmentation.BandLimit(highest=4_000.0),
            augmentation.Shift(circular=True),
        ),
        (0.5, 1.0, 0.25),
    )
    one = Recipe.of("gru", waveforms=chain, copies=2)
    assert Recipe.from_dict(tomllib.loads(one.to_toml())) == one
    alike = dataclasses.replace(one, waveforms=Chain(chain.transforms[:2], 0.5))
    back = Recipe.from_dict(tomllib.loads(alike.to_toml())).waveforms
    assert back == Chain(chain.transforms[:2], (0.5, 0.5))


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (lambda samples, rate: samples, "a file can only describe `waveforms`"),
        (
            augmentation.AddNoise(noises=(Path("babble.wav"),)),
            "a file can contain numbers, strings",
        ),
    ],
)
def test_chain_that_a_file_cannot_describe_is_an_error(transform: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe.of("gru", waveforms=Chain((transform,))).to_toml()
