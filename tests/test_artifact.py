"""The saved form of a recogniser: what is written is read, and nothing else is."""

import contextlib
import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotionrecog import artifact as artifacts
from emotionrecog.artifact import FORMAT_VERSION, Artifact, read, write
from emotionrecog.errors import ModelError
from emotionrecog.features import FeatureSpec
from tests.conftest import FORMAT_1

FILES = {"recognizer.json", "model.onnx", "model.weights.h5", "MODEL_CARD.md"}
ARTIFACT = Artifact(
    name="test",
    labels=("neutral", "sad"),
    features=FeatureSpec(n_mels=40),
    window_frames=200,
    minimum_duration=0.5,
    architecture="crnn",
    sizes={"filters": 8, "dropout": 0.25},
    temperature=1.5,
    training={"corpora": {"crema_d": "ODbL 1.0"}, "seed": 3, "left_out": None},
    metrics={"uar": 0.75},
    versions={"keras": "3.15.1"},
    onnx=bytes(range(256)) * 4,
    weights=b"\x89HDF\r\n\x1a\n" + bytes(500),
    card="# Prüfung\n",
)
OTHER = replace(ARTIFACT, name="other", weights=b"other weights")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a saved artefact, alone in its parent."""
    folder = tmp_path / "saved" / "recogniser"
    write(ARTIFACT, folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_written_artifact_is_read_back(folder: Path) -> None:
    assert read(folder) == ARTIFACT
    assert read(str(folder)) == ARTIFACT
    assert set(contents(folder)) == FILES


def test_manifest_is_strict_readable_json(folder: Path) -> None:
    text = (folder / "recognizer.json").read_text(encoding="utf-8")
    manifest = json.loads(text)
    assert manifest["format_version"] == FORMAT_VERSION
    assert manifest["labels"] == ["neutral", "sad"]
    assert manifest["training"] == ARTIFACT.training
    assert len(text.splitlines()) > 20
    assert (folder / "MODEL_CARD.md").read_text(encoding="utf-8") == ARTIFACT.card


def test_files_have_default_permissions(tmp_path: Path) -> None:
    """Temporary folders are private; files moved out of them must not stay so."""
    folder, ordinary = tmp_path / "recogniser", tmp_path / "ordinary"
    write(ARTIFACT, folder)
    ordinary.mkdir()
    assert folder.stat().st_mode == ordinary.stat().st_mode


# Where an artefact may be written ----------------------------------------------------------------


def test_parents_are_made(tmp_path: Path) -> None:
    write(ARTIFACT, tmp_path / "a" / "b" / "c")
    assert read(tmp_path / "a" / "b" / "c") == ARTIFACT


def test_empty_folder_is_filled(tmp_path: Path) -> None:
    write(ARTIFACT, tmp_path)
    assert read(tmp_path) == ARTIFACT


def test_relative_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(ARTIFACT, "recogniser")
    assert read(tmp_path / "recogniser") == ARTIFACT


def test_saved_artifact_is_replaced(folder: Path) -> None:
    write(OTHER, folder)
    assert read(folder) == OTHER
    assert list(folder.parent.iterdir()) == [folder]


def test_artifact_is_written_over_itself(folder: Path) -> None:
    before = contents(folder)
    write(read(folder), folder)
    assert contents(folder) == before


def test_damaged_artifact_is_replaced(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    (folder / "recognizer.json").write_text("{")
    write(OTHER, folder)
    assert read(folder) == OTHER


def test_link_to_a_saved_artifact_stays_a_link(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "latest"
    link.symlink_to(folder, target_is_directory=True)
    write(OTHER, link)
    assert link.is_symlink()
    assert read(folder) == OTHER


@pytest.mark.parametrize(
    ("names", "actual"),
    [
        pytest.param(["thesis.tex"], "thesis.tex", id="no artefact"),
        pytest.param([*FILES, "thesis.tex"], "thesis.tex", id="something beside an artefact"),
        pytest.param([*FILES, "plots/uar.png"], "plots", id="a folder beside an artefact"),
        pytest.param(["model.onnx"], "model.onnx", id="no manifest"),
    ],
)
def test_foreign_folder_is_not_replaced(tmp_path: Path, names: list[str], actual: str) -> None:
    target = tmp_path / "target"
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text("precious")
    with pytest.raises(FileExistsError, match=rf"target' was not replaced: .*{actual}.*; choose"):
        write(ARTIFACT, target)
    assert {path.read_text() for path in target.rglob("*") if path.is_file()} == {"precious"}
    assert sum(path.is_file() for path in target.rglob("*")) == len(names)
    assert list(tmp_path.iterdir()) == [target]


def test_file_is_left_as_it_is(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    with pytest.raises(FileExistsError, match="found a file"):
        write(ARTIFACT, target)
    assert target.read_text() == "precious"


# Failures while writing -------------------------------------------------------------------


class Breakdown(BaseException):
    """Stand in for an interrupt, which is not an ordinary exception."""


def fail_to_write(monkeypatch: pytest.MonkeyPatch, error: type[BaseException]) -> None:
    """Fail while the second file is written, as a full disk does."""
    write_bytes = Path.write_bytes

    def failing(path: Path, content: bytes) -> int:
        if path.name == "model.weights.h5":
            raise error
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", failing)


def fail_to_move_out(monkeypatch: pytest.MonkeyPatch, error: type[BaseException]) -> None:
    """Fail to move the new folder into place after the old one was moved away."""
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise error
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)


def fail_after_moving_away(monkeypatch: pytest.MonkeyPatch, error: type[BaseException]) -> None:
    """Interrupt just after the old folder was moved away."""
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        result = rename(path, target)
        if target.name == "old":
            raise error
        return result

    monkeypatch.setattr(Path, "rename", failing)


@pytest.mark.parametrize("error", [OSError, Breakdown])
@pytest.mark.parametrize("failure", [fail_to_write, fail_to_move_out, fail_after_moving_away])
def test_failure_leaves_the_old_artifact(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: Callable[[pytest.MonkeyPatch, type[BaseException]], None],
    error: type[BaseException],
) -> None:
    with monkeypatch.context() as patch:
        failure(patch, error)
        with pytest.raises(error):
            write(OTHER, folder)
    assert read(folder) == ARTIFACT
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize("failure", [fail_to_write, fail_to_move_out])
def test_failure_leaves_nothing_behind(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: Callable[[pytest.MonkeyPatch, type[BaseException]], None],
) -> None:
    with monkeypatch.context() as patch:
        failure(patch, Breakdown)
        with pytest.raises(Breakdown):
            write(ARTIFACT, tmp_path / "recogniser")
    assert list(tmp_path.iterdir()) == []


def test_corrupted_write_does_not_replace_the_old_artifact(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bytes = Path.write_bytes
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", lambda path, content: write_bytes(path, content[:-1]))
        with pytest.raises(ModelError, match="damaged"):
            write(OTHER, folder)
    assert read(folder) == ARTIFACT


@pytest.mark.parametrize("value", [float("nan"), object(), b"bytes"])
def test_values_that_json_cannot_express_are_not_written(folder: Path, value: object) -> None:
    with pytest.raises((TypeError, ValueError), match="JSON"):
        write(replace(OTHER, metrics={"uar": value}), folder)
    assert read(folder) == ARTIFACT


# Damage ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(FILES))
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=name):
        read(folder)


@pytest.mark.parametrize("name", sorted(FILES))
def test_folder_in_the_place_of_a_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(ModelError, match=name):
        read(folder)


def flip_a_bit(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("name", sorted(FILES - {"recognizer.json"}))
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(flip_a_bit, id="a flipped bit"),
        pytest.param(lambda content: content[:-1], id="truncated"),
        pytest.param(lambda content: content + b"\0", id="longer"),
        pytest.param(lambda content: b"", id="empty"),
    ],
)
def test_damaged_file_is_named(folder: Path, name: str, damage: Callable[[bytes], bytes]) -> None:
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    with pytest.raises(ModelError, match=rf"{name}: damaged: expected SHA-256 .* fetch .* again"):
        read(folder)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="broken off"),
        pytest.param(b"\xff\xfe\x00", id="not UTF-8"),
        pytest.param(b"[" * 100_000, id="nested without end"),
        pytest.param(b"[]", id="array"),
        pytest.param(b"null", id="null"),
        pytest.param(b'"format_version"', id="string"),
        pytest.param(b"{}", id="nothing in it"),
    ],
)
def test_invalid_manifest_raises(folder: Path, content: bytes) -> None:
    (folder / "recognizer.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"recognizer\.json: damaged.* fetch .* again"):
        read(folder)


def test_truncated_manifest_raises(folder: Path) -> None:
    content = (folder / "recognizer.json").read_bytes().rstrip()
    for length in range(0, len(content), 9):
        (folder / "recognizer.json").write_bytes(content[:length])
        with pytest.raises(ModelError, match=r"recognizer\.json"):
            read(folder)


@pytest.fixture(scope="module")
def once_written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """Return a folder for many examples, and its intact contents."""
    folder = tmp_path_factory.mktemp("written") / "recogniser"
    write(ARTIFACT, folder)
    return folder, contents(folder)


@settings(deadline=None, max_examples=300)
@given(name=st.sampled_from(sorted(FILES)), position=st.integers(0, 2**20), bit=st.integers(0, 7))
def test_flipped_bit_is_found_wherever_it_is(
    once_written: tuple[Path, dict[str, bytes]], name: str, position: int, bit: int
) -> None:
    """Unless it changes nothing, as in the layout of the JSON or the spelling of a number."""
    folder, whole = once_written
    damaged = bytearray(whole[name])
    damaged[position % len(damaged)] ^= 1 << bit
    for each, content in {**whole, name: damaged}.items():
        (folder / each).write_bytes(content)
    if name != "recognizer.json":
        with pytest.raises(ModelError, match=name):
            read(folder)
        return
    with contextlib.suppress(ModelError):
        assert read(folder) == ARTIFACT


@settings(deadline=None, max_examples=100)
@given(name=st.sampled_from(sorted(FILES)), share=st.floats(0, 1, exclude_max=True))
def test_truncated_file_is_found(
    once_written: tuple[Path, dict[str, bytes]], name: str, share: float
) -> None:
    folder, whole = once_written
    short = whole[name].rstrip()[: int(share * len(whole[name].rstrip()))]
    for each, content in {**whole, name: short}.items():
        (folder / each).write_bytes(content)
    with pytest.raises(ModelError, match=name):
        read(folder)


def test_changed_metric_is_found(folder: Path) -> None:
    """It is valid JSON; only the hash shows the change."""
    path = folder / "recognizer.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"uar": 0.75', '"uar": 0.95'), encoding="utf-8")
    with pytest.raises(
        ModelError, match=r"recognizer\.json: damaged: .* on purpose, replace the value"
    ):
        read(folder)


def test_hash_of_the_manifest_does_not_depend_on_its_layout(folder: Path) -> None:
    path = folder / "recognizer.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(dict(reversed(manifest.items())), indent=7), encoding="utf-8")
    assert read(folder) == ARTIFACT


def test_keys_that_are_numbers_are_hashed_as_they_are_read(tmp_path: Path) -> None:
    odd = replace(ARTIFACT, metrics={10: 0.5, 2: 0.25})
    write(odd, tmp_path)
    assert read(tmp_path).metrics == {"10": 0.5, "2": 0.25}


def save_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Save a manifest with its correct hash."""
    entries = {name: value for name, value in manifest.items() if name != "manifest_sha256"}
    text = json.dumps(entries, sort_keys=True, separators=(",", ":"))
    if "manifest_sha256" in manifest:
        entries["manifest_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "recognizer.json").write_text(json.dumps(entries), encoding="utf-8")


def edit(folder: Path, name: str, value: Any) -> None:
    path = folder / "recognizer.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    save_manifest(folder, {**manifest, name: value})


def test_newer_format_asks_for_an_upgrade(folder: Path) -> None:
    edit(folder, "format_version", FORMAT_VERSION + 1)
    message = rf"format {FORMAT_VERSION + 1} is newer than format {FORMAT_VERSION}.*pip install -"
    with pytest.raises(ModelError, match=message):
        read(folder)


@pytest.mark.parametrize("version", ["1", 1.0, True, None, 0, -1, [1]])
def test_format_version_must_be_a_positive_integer(folder: Path, version: object) -> None:
    edit(folder, "format_version", version)
    with pytest.raises(ModelError, match=r"recognizer\.json: damaged: .*`format_version`, found"):
        read(folder)


def test_entries_of_later_writers_are_ignored(folder: Path) -> None:
    edit(folder, "favourite_colour", "green")
    assert read(folder) == ARTIFACT


@pytest.mark.parametrize(
    "name",
    [
        *("name", "labels", "features", "window_frames", "minimum_duration", "architecture"),
        *("sizes", "temperature", "training", "metrics", "versions", "sha256", "format_version"),
        "manifest_sha256",
    ],
)
def test_missing_entry_is_named(folder: Path, name: str) -> None:
    path = folder / "recognizer.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    del manifest[name]
    save_manifest(folder, manifest)
    with pytest.raises(ModelError, match=rf"recognizer\.json: damaged: .*{name}.* fetch .* again"):
        read(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", 5),
        ("labels", "neutral"),
        ("labels", []),
        ("labels", ["sad"]),
        ("labels", ["sad", "sad"]),
        ("labels", ["sad", ""]),
        ("labels", ["sad", 5]),
        ("labels", ["sad", ["calm"]]),
        ("labels", {"sad": 0, "calm": 1}),
        ("features", []),
        ("features", {**FeatureSpec().to_dict(), "n_fft": "512"}),
        ("features", {**FeatureSpec().to_dict(), "fmax": "8000"}),
        ("window_frames", 1),
        ("window_frames", 2),
        ("window_frames", 2**40),
        ("features", {**FeatureSpec().to_dict(), "sampling_rate": 10**9}),
        ("features", {**FeatureSpec().to_dict(), "n_fft": 2**30}),
        ("features", {**FeatureSpec().to_dict(), "n_mels": 10**9}),
        ("features", {**FeatureSpec().to_dict(), "hop_length": 10**9}),
        ("features", {**FeatureSpec().to_dict(), "n_frames": 10**9}),
        ("features", {**FeatureSpec().to_dict(), "n_fft": 2**15, "n_frames": 2**16}),
        ("window_frames", 200.0),
        ("window_frames", True),
        ("minimum_duration", "0.4"),
        ("minimum_duration", 0),
        ("minimum_duration", True),
        ("minimum_duration", float("inf")),
        ("architecture", None),
        ("sizes", [8]),
        ("temperature", "warm"),
        ("temperature", -1.0),
        ("temperature", float("nan")),
        ("training", "RAVDESS"),
        ("metrics", 0.7),
        ("versions", None),
        ("sha256", "0" * 64),
        ("sha256", ["0" * 64] * 3),
    ],
)
def test_wrong_entry_is_named(folder: Path, name: str, value: object) -> None:
    edit(folder, name, value)
    named = {"features": "n_fft|fmax|feature spec|at most"}.get(name, name)
    message = rf"recognizer\.json: damaged: .*({named}).* Save or fetch the recogniser again"
    with pytest.raises(ModelError, match=message):
        read(folder)


