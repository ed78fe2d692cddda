"""The scripts in examples/: each runs through, on a slice of the corpora, and prints figures."""

import re
import runpy
import sys
from pathlib import Path

import pytest

from tests.conftest import EXAMPLES

pytestmark = pytest.mark.tensorflow

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")


# Each with the number of clips of a speaker that is enough to train on.
SCRIPTS = {
    "ravdess_cnn1d.py": 1,
    "ravdess_tess_cnn_lstm.py": 1,
    "crema_d_resnet_attention.py": 1,
    "ravdess_parallel.py": 2,
    "savee_descriptors.py": 2,
}


def run(name: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a script as ``python examples/name`` does, without loading TensorFlow once more."""
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    monkeypatch.syspath_prepend(EXAMPLES)
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


@pytest.mark.corpora
@pytest.mark.parametrize("name", SCRIPTS)
def test_script_runs(
    name: str,
    corpora_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(name, ["--corpora", str(corpora_root), "--slice", str(SCRIPTS[name])], monkeypatch)
    printed = capsys.readouterr().out
    assert re.search(r"^corpus +clips +UAR", printed, re.M)
    assert "LEAKY" not in printed


def test_own_data(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run("own_data.py", [], monkeypatch)
    printed = capsys.readouterr().out
    assert re.search(r"^mine +8 +100\.0", printed, re.M)
    assert re.search(r"^ann_\d\.wav sounds happy$", printed, re.M)


def test_no_script_is_forgotten() -> None:
    scripts = {path.name for path in EXAMPLES.glob("*.py")}
    assert scripts == {*SCRIPTS, "own_data.py", "predict.py", "options.py"}


def test_corpora_must_be_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("EMOTIONRECOG_CORPORA", raising=False)
    with pytest.raises(SystemExit):
        run("ravdess_cnn1d.py", [], monkeypatch)
    assert "name the folder of the corpora" in capsys.readouterr().err
