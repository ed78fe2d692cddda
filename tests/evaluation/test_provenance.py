"""What a report says about test clips that were seen in training."""

import dataclasses
from pathlib import Path
from typing import Any, cast

import pytest

from emotionrecog import evaluation
from emotionrecog.datasets import Utterance
from emotionrecog.errors import LeakageError
from emotionrecog.evaluation import (
    evaluate,
)
from emotionrecog.evaluation.provenance import describe_audit
from emotionrecog.recognizer import EmotionRecognizer
from tests.conftest import CLIP, Scripted

# What two made-up corpora act.
from tests.evaluation.conftest import measure, utterance


def test_test_speakers_seen_in_training_are_an_error(
    clips: list[Utterance], script: dict[Path, Any]
) -> None:
    speakers = ["first/2", "other/9"]
    with pytest.raises(LeakageError, match=r"trained on 1 speaker of the test set \(first/2\)"):
        measure(script, clips, speakers=speakers)
    allowed = measure(script, clips, speakers=speakers, allow_leakage=True)
    shared = "the recogniser was trained on 1 speaker of the test set (first/2)"
    others = measure(script, clips, speakers=["other/9", "other/8"])
    assert others.audited.endswith(
        "with the 2 speakers in the recogniser's training record; "
        "recordings were not compared; nothing is shared"
    )
    assert allowed.audited.endswith("; shared items are listed above")
    assert allowed == dataclasses.replace(others, leakage=shared, audited=allowed.audited)


def test_test_recordings_seen_in_training_are_an_error(
    clips: list[Utterance], script: dict[Path, Any]
) -> None:
    """What the recogniser cannot tell, the utterances that it was trained on do."""
    heard = [
        dataclasses.replace(clip, speaker=f"{clip.corpus}/twin-of-{i}")
        for i, clip in enumerate(clips[:3])
    ]
    others = [utterance("third", i, "sad") for i in range(3)]
    assert measure(script, clips, train_set=others).leakage is None
    with pytest.raises(LeakageError, match=r"3 of \d+ test recordings are in training as well"):
        measure(script, clips, train_set=heard)
    with pytest.raises(LeakageError, match=r"share 1 speaker \(first/2\)"):
        measure(
            script,
            clips,
            train_set=[dataclasses.replace(others[0], corpus="first", speaker="first/2")],
        )
    report = measure(script, clips, train_set=heard, allow_leakage=True, speakers=["first/2"])
    assert report.leakage is not None
    assert "trained on 1 speaker of the test set (first/2); 3 of " in report.leakage


def test_unknown_speakers_on_both_sides_are_an_error(script: dict[Path, Any]) -> None:
    unknown = Utterance(next(iter(script)), "sad", corpus="mine", speaker="mine/unknown")
    with pytest.raises(LeakageError, match="mine/unknown"):
        measure(script, [unknown], speakers=["mine/unknown"])


def test_report_starts_with_leakage(clips: list[Utterance], script: dict[Path, Any]) -> None:
    """So does one that training was told of, and went on."""
    allowed = measure(script, clips, speakers=["first/2"], allow_leakage=True)
    first, rest = str(allowed).split("\n", 1)
    assert first.startswith(
        "LEAKY, these are not results on new speakers: the recogniser was trained"
    )
    assert rest.partition("corpus ")[2] == str(measure(script, clips)).partition("corpus ")[2]
    assert next(iter(allowed.to_dict().items())) == ("leakage", allowed.leakage)
    assert measure(script, clips, allow_leakage=True).leakage is None

    recognizer = Scripted(script.__getitem__)
    recognizer.artifact.training["leakage"] = "3 of 9 test recordings are in training as well"
    report = evaluate(cast(EmotionRecognizer, recognizer), clips)
    assert report.leakage == (
        "the recogniser was trained although its test set was known to leak: "
        "3 of 9 test recordings are in training as well"
    )


def test_calibration_on_test_speakers_is_noted() -> None:
    bundled = EmotionRecognizer().artifact
    said = [Utterance(CLIP, "angry", "mine", "mine/robot")]
    for speakers, is_noted in ((["mine/robot"], True), (["mine/other"], False)):
        artifact_of = dataclasses.replace(bundled, calibration={"speakers": speakers})
        notes = evaluation.evaluate(EmotionRecognizer(artifact_of), said).notes
        assert any("confidence was calibrated on 1" in n for n in notes) == is_noted


def test_audit_agrees_in_number() -> None:
    one = [utterance("x", 0, "happy")]
    two = [*one, utterance("x", 1, "happy")]
    training = {"speakers": ["x/3"]}
    texts = [
        describe_audit(training, clips, 3, compare_audio=False, is_leaky=False)
        for clips in (one, two)
    ]
    assert "the 1 test speaker was compared by name with the 1 speaker" in texts[0]
    assert "the 1 test recording was compared by names and bytes" in texts[0]
    assert "the 2 test speakers were compared" in texts[1]
    assert "the 2 test recordings were compared" in texts[1]