def test_missing_hash_is_named(folder: Path) -> None:
    edit(folder, "sha256", {})
    with pytest.raises(ModelError, match=r"recognizer\.json: damaged: 'model\.onnx' is missing"):
        read(folder)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no such folder: .*nowhere.*expected the folder of"):
        read(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["thesis.tex", "empty"])
def test_path_without_manifest_raises(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ModelError, match=rf"{name}' holds no recognizer\.json; expected"):
        read(tmp_path / name)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to this user"
)
def test_unreadable_file_is_not_reported_as_damaged(folder: Path) -> None:
    (folder / "model.onnx").chmod(0)
    with pytest.raises(PermissionError):
        read(folder)


# Artefacts of strangers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "n_bytes"),
    [("recognizer.json", 2**24 + 1), ("MODEL_CARD.md", 2**24 + 1), ("model.onnx", 2**30 + 1)],
)
def test_oversized_file_is_not_read(folder: Path, name: str, n_bytes: int) -> None:
    os.truncate(folder / name, n_bytes)  # takes no room on the disk
    with pytest.raises(ModelError, match=rf"{name}: expected at most {n_bytes - 1} bytes, found"):
        read(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes among the files here")
@pytest.mark.parametrize("name", sorted(FILES))
def test_special_file_is_not_read(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(ModelError, match=rf"{name}: expected an ordinary file"):
        read(folder)
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    with pytest.raises(ModelError, match=rf"{name}: expected an ordinary file"):
        read(folder)


@pytest.mark.parametrize("name", sorted(FILES))
def test_links_must_lead_to_contents_with_the_right_hash(folder: Path, name: str) -> None:
    """Caches keep files elsewhere; dangling, circular and foreign links are errors."""
    elsewhere = folder.parent / "blob"
    (folder / name).rename(elsewhere)
    (folder / name).symlink_to(Path("..", "blob"))
    assert read(folder) == ARTIFACT
    elsewhere.write_text("secret")
    with pytest.raises(ModelError, match=name) as caught:
        read(folder)
    assert "secret" not in str(caught.value)
    for target in (folder / name, folder / "nothing"):
        (folder / name).unlink()
        (folder / name).symlink_to(target)
        with pytest.raises(ModelError, match=name):
            read(folder)


def test_names_in_the_manifest_are_not_followed(folder: Path, tmp_path: Path) -> None:
    """No path can leave the folder, because only files of fixed names are read."""
    (tmp_path / "secret").write_text("secret")
    manifest = json.loads((folder / "recognizer.json").read_text(encoding="utf-8"))
    hashes = {f"../../{name}": digest for name, digest in manifest["sha256"].items()}
    edit(folder, "sha256", {**hashes, "../../secret": hashlib.sha256(b"secret").hexdigest()})
    with pytest.raises(ModelError, match=r"'model\.onnx' is missing"):
        read(folder)


@pytest.mark.parametrize(
    "onnx",
    [
        pytest.param(b"\x0a\x08location\x12\x0b/etc/passwd", id="absolute path"),
        pytest.param(b"..\x0a\x08location\x12\x05../..", id="path that climbs out"),
        pytest.param(b"\x8a\x80\x80\x00\x88\x80\x00location\x12\x01a", id="written in a long way"),
    ],
)
def test_network_with_external_weights_raises(folder: Path, onnx: bytes) -> None:
    with pytest.raises(ModelError, match=r"model\.onnx: .* one that refers to another file"):
        write(replace(OTHER, onnx=onnx), folder)
    assert read(folder) == ARTIFACT


def test_network_in_another_format_raises(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.onnx: expected ONNX"):
        write(replace(OTHER, onnx=b"\x20\0\0\0ORTM" + bytes(100)), folder)


def test_network_may_contain_the_word_location(tmp_path: Path) -> None:
    odd = replace(ARTIFACT, onnx=b"\x0a\x10model/location/a\x12\x08location")
    write(odd, tmp_path)
    assert read(tmp_path) == odd


@settings(deadline=None, max_examples=300)
@given(
    st.dictionaries(
        st.sampled_from(sorted(json.loads((FORMAT_1 / "recognizer.json").read_text()))),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["n_fft", "n_mels", "a"]), inner)
            ),
            max_leaves=5,
        ),
        min_size=1,
        max_size=3,
    )
)
def test_any_entries_give_an_artefact_or_a_model_error(
    once_written: tuple[Path, dict[str, bytes]], entries: dict[str, Any]
) -> None:
    folder, whole = once_written
    for each, content in whole.items():
        (folder / each).write_bytes(content)
    save_manifest(folder, {**json.loads(whole["recognizer.json"]), **entries})
    with contextlib.suppress(ModelError):
        assert isinstance(read(folder), Artifact)


