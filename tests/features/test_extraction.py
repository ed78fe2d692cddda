"""Test feature extraction: results do not depend on workers, the cache or interruptions."""

import dataclasses
import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from emotionrecog import audio, datasets
from emotionrecog.datasets import Utterance
from emotionrecog.errors import DatasetError
from emotionrecog.features import PRESETS, Extractor, FeatureSpec, Statistics, extraction
from emotionrecog.features.extraction import (
    CorpusFeatures,
    extract_corpus,
    extract_files,
    read_recordings,
)
from emotionrecog.features.spec import N_COLUMNS

RATE = 16_000
SPEC = FeatureSpec(features=("rms", "spectral_centroid", "mfcc"))
SEED_SET = dataclasses.replace(
    PRESETS["mfcc"],
    features=(
        *("rms", "zero_crossing_rate", "band_energy_ratio"),
        *("spectral_centroid", "spectral_bandwidth", "mfcc", "mel"),
    ),
    n_mfcc=40,
)


def write(path: Path, seed: int, duration: float | None = None) -> Path:
    """Write a buzz in noise; seeds differ in pitch and, by default, in length."""
    rng = np.random.default_rng(seed)
    n_samples = int(RATE * duration) if duration else RATE // 4 + 700 * (seed % 11)
    phase = np.cumsum(rng.uniform(100, 300) + 40 * rng.normal(size=n_samples)) * 2 * np.pi / RATE
    samples = 0.2 * np.sign(np.sin(phase)) + 0.02 * rng.normal(size=n_samples)
    soundfile.write(path, samples, RATE)
    return path


def of(path: Path) -> Utterance:
    return Utterance(path, "happy", corpus="mine", speaker="mine/ann")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    """Forty recordings of eleven lengths, more than fit into one task."""
    folder = tmp_path_factory.mktemp("corpus")
    return [of(write(folder / f"{i:03d}.wav", i)) for i in range(40)]


