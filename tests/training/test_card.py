"""Model cards and the metrics of several runs."""

import dataclasses
import json

import pytest

from emotionrecog import artifact, pretrained
from emotionrecog.artifact import Artifact
from emotionrecog.datasets import CORPORA
from emotionrecog.evaluation import (
    CorpusReport,
    Report,
)
from emotionrecog.training import card as cards

# What two made-up corpora act.


def report(uar: float, corpora: tuple[str, ...] = ("ravdess", "tess")) -> Report:
    rows = [
        CorpusReport(
            corpus=name,
            speakers=(f"{name}/x",),
            n_clips=10 * (i + 1),
            emotions=("sad", "happy"),
            uar=uar + i / 10,
            wa=uar + 0.01,
            uar_open=uar - 0.02,
            wa_open=uar - 0.03,
            confusion=((1, 2), (3, 4)),
        )
        for i, name in enumerate(corpora)
    ]
    return Report(corpora=tuple(rows), calibration_error=uar / 10, n_failed=0)


def trained_on(speakers: list[str], initial_weights: str | None = None) -> Artifact:
    """Return an artefact that says it was trained on all corpora of the library."""
    rows = [
        {
            "corpus": corpus.name,
            "style": style,
            "licence": corpus.licence,
            "n_clips": 1000 + i,
            "n_speakers": 20 + i,
        }
        for i, corpus in enumerate(CORPORA.values())
        for style in corpus.n_utterances
    ]
    rows.append(
        {"corpus": "mine", "style": "speech", "licence": "my own", "n_clips": 7, "n_speakers": 3}
    )
    bundled = artifact.read(pretrained.fetch(pretrained.DEFAULT))
    return dataclasses.replace(
        bundled,
        name="card-test",
        minimum_duration=0.4,
        window_frames=256,
        training={
            "corpora": rows,
            "speakers": speakers,
            "recipe": {"epochs": 17, "seed": 5},
            "initial_weights": initial_weights,
        },
    )


def test_metrics_have_every_run() -> None:
    metrics = cards.summarize("joint-test", [report(0.6), report(0.7)])
    assert metrics["protocol"] == "joint-test"
    first, second = metrics["corpora"]
    assert (first["corpus"], first["n_clips"], second["corpus"]) == ("ravdess", 10, "tess")
    assert first["uar"] == [0.6, 0.7]
    assert second["uar"] == pytest.approx([0.7, 0.8])
    assert first["uar_open"] == pytest.approx([0.58, 0.68])
    assert metrics["calibration_error"] == pytest.approx([0.06, 0.07])
    assert json.loads(json.dumps(metrics)) == metrics


def test_merged_runs_equal_runs_measured_together() -> None:
    alone = [cards.summarize("joint-test", [report(uar)]) for uar in (0.6, 0.7, 0.5)]
    together = cards.summarize("joint-test", [report(uar) for uar in (0.6, 0.7, 0.5)])
    assert cards.merge(alone) == together
    assert cards.merge([]) == {}


def test_different_protocols_are_not_merged() -> None:
    one = cards.summarize("joint-test", [report(0.6)])
    for other, actual in (
        (cards.summarize("joint-validation", [report(0.6)]), "'joint-test', 'joint-validation'"),
        (cards.summarize("joint-test", [report(0.6, ("tess", "ravdess"))]), "'tess'"),
        ({}, "None"),
    ):
        with pytest.raises(ValueError, match=f"`runs` must be of one protocol.*{actual}"):
            cards.merge([one, other])
    with pytest.raises(ValueError, match="got an empty run"):
        cards.merge([{}])
    with pytest.raises(ValueError, match="`reports` must be of"):
        cards.summarize("joint-test", [report(0.6), report(0.6, ("savee", "tess"))])


def test_card_states_data_and_licences() -> None:
    card = cards.with_metrics(trained_on(["tess/YAF"]), {}).card
    assert card.startswith("# Model card: card-test\n")
    assert "for 17 epochs with seed 5" in card
    for i, corpus in enumerate(CORPORA.values()):
        for style in corpus.n_utterances:
            name = corpus.title + ("" if style == "speech" else f" ({style})")
            assert f"| {name} | {1000 + i} | {20 + i} | {corpus.licence} |" in card
        assert card.count(corpus.citation) == 1
    assert "| mine | 7 | 3 | my own |" in card
    assert "EfficientAT" not in card
    pretrained_card = cards.with_metrics(trained_on([], "mn04.npz"), {}).card
    assert "EfficientAT `mn04`" in pretrained_card


def test_card_states_limits_and_out_of_scope_use() -> None:
    card = " ".join(cards.with_metrics(trained_on(["tess/YAF"]), {}).card.split())
    assert "None were measured" in card
    assert "less than 0.4 s is rejected" in card
    assert "more than 2.5 s are judged in windows" in card  # 255 steps of 10 ms
    limits, out_of_scope = card.split("## Limits")[1].split("## Out of scope")
    assert "Acted English" in limits
    for use in ("hiring", "policing", "medical", "lies", "2024/1689"):
        assert use in out_of_scope


def test_card_states_mean_and_runs_of_each_metric() -> None:
    metrics = cards.summarize("joint-test", [report(0.6), report(0.7)])
    artifact = trained_on(["tess/YAF", "ravdess/01"])
    described = cards.with_metrics(artifact, metrics)
    assert described.metrics == metrics
    assert artifact.metrics != metrics
    row = "| ravdess | 10 | 65.0 (60.0, 70.0) | 66.0 (61.0, 71.0) | 63.0 (58.0, 68.0) |"
    assert row in described.card
    assert "error before calibration: 6.5 (6.0, 7.0) %" in described.card
    assert "this network was trained on them as well" in described.card
    unseen = cards.with_metrics(trained_on(["ravdess/01"]), metrics).card
    assert "Of this network, which was not trained on the test speakers of `joint-test`" in unseen