def test_random_bytes_are_no_artefact(folder: Path) -> None:
    rng = random.Random(0)
    for _ in range(200):
        (folder / "recognizer.json").write_bytes(rng.randbytes(rng.randrange(100)))
        with pytest.raises(ModelError, match=r"recognizer\.json: damaged"):
            read(folder)


# Formats of the past -----------------------------------------------------------------------------


def test_format_1_stays_readable() -> None:
    """Version 0.1.0 wrote fewer entries of the features and no hash of the manifest."""
    manifest = json.loads((FORMAT_1 / "recognizer.json").read_text(encoding="utf-8"))
    assert manifest["format_version"] == 1
    assert "manifest_sha256" not in manifest
    assert len(manifest["features"]) == 9
    artifact = read(FORMAT_1)
    assert artifact.features == FeatureSpec(n_mels=40)
    assert artifact.versions["emotionrecog"] == "0.1.0"


def test_resaved_artifact_has_the_current_format(tmp_path: Path) -> None:
    write(read(FORMAT_1), tmp_path)
    manifest = json.loads((tmp_path / "recognizer.json").read_text(encoding="utf-8"))
    assert manifest["format_version"] == FORMAT_VERSION == 2
    assert read(tmp_path) == read(FORMAT_1)


# Fields --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"labels": ["neutral", "sad"]},
        {"labels": ("sad", "sad")},
        {"features": FeatureSpec().to_dict()},
        {"minimum_duration": None},
        {"temperature": 0.0},
        {"temperature": 10**400},
        {"window_frames": 1},
        {"onnx": "text"},
        {"weights": None},
        {"card": b"bytes"},
    ],
)
def test_invalid_field_raises(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"`{next(iter(change))}` must be a .*, got"):
        replace(ARTIFACT, **change)


def test_repr_does_not_list_megabytes() -> None:
    assert len(repr(ARTIFACT)) < 1_000
    assert "onnx" not in repr(ARTIFACT)


def test_no_hash_is_left_out(folder: Path) -> None:
    """Every file beside the manifest is hashed."""
    manifest = json.loads((folder / "recognizer.json").read_text(encoding="utf-8"))
    assert set(manifest["sha256"]) == FILES - {artifacts.MANIFEST}


def test_moved_folder_is_read(folder: Path, tmp_path: Path) -> None:
    moved = shutil.move(folder, tmp_path / "moved")
    assert read(moved) == ARTIFACT
