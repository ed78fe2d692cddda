"""What the tests of explanations share: a short clip, its explanation, a made-up network."""

import numpy as np
import pytest

from emotionrecog.audio import Waveform, load
from emotionrecog.inference import Engine
from emotionrecog.inference.attribution import Explanation
from emotionrecog.recognizer import EmotionRecognizer
from tests.conftest import CLIP

RATE = 16_000


@pytest.fixture(scope="session")
def recognizer() -> EmotionRecognizer:
    """The bundled recogniser."""
    return EmotionRecognizer()


@pytest.fixture(scope="session")
def clip() -> Waveform:
    """A second and a half of the example."""
    waveform = load(CLIP, sampling_rate=RATE)
    return Waveform(waveform.samples[RATE : 5 * RATE // 2], RATE)


@pytest.fixture(scope="session")
def explanation(recognizer: EmotionRecognizer, clip: Waveform) -> Explanation:
    """The explanation of the clip."""
    return recognizer.explain(clip)


class BandEngine(Engine):
    """An engine without a network: the more power some mel bands have, the surer it is of anger."""

    def __init__(self, bands: slice) -> None:
        super().__init__(EmotionRecognizer().artifact)
        self.bands = bands

    def judge(self, features: np.ndarray) -> np.ndarray:
        power = np.exp(features[:, :, self.bands]).sum(axis=2)
        logits = np.zeros((len(power), 8))
        logits[:, 4] = 7 + np.log(power.mean(axis=1))
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
