"""Predictions: values that cannot be changed, and that JSON, copy and pickle take whole."""

import copy
import dataclasses
import json
import pickle
from typing import Any

import pytest

from emotionrecog.inference import Prediction
from emotionrecog.recognizer import EmotionRecognizer
from tests.conftest import CLIP


@pytest.fixture
def prediction() -> Prediction:
    return Prediction(emotion="sad", confidence=0.75, probabilities={"neutral": 0.25, "sad": 0.75})


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.__setitem__("sad", 1.0),
        lambda d: d.__delitem__("sad"),
        lambda d: d.update(sad=1.0),
        lambda d: d.pop("sad"),
        lambda d: d.popitem(),
        lambda d: d.clear(),
        lambda d: d.setdefault("angry", 0.0),
        lambda d: d.__ior__({"sad": 1.0}),
    ],
)
def test_probabilities_are_read_only(prediction: Prediction, change: Any) -> None:
    with pytest.raises(TypeError, match="read-only"):
        change(prediction.probabilities)
    assert prediction.probabilities == {"neutral": 0.25, "sad": 0.75}


def test_fields_are_read_only(prediction: Prediction) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        prediction.emotion = "angry"  # type: ignore[misc]


def test_prediction_keeps_its_own_probabilities() -> None:
    probabilities = {"neutral": 0.25, "sad": 0.75}
    prediction = Prediction(emotion="sad", confidence=0.75, probabilities=probabilities)
    probabilities["sad"] = 0.0
    assert prediction.probabilities["sad"] == 0.75


def test_prediction_is_ready_for_json(recognizer: EmotionRecognizer) -> None:
    prediction = recognizer.predict(CLIP)
    fields = prediction.to_dict()
    assert json.loads(json.dumps(fields)) == fields
    names = ["emotion", "confidence", "probabilities", "is_reliable", "reasons"]
    assert list(fields) == names
    assert json.loads(json.dumps(prediction.probabilities)) == prediction.probabilities
    plain = json.loads(json.dumps(dataclasses.asdict(prediction)))
    assert plain.pop("label_set") is None
    assert {**plain, "is_reliable": True} == fields
    fields["probabilities"]["sad"] = 2.0  # a copy
    assert prediction.probabilities["sad"] <= 1.0


@pytest.mark.parametrize(
    "duplicate",
    [
        copy.copy,
        copy.deepcopy,
        dataclasses.replace,
        lambda p: pickle.loads(pickle.dumps(p)),
        lambda p: pickle.loads(pickle.dumps(p, protocol=2)),
    ],
)
def test_prediction_is_copied_whole(prediction: Prediction, duplicate: Any) -> None:
    again = duplicate(prediction)
    assert again == prediction
    assert list(again.probabilities) == list(prediction.probabilities)
    with pytest.raises(TypeError, match="read-only"):
        again.probabilities["sad"] = 0.0