def assert_same(one: CorpusFeatures, other: CorpusFeatures) -> None:
    assert one.utterances == other.utterances
    for a, b in zip(one.arrays, other.arrays, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


def described(spec: FeatureSpec) -> bytes:
    return extraction._describe({"spec": spec.to_dict()})


def unfinished(cache: Path) -> list[Path]:
    return list(cache.glob("*/.*"))


def entries(cache: Path) -> list[Path]:
    return sorted(cache.glob("*/*.npy"))


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the recordings decoded since the test began."""
    names: list[str] = []
    load = audio.load
    of_content: dict[bytes, str] = {}
    read_bytes = Path.read_bytes

    def remember(path: Path) -> bytes:
        content = read_bytes(path)
        of_content[content] = path.name
        return content

    def count(source: bytes, **arguments: int) -> audio.Waveform:
        names.append(of_content[source])
        return load(source, **arguments)

    monkeypatch.setattr(Path, "read_bytes", remember)
    monkeypatch.setattr(audio, "load", count)
    return names


# Results ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_features_equal_the_extractor(corpus: list[Utterance], n_jobs: int) -> None:
    actual = extract_corpus(corpus, SPEC, n_jobs=n_jobs)
    assert actual.utterances == tuple(corpus)
    assert actual.failed == ()
    assert actual.feature_names == SPEC.feature_names
    assert actual.spec == SPEC
    assert actual.statistics is None
    extract = Extractor(SPEC)
    for utterance, features in zip(corpus, actual.arrays, strict=True):
        samples = audio.load(utterance.path, sampling_rate=SPEC.sampling_rate).samples
        np.testing.assert_array_equal(features, extract(samples), strict=True)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets(corpus: list[Utterance], preset: str, tmp_path: Path) -> None:
    spec = PRESETS[preset]
    extract = Extractor(spec)
    plain = extract_corpus(corpus[:3], spec)
    cached = extract_corpus(corpus[:3], spec, cache=tmp_path)
    assert_same(plain, cached)
    for utterance, features in zip(corpus, plain.arrays, strict=False):
        samples = audio.load(utterance.path, sampling_rate=spec.sampling_rate).samples
        np.testing.assert_array_equal(features, extract(samples), strict=True)


def test_unusable_recordings_are_listed_and_do_not_stop_the_others(
    corpus: list[Utterance], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = [of(tmp_path / name) for name in ("missing.wav", "empty.wav", "silent.wav", "torn.wav")]
    bad[1].path.touch()
    soundfile.write(bad[2].path, np.zeros(RATE), RATE)
    bad[3].path.write_bytes(corpus[0].path.read_bytes()[:3000])
    listed = [bad[0], corpus[0], bad[1], corpus[1], bad[2], bad[3]]
    for cache in (None, tmp_path / "cache", tmp_path / "cache"):
        caplog.clear()
        actual = extract_corpus(listed, SPEC, cache=cache)
        assert actual.utterances == tuple(corpus[:2])
        assert len(actual.arrays) == 2
        assert [utterance for utterance, _ in actual.failed] == bad
        reasons = [reason for _, reason in actual.failed]
        starts = ("No such file", "empty, 0 bytes", "silent: all 16000", "truncated: its header")
        assert all(map(str.startswith, reasons, starts)), reasons
        logged = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
        assert logged == [f"left out {u.path}: {reason}" for u, reason in actual.failed]


def test_no_usable_recording_is_an_error(tmp_path: Path) -> None:
    bad = [of(tmp_path / "a.wav"), of(tmp_path / "b.wav")]
    with pytest.raises(DatasetError, match=r"none of the 2 recordings .*a\.wav: No such file"):
        extract_corpus(bad, SPEC)
    with pytest.raises(DatasetError, match="the list of utterances is empty"):
        extract_corpus([], SPEC)


def test_stack(corpus: list[Utterance]) -> None:
    n_features = len(SPEC.feature_names)
    framed = extract_corpus(corpus[:3], dataclasses.replace(SPEC, n_frames=20))
    assert framed.stack().shape == (3, 20, n_features)
    summed = extract_corpus(corpus[:3], dataclasses.replace(SPEC, functionals=("mean", "max")))
    stacked = summed.stack()
    assert stacked.shape == (3, 2 * n_features)
    assert stacked.flags.writeable
    np.testing.assert_array_equal(stacked, list(summed.arrays))
    with pytest.raises(ValueError, match=r"000\.wav has 26 frames and .*001\.wav has 30; set `n_f"):
        extract_corpus(corpus[:3], SPEC).stack()


def test_arrays_are_a_read_only_sequence(corpus: list[Utterance], tmp_path: Path) -> None:
    for cache in (None, tmp_path):
        arrays = extract_corpus(corpus[:3], SPEC, cache=cache).arrays
        assert len(arrays) == 3
        np.testing.assert_array_equal(arrays[-1], arrays[2])
        assert [len(a) for a in arrays[1:]] == [len(arrays[1]), len(arrays[2])]
        with pytest.raises(IndexError):
            arrays[3]
        with pytest.raises(ValueError, match="read-only"):
            arrays[0][0, 0] = 1.0


def test_result_can_be_pickled(corpus: list[Utterance], tmp_path: Path) -> None:
    spec = dataclasses.replace(SPEC, normalization="corpus")
    actual = extract_corpus(corpus[:3], spec, cache=tmp_path)
    assert_same(actual, pickle.loads(pickle.dumps(actual)))


# Normalisation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("functionals", [(), ("mean", "std")])
@pytest.mark.parametrize("cached", [False, True])
def test_statistics_of_training_normalise_test_data(
    corpus: list[Utterance], tmp_path: Path, functionals: tuple[str, ...], cached: bool
) -> None:
    cache = tmp_path if cached else None
    plain = dataclasses.replace(SPEC, functionals=functionals)
    spec = dataclasses.replace(plain, normalization="corpus")
    train, test = corpus[:30], corpus[30:]
    raw = [np.atleast_2d(a) for a in extract_corpus(train, plain).arrays]
    learnt = extract_corpus(train, spec, cache=cache)
    assert learnt.statistics is not None
    rows = np.concatenate(raw).astype(np.float64)
    np.testing.assert_allclose(learnt.statistics.mean, rows.mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(learnt.statistics.deviation, rows.std(axis=0), rtol=1e-5)
    normalised = np.concatenate([np.atleast_2d(a) for a in learnt.arrays])
    np.testing.assert_allclose(normalised.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(normalised.std(axis=0), 1, atol=1e-4)

    tested = extract_corpus(test, spec, statistics=learnt.statistics, cache=cache)
    assert tested.statistics is learnt.statistics
    for features, before in zip(tested.arrays, extract_corpus(test, plain).arrays, strict=True):
        expected = (before - learnt.statistics.mean) / learnt.statistics.deviation
        np.testing.assert_allclose(features, expected, rtol=1e-5, atol=1e-5)


def test_padding_does_not_count_for_statistics(corpus: list[Utterance]) -> None:
    spec = dataclasses.replace(SPEC, normalization="corpus")
    long, short = (extract_corpus(corpus, dataclasses.replace(spec, n_frames=n)) for n in (90, 5))
    assert long.statistics is not None
    assert short.statistics is not None
    np.testing.assert_array_equal(long.statistics.mean, short.statistics.mean)
    assert long.stack().shape[1] == 90


def test_statistics_that_do_not_fit_raise_early(
    corpus: list[Utterance], measured: list[str]
) -> None:
    two = Statistics(np.zeros(2, np.float32), np.ones(2, np.float32))
    with pytest.raises(ValueError, match=r"`statistics` need spec\.normalization"):
        extract_corpus(corpus, SPEC, statistics=two)
    spec = dataclasses.replace(SPEC, normalization="corpus")
    with pytest.raises(ValueError, match="`statistics` must be of the 15 features"):
        extract_corpus(corpus, spec, statistics=two)
    assert measured == []


# One after the other ----------------------------------------------------------------------------


def test_files_one_after_the_other(corpus: list[Utterance], tmp_path: Path) -> None:
    paths = [corpus[0].path, tmp_path / "missing.wav", str(corpus[1].path)]
    for cache in (None, tmp_path, tmp_path):
        one, missing, two = extract_files(paths, SPEC, cache=cache, n_jobs=1)
        expected = extract_corpus(corpus[:2], SPEC).arrays
        np.testing.assert_array_equal(one, expected[0])
        np.testing.assert_array_equal(two, expected[1])
        assert missing == "No such file or directory"
    with pytest.raises(ValueError, match="'corpus' needs all recordings"):
        extract_files(paths, dataclasses.replace(SPEC, normalization="corpus"))


def test_files_are_read_lazily(corpus: list[Utterance]) -> None:
    n_read = 0

    def endless() -> Iterator[Path]:
        nonlocal n_read
        while True:
            n_read += 1
            yield corpus[0].path

    features = extract_files(endless(), SPEC, n_jobs=2)
    next(features)
    features.close()
    assert n_read <= 1000


# Custom functions --------------------------------------------------------------------------------


def test_read_recordings_calls_a_function_for_the_samples_of_each(
    corpus: list[Utterance], tmp_path: Path
) -> None:
    missing = of(tmp_path / "missing.wav")
    utterances = [corpus[0], missing, corpus[1]]
    results = read_recordings(
        lambda samples, number: (number, len(samples)), utterances, sampling_rate=RATE // 2
    )
    lengths = [audio.load(u.path, sampling_rate=RATE // 2).samples.size for u in corpus[:2]]
    assert results.items == corpus[:2]
    assert results.values == [(0, lengths[0]), (2, lengths[1])]
    assert results.failed == {missing.path: "No such file or directory"}


def test_read_recordings_shares_the_cache_under_an_equal_description(
    corpus: list[Utterance], tmp_path: Path, measured: list[str]
) -> None:
    def read(factor: float, description: dict[str, float] | None) -> list[float]:
        results = read_recordings(
            lambda samples, number: factor * samples[:1],
            corpus[:3],
            sampling_rate=RATE,
            cache=tmp_path,
            description=description,
        )
        return [float(value[0]) for value in results.values]

    first = read(1.0, {"factor": 1.0})
    assert len(measured) == 3
    assert read(5.0, {"factor": 1}) == first, "the cache is not used"
    assert len(measured) == 3
    assert read(5.0, {"factor": 5}) == pytest.approx([5 * value for value in first])
    with pytest.raises(ValueError, match="`description` must describe the result of `function`"):
        read(1.0, None)


# The cache --------------------------------------------------------------------------------------


def test_cached_features_are_not_measured_again(
    corpus: list[Utterance], tmp_path: Path, measured: list[str]
) -> None:
    first = extract_corpus(corpus, SPEC, cache=tmp_path / "new" / "cache")
    assert sorted(measured) == [utterance.path.name for utterance in corpus]
    measured.clear()
    second = extract_corpus(corpus, SPEC, cache=tmp_path / "new" / "cache", n_jobs=1)
    assert measured == []
    assert_same(first, second)
    assert_same(first, extract_corpus(corpus, SPEC))
    assert isinstance(second.arrays[0].base, np.memmap)
    assert not isinstance(second.arrays[0], np.memmap)


def test_cache_depends_on_contents_and_spec(
    corpus: list[Utterance], tmp_path: Path, measured: list[str]
) -> None:
    cache = tmp_path / "cache"
    one, two = (of(tmp_path / name) for name in ("one.wav", "two.wav"))
    for utterance, source in zip((one, two), corpus, strict=False):
        utterance.path.write_bytes(source.path.read_bytes())
    before = extract_corpus([one, two], SPEC, cache=cache)
    measured.clear()

    one.path.rename(tmp_path / "renamed.wav")
    os.utime(tmp_path / "renamed.wav", (1, 1))
    renamed = extract_corpus([of(tmp_path / "renamed.wav")], SPEC, cache=cache)
    assert measured == []
    np.testing.assert_array_equal(renamed.arrays[0], before.arrays[0])

    # Of the same length and time, so that an index of names would take it for unchanged.
    stat = two.path.stat()
    content = bytearray(two.path.read_bytes())
    content[-100:] = bytes(100)
    two.path.write_bytes(content)
    os.utime(two.path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    changed = extract_corpus([two], SPEC, cache=cache)
    assert measured == ["two.wav"]
    assert not np.array_equal(changed.arrays[0], before.arrays[1])
    measured.clear()

    for spec in (
        dataclasses.replace(SPEC, n_mfcc=12),
        dataclasses.replace(SPEC, features=("rms",)),
        dataclasses.replace(SPEC, features=(*SPEC.features[1:], SPEC.features[0])),
        dataclasses.replace(SPEC, functionals=("mean",)),
        dataclasses.replace(SPEC, deltas=1),
    ):
        extract_corpus([two], spec, cache=cache)
        assert measured == ["two.wav"], spec
        measured.clear()


def test_another_version_of_the_features_is_measured_again(
    corpus: list[Utterance],
    tmp_path: Path,
    measured: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    extract_corpus(corpus[:1], SPEC, cache=tmp_path)
    monkeypatch.setattr(extraction, "VERSION", extraction.VERSION + 1)
    extract_corpus(corpus[:1], SPEC, cache=tmp_path)
    assert len(measured) == len(entries(tmp_path)) == 2


def test_normalisation_and_length_reuse_the_cache(
    corpus: list[Utterance], tmp_path: Path, measured: list[str]
) -> None:
    extract_corpus(corpus, SPEC, cache=tmp_path)
    measured.clear()
    for changes in (
        {"normalization": "utterance"},
        {"normalization": "corpus"},
        {"n_frames": 10},
        {"normalization": "corpus", "n_frames": 10},
    ):
        spec = dataclasses.replace(SPEC, **changes)
        cached = extract_corpus(corpus, spec, cache=tmp_path)
        assert measured == []
        assert_same(cached, extract_corpus(corpus, spec))
        measured.clear()


# Mean and deviation of each feature of one signal, at the present VERSION.
NUMBERS = {
    "rms": (0.23257, 0.0260879),
    "zero_crossing_rate": (0.0528684, 0.0226479),
    "band_energy_ratio": (745.792, 181.543),
    "spectral_centroid": (1207.37, 54.4236),
    "spectral_bandwidth": (1813.89, 196.377),
    "spectral_rolloff": (2184.13, 1008.55),
    "spectral_flatness": (0.00164198, 0.000806554),
    "spectral_contrast": (17.4418, 8.08399),
    "chroma": (0.359727, 0.297142),
    "f0": (209.79, 5.433),
    "voicing": (0.948413, 0.0218275),
    "mfcc": (-14.058, 20.8482),
    "mel": (6.05445, 28.8144),
    "mel_db": (-8.65293, 12.4468),
    "log_mel": (-7.27332, 2.53925),
    "magnitude": (0.544021, 2.84293),
}


@pytest.mark.parametrize("feature", N_COLUMNS)
def test_version_is_raised_when_values_change(feature: str) -> None:
    """Otherwise existing caches would give the old values."""
    time = np.arange(8_000) / RATE
    y = 0.3 * np.sin(2 * np.pi * 200 * time * (1 + 0.1 * time))
    y += 0.2 * np.sin(2 * np.pi * 1234 * time) * (time < 0.3)
    y += 0.01 * np.random.default_rng(0).normal(size=len(time))
    actual = Extractor(FeatureSpec(features=(feature,), n_fft=1024, n_mels=40))(y)
    numbers = actual.mean(dtype=float), actual.std(dtype=float)
    assert numbers == pytest.approx(NUMBERS[feature], rel=1e-3), (
        "features have changed: raise extraction.VERSION, and put the new numbers here"
    )


@given(
    n_mels=st.integers(20, 60),
    fmax=st.sampled_from([4000, 4000.0, 8000, 8000.0, 7999.5]),
    features=st.permutations(["rms", "mfcc"]),
    deltas=st.integers(0, 2),
)
def test_only_equal_specs_share_a_key(
    n_mels: int, fmax: float, features: list[str], deltas: int
) -> None:
    spec = FeatureSpec(n_mels=n_mels, fmax=fmax, features=tuple(features), deltas=deltas)
    twin = FeatureSpec.from_dict(json.loads(json.dumps(spec.to_dict())))
    key = described(spec)
    assert described(twin) == key
    assert described(dataclasses.replace(spec, fmax=float(fmax))) == key
    assert FeatureSpec.from_dict(json.loads(key)["spec"]) == spec
    other_keys = [
        dataclasses.replace(spec, n_mels=n_mels + 1),
        dataclasses.replace(spec, features=tuple(reversed(features))),
        dataclasses.replace(spec, fmax=fmax - 0.5),
        dataclasses.replace(spec, remove_offset=not spec.remove_offset),
    ]
    assert len({key, *map(described, other_keys)}) == 5


def test_cache_describes_its_contents(corpus: list[Utterance], tmp_path: Path) -> None:
    extract_corpus(corpus[:2], dataclasses.replace(SPEC, n_frames=7), cache=tmp_path)
    (description,) = tmp_path.glob("*/spec.json")
    held = json.loads(description.read_text())
    assert held["version"] == extraction.VERSION
    assert FeatureSpec.from_dict(held["spec"]) == SPEC
    assert not unfinished(tmp_path)
    for entry in entries(tmp_path):
        assert np.load(entry, allow_pickle=False).dtype == np.float32


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: content[:-1], id="last byte missing"),
        pytest.param(lambda content: content[: len(content) // 2], id="half"),
        pytest.param(lambda content: b"", id="empty"),
        pytest.param(lambda content: bytes(len(content)), id="zeros"),
        pytest.param(lambda content: b"\x00" + content[1:], id="head"),
        pytest.param(lambda content: content[:500] + b"\x01" + content[501:], id="one number"),
        pytest.param(lambda content: content + b"\x00", id="longer"),
        pytest.param(lambda content: content[:-1] + bytes([content[-1] ^ 1]), id="checksum"),
    ],
)
def test_damaged_entry_is_measured_again(
    corpus: list[Utterance],
    tmp_path: Path,
    measured: list[str],
    caplog: pytest.LogCaptureFixture,
    damage,
) -> None:
    complete = extract_corpus(corpus[:3], SPEC)
    extract_corpus(corpus[:3], SPEC, cache=tmp_path)
    sound = {entry: entry.read_bytes() for entry in entries(tmp_path)}
    victim = entries(tmp_path)[1]
    victim.write_bytes(damage(sound[victim]))
    measured.clear()
    assert_same(extract_corpus(corpus[:3], SPEC, cache=tmp_path), complete)
    assert len(measured) == 1
    assert {entry: entry.read_bytes() for entry in entries(tmp_path)} == sound
    assert f"cache {tmp_path}, 1 recording: measured again, entries were damaged" in caplog.text


def test_cache_that_is_a_file_raises(corpus: list[Utterance], tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(NotADirectoryError, match="`cache` must be a folder"):
        extract_corpus(corpus, SPEC, cache=file)


def test_unwritable_cache_loses_no_features(
    corpus: list[Utterance], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    cache = tmp_path / "file" / "cache"  # a path that no user can write to
    for _ in range(2):
        caplog.clear()
        actual = extract_corpus(corpus, SPEC, cache=cache)
        assert_same(actual, extract_corpus(corpus, SPEC))
        assert "40 recordings: kept in memory, not written: Not a directory" in caplog.text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_full_disk_loses_no_features(
    corpus: list[Utterance],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    extract_corpus(corpus[:20], SPEC, cache=tmp_path)
    stored = entries(tmp_path)
    write_bytes = Path.write_bytes

    def run_out(path: Path, content: bytes) -> int:
        write_bytes(path, content[: len(content) // 2])
        return write_bytes(Path("/dev/full"), content)

    monkeypatch.setattr(Path, "write_bytes", run_out)
    actual = extract_corpus(corpus, SPEC, cache=tmp_path)
    assert_same(actual, extract_corpus(corpus, SPEC))
    assert "20 recordings: kept in memory, not written: No space left on device" in caplog.text
    assert entries(tmp_path) == stored
    assert not unfinished(tmp_path)


def test_old_unfinished_entries_are_removed(corpus: list[Utterance], tmp_path: Path) -> None:
    extract_corpus(corpus[:1], SPEC, cache=tmp_path)
    old, young = (entries(tmp_path)[0].parent / name for name in (".old", ".young"))
    for folder in (old, young):
        folder.mkdir()
        (folder / "entry.npy").touch()
    yesterday = time.time() - 1.1 * 24 * 3600
    os.utime(old, (yesterday, yesterday))
    extract_corpus(corpus[:1], SPEC, cache=tmp_path)
    assert (old.exists(), young.exists()) == (False, True)


def test_removed_entry_is_reported(corpus: list[Utterance], tmp_path: Path) -> None:
    actual = extract_corpus(corpus[:1], SPEC, cache=tmp_path)
    entries(tmp_path)[0].unlink()
    with pytest.raises(FileNotFoundError, match="removed from the cache; extract them again"):
        actual.arrays[0]


# Concurrent and killed programs -----------------------------------------------------------------

PROGRAM = """
import sys
from pathlib import Path
import joblib
from emotionrecog.datasets import Utterance
from emotionrecog.features.extraction import extract_corpus
from emotionrecog.features import FeatureSpec
folder, cache, backend = sys.argv[1:]
paths = sorted(Path(folder).glob("*.wav"))
utterances = [Utterance(p, "happy", corpus="mine", speaker="mine/ann") for p in paths]
spec = FeatureSpec(features=("rms", "spectral_centroid", "mfcc"))
print("ready", flush=True)
with joblib.parallel_config(backend=backend, n_jobs=2):
    found = extract_corpus(utterances, spec, cache=cache)
print(len(found.arrays), sum(float(a.sum(dtype=float)) for a in found.arrays))
"""


def start(folder: Path, cache: Path, backend: str = "threading") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, folder, cache, backend], stdout=subprocess.PIPE, text=True
    )


def test_concurrent_programs_write_the_same_entries(
    corpus: list[Utterance], tmp_path: Path
) -> None:
    programs = [start(corpus[0].path.parent, tmp_path) for _ in range(2)]
    answers = [program.communicate(timeout=60)[0] for program in programs]
    assert [program.returncode for program in programs] == [0, 0]
    expected = extract_corpus(corpus, SPEC)
    total = sum(float(a.sum(dtype=float)) for a in expected.arrays)
    assert answers == [f"ready\n40 {total}\n"] * 2
    assert len(entries(tmp_path)) == 40
    assert all(extraction._look_up(entry) == (True, None) for entry in entries(tmp_path))


def test_concurrent_threads_write_the_same_entries(corpus: list[Utterance], tmp_path: Path) -> None:
    barrier = threading.Barrier(4)

    def extract(_: int) -> CorpusFeatures:
        barrier.wait()
        return extract_corpus(corpus, SPEC, cache=tmp_path, n_jobs=1)

    with ThreadPoolExecutor(4) as pool:
        actual = list(pool.map(extract, range(4)))
    for one in actual:
        assert_same(one, extract_corpus(corpus, SPEC))
    assert not unfinished(tmp_path)


@pytest.mark.slow
def test_program_may_be_killed_at_any_moment(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, cache = tmp_path / "corpus", tmp_path / "cache"
    folder.mkdir()
    utterances = [of(write(folder / f"{i:03d}.wav", i, duration=6.0)) for i in range(120)]
    for n_before in (1, 60):
        program = start(folder, cache)
        deadline = time.monotonic() + 60
        while len(entries(cache)) < n_before and time.monotonic() < deadline:
            time.sleep(0.002)
        program.send_signal(signal.SIGKILL)
        assert program.communicate()[0] == "ready\n"
        assert program.returncode == -signal.SIGKILL
        assert n_before <= len(entries(cache)) < 120
        assert all(extraction._look_up(entry)[0] for entry in entries(cache))
    caplog.clear()
    assert_same(extract_corpus(utterances, SPEC, cache=cache), extract_corpus(utterances, SPEC))
    assert len(entries(cache)) == 120
    assert caplog.records == []


# Backends ---------------------------------------------------------------------------------------


def test_processes_may_replace_threads(corpus: list[Utterance], tmp_path: Path) -> None:
    expected = extract_corpus(corpus, SPEC)
    with joblib.parallel_config(backend="loky", n_jobs=2):
        assert_same(extract_corpus(corpus, SPEC), expected)
        assert_same(extract_corpus(corpus, SPEC, cache=tmp_path), expected)
    assert len(entries(tmp_path)) == 40


def test_backend_without_generators(corpus: list[Utterance], tmp_path: Path) -> None:
    """Ray's backend derives from this one. It forks, so it runs in a separate program."""
    program = start(corpus[0].path.parent, tmp_path, "multiprocessing")
    answer, _ = program.communicate(timeout=60)
    total = sum(float(a.sum(dtype=float)) for a in extract_corpus(corpus, SPEC).arrays)
    assert answer == f"ready\n40 {total}\n"


@pytest.mark.slow
@pytest.mark.parametrize("cached", [True, False])
def test_dask_cluster_may_lose_a_worker(tmp_path: Path, cached: bool) -> None:
    from distributed import Client, LocalCluster

    folder = tmp_path / "corpus"
    folder.mkdir()
    utterances = [of(write(folder / f"{i:03d}.wav", i, duration=4.0)) for i in range(96)]
    spec = dataclasses.replace(SPEC, hop_length=16)  # seconds of work
    cache = tmp_path / "cache" if cached else None
    done = threading.Event()

    def kill_one(client: Client, pids: dict[str, int]) -> str | None:
        """Kill a worker while all are busy; return it if work remained."""
        while not done.is_set():
            busy = [worker for worker, tasks in client.processing().items() if tasks]
            if len(busy) == len(pids):
                time.sleep(0.2)
                os.kill(pids[busy[0]], signal.SIGKILL)
                finished = done.is_set() or len(entries(tmp_path / "cache")) == len(utterances)
                return None if finished else busy[0]
            time.sleep(0.01)
        return None

    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=None,
            local_directory=tmp_path,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        killer = pool.submit(kill_one, client, client.run(os.getpid))
        try:
            with joblib.parallel_config(backend="dask"):
                actual = extract_corpus(utterances, spec, cache=cache)
        finally:
            done.set()
        victim = killer.result()
        assert victim
        assert victim not in client.run(os.getpid)
    assert_same(actual, extract_corpus(utterances, spec))


# Real corpora -----------------------------------------------------------------------------------


@pytest.mark.corpora
def test_real_recordings(corpora_root: Path, tmp_path: Path) -> None:
    """The silent clip of CREMA-D is listed, and the other features equal the extractor's."""
    crema_d = datasets.CORPORA["crema_d"].utterances(corpora_root / "crema_d")
    utterances = [u for u in crema_d if u.speaker in ("crema_d/1001", "crema_d/1076")]
    first, second, spread = (
        extract_corpus(utterances, SEED_SET, cache=tmp_path, n_jobs=1),
        extract_corpus(utterances, SEED_SET, cache=tmp_path),
        extract_corpus(utterances, SEED_SET, n_jobs=2),
    )
    assert [u.path.stem for u, _ in first.failed] == ["1076_MTI_SAD_XX"]
    assert len(first.utterances) == len(utterances) - 1
    assert_same(first, second)
    assert_same(first, spread)
    extract = Extractor(SEED_SET)
    for utterance, features in zip(first.utterances[::20], first.arrays[::20], strict=True):
        samples = audio.load(utterance.path, sampling_rate=SEED_SET.sampling_rate).samples
        np.testing.assert_allclose(features, extract(samples), rtol=1e-5, atol=1e-4)
