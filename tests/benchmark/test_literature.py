"""Published results of other systems."""

import json

import pytest

from emotionrecog import benchmark
from emotionrecog.benchmark import Published
from emotionrecog.splits import protocols
from tests.conftest import ROOT


def test_published_results_are_sorted_and_plausible() -> None:
    rows = benchmark.published()
    assert {row.protocol for row in rows} <= set(protocols.NAMES)
    for row in rows:
        assert row.source
        figures = [value for value in (row.uar, row.uar_to, row.wa) if value is not None]
        assert figures
        assert all(0.3 < value < 0.95 for value in figures)
        assert row.speaker_disjoint is not False
        if row.same_protocol:
            protocol = protocols.get(row.protocol)
            assert protocol.speaker_disjoint
            assert all(s.startswith(row.corpus) for s in protocols.held_out(f"{row.protocol}/1"))
    emobox = benchmark.published("ravdess/emobox6")
    assert [row.uar for row in emobox] == [0.753, 0.72, 0.712, 0.7, 0.654, 0.616, 0.543]
    # Those that do not compare come last, however high.
    assert benchmark.published("cross-corpus")[-1].same_protocol is False
    with pytest.raises(ValueError, match="ravdess/subject9"):
        benchmark.published("ravdess/subject9")


def test_published_rows_have_all_entries() -> None:
    for row in json.loads((ROOT / "src/emotionrecog/data/published.json").read_text("utf-8")):
        assert isinstance(Published(**row), Published)
