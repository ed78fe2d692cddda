"""Recognisers by name: the bundled ones, and others fetched from a server on this machine."""

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotionrecog import EmotionRecognizer, artifact, cli, pretrained
from emotionrecog.datasets import CORPORA, EMOTIONS
from emotionrecog.errors import DownloadError, ModelError
from emotionrecog.pretrained import download
from tests.conftest import CLIP, Terminal, run_python

NAME = "tiny-8"
BIG = "model.onnx"
SIZE = 100_000

# Bytes that all count: whole chunks.
FIRST = 15 * download.CHUNK


# What comes with the package ---------------------------------------------------------------------


def test_default_is_available() -> None:
    assert pretrained.DEFAULT in pretrained.available()
    assert EmotionRecognizer.available() == pretrained.available()


@pytest.mark.parametrize("name", pretrained.available())
def test_bundled_recognizer_is_complete_small_and_documented(name: str) -> None:
    folder = pretrained.fetch(name)
    bundled = artifact.read(folder)
    assert bundled.name == folder.name == name
    assert set(bundled.labels) <= set(EMOTIONS)
    assert bundled.card.startswith("# ")
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 8_000_000
    assert pretrained.state(name) == "bundled"
    pretrained.verify(name)


def test_default_has_all_emotions_in_order() -> None:
    assert artifact.read(pretrained.fetch(pretrained.DEFAULT)).labels == EMOTIONS


def test_registry_of_the_package_describes_the_bundled_recognizers(tmp_path: Path) -> None:
    shipped = pretrained._BUNDLED / "registry.json"
    folders = [pretrained.fetch(name) for name in sorted(pretrained._bundled())]
    pretrained.write_registry(tmp_path / "registry.json", folders)
    assert shipped.read_text() == (tmp_path / "registry.json").read_text(), (
        "write it anew with emotionrecog.pretrained.write_registry"
    )


def test_licences_are_those_of_the_corpora() -> None:
    licences = pretrained.catalogue()[pretrained.DEFAULT].licences
    assert licences == {name: CORPORA[name].licence for name in licences}
    assert set(licences) == {"ravdess", "crema_d", "savee", "tess"}


@pytest.mark.parametrize("name", ["klingon-8", "", ".", "..", "../recognizers/english-8"])
@pytest.mark.parametrize("work", [pretrained.fetch, pretrained.verify, pretrained.state])
def test_unknown_name_raises_with_the_available_names(
    work: Callable[[str], Any], name: str
) -> None:
    with pytest.raises(ModelError, match=r"is called .*; expected one of english-8"):
        work(name)


def test_unfinished_folders_are_not_available(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b-2", "a-1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "recognizer.json").touch()
    (tmp_path / ".a-1-x8f2" / "new").mkdir(parents=True)
    (tmp_path / "README.md").touch()
    pretrained.write_registry(tmp_path / "registry.json", [])
    monkeypatch.setattr(pretrained, "_BUNDLED", tmp_path)
    assert pretrained.available() == ("a-1", "b-2")


@pytest.mark.parametrize("damage", ["missing", "longer", "a digit"])
def test_damage_to_a_bundled_recognizer_is_reported(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(pretrained._BUNDLED, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(pretrained, "_BUNDLED", tmp_path)
    pretrained.verify("english-8")
    path = tmp_path / "english-8" / {"missing": BIG, "longer": BIG}.get(damage, artifact.MANIFEST)
    if damage == "missing":
        path.unlink()
    elif damage == "longer":
        path.write_bytes(path.read_bytes() + b"\0")
    else:
        text = path.read_text(encoding="utf-8")
        changed = re.sub(r'("temperature": )\d', r"\g<1>9", text, count=1)
        assert changed != text
        path.write_text(changed, encoding="utf-8")
    with pytest.raises(ModelError, match=rf"damaged: {path.name} .*install emotionrecog again"):
        pretrained.verify("english-8")


def test_bundled_recognizer_loads_no_network_code() -> None:
    code = """
import sys
from emotionrecog import EmotionRecognizer
EmotionRecognizer(), EmotionRecognizer("english-8"), EmotionRecognizer.load("english-8")
print(sorted({"pooch", "requests", "urllib3", "http.client", "ssl"} & set(sys.modules)))
"""
    environment = {**os.environ, "EMOTIONRECOG_OFFLINE": "1"}
    assert run_python(code, environment).strip() == "[]"


# A server on this machine ------------------------------------------------------------------------

# What a server does with a request instead of answering it well.
Fault = Callable[["Handler", bytes], None]


class Server(ThreadingHTTPServer):
    """Serves a folder, with the ranges that are asked for; misbehaves when told to."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.ranges = True
        # For each file, what to do with the next requests; and what was asked for.
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.asked: list[tuple[str, str | None]] = []
        # What a stalling answer waits for.
        self.gate = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def asked_for(self, name: str) -> list[str | None]:
        return [range_ for path, range_ in self.asked if path.endswith(name)]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Range"]))
        faults = self.server.faults[Path(self.path).name]
        path = self.server.folder / self.path.removeprefix("/mirror/").lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client hung up
            (faults.pop(0) if faults else well)(self, path.read_bytes())

    def log_message(self, *arguments: object) -> None:
        pass


def head(handler: Handler, content: bytes) -> bytes:
    """Send the head of a right answer, and return what should follow."""
    asked = re.fullmatch(r"bytes=(\d+)-", handler.headers["Range"] or "")
    start = int(asked[1]) if asked and handler.server.ranges else 0
    if start and start >= len(content):
        handler.send_error(416)
        return b""
    handler.send_response(206 if start else 200)
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    handler.send_header("Content-Length", str(len(content) - start))
    handler.end_headers()
    return content[start:]


def well(handler: Handler, content: bytes) -> None:
    handler.wfile.write(head(handler, content))


def cut(after: int) -> Fault:
    def fault(handler: Handler, content: bytes) -> None:
        handler.wfile.write(head(handler, content)[:after])

    return fault


def stall(after: int) -> Fault:
    def fault(handler: Handler, content: bytes) -> None:
        handler.wfile.write(head(handler, content)[:after])
        handler.server.gate.wait(10)

    return fault


def trickle(handler: Handler, content: bytes) -> None:
    """Send a byte at a time."""
    for byte in head(handler, content):
        handler.wfile.write(bytes([byte]))
        time.sleep(0.03)


def status(code: int, **headers: str) -> Fault:
    def fault(handler: Handler, content: bytes) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return fault


def other(content: bytes) -> Fault:
    return lambda handler, _: well(handler, content)


def without_length(after: int | None = None) -> Fault:
    """Send no length, so that only the end of the connection tells where the file ends."""

    def fault(handler: Handler, content: bytes) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(content[:after])

    return fault


def changed(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


def tiny(name: str = NAME) -> artifact.Artifact:
    """Make an artefact whose network is noise: enough for all that is not predicting."""
    bundled = artifact.read(pretrained.fetch(pretrained.DEFAULT))
    noise = b"".join(hashlib.sha256(bytes([i % 256, i // 256])).digest() for i in range(SIZE // 32))
    training = {"corpora": [{"corpus": "mine", "licence": ""}, {"corpus": "x", "licence": "MIT"}]}
    return dataclasses.replace(
        bundled,
        name=name,
        onnx=noise,
        weights=b"weights",
        card="# Tiny\n\nKnows nothing. At all.\n",
        training=training,
    )


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as it would be on a server, with a registry."""
    root = tmp_path_factory.mktemp("published")
    artifact.write(tiny(), root / NAME)
    pretrained.write_registry(root / "registry.json", [root / NAME])
    return root


@pytest.fixture
def server(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The server, and an environment that points to it."""
    for name in ("REGISTRY", "BASE_URL", "CACHE", "OFFLINE"):
        monkeypatch.delenv(f"EMOTIONRECOG_{name}", raising=False)
    monkeypatch.setattr(download, "TIMEOUT", 5.0)
    monkeypatch.setattr(download, "BACKOFF", 0.001)
    with Server(published) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("EMOTIONRECOG_REGISTRY", str(published / "registry.json"))
        monkeypatch.setenv("EMOTIONRECOG_BASE_URL", server.url)
        monkeypatch.setenv("EMOTIONRECOG_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server
        server.gate.set()
        server.shutdown()
        thread.join()


def place() -> Path:
    return pretrained.cache() / NAME


def assert_whole() -> None:
    """The recogniser is in the cache, and nothing that was on the way to it."""
    assert pretrained.state(NAME) == "cached"
    assert artifact.read(place()) == tiny()
    assert sorted(path.name for path in place().iterdir()) == sorted(
        pretrained.catalogue()[NAME].files
    )
    assert list((place().parent / ".partial").iterdir()) == []


def assert_absent() -> None:
    assert not place().exists()
    assert pretrained.state(NAME) == "not fetched"


def parts() -> list[Path]:
    """Return what has arrived of files that are not complete."""
    return list((place().parent / ".partial" / NAME).glob("*.part"))


# Fetching ----------------------------------------------------------------------------------------


def test_recognizer_is_downloaded_once(server: Server) -> None:
    assert pretrained.available() == ("english-8", NAME)
    assert_absent()
    assert pretrained.fetch(NAME) == place()
    assert_whole()
    assert len(server.asked) == 4
    assert pretrained.fetch(NAME) == place()
    assert len(server.asked) == 4


def test_downloaded_recognizer_predicts(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = EmotionRecognizer()
    server.folder = tmp_path / "www"
    artifact.write(dataclasses.replace(bundled.artifact, name="english-9"), tmp_path / "www/e9")
    pretrained.write_registry(tmp_path / "r.json", [tmp_path / "www/e9"], base_url=server.url)
    (tmp_path / "www/e9").rename(tmp_path / "www/english-9")
    monkeypatch.setenv("EMOTIONRECOG_REGISTRY", str(tmp_path / "r.json"))
    monkeypatch.delenv("EMOTIONRECOG_BASE_URL")
    for recognizer in (
        EmotionRecognizer("english-9"),
        EmotionRecognizer.from_pretrained("english-9", offline=True),
        EmotionRecognizer.load("english-9"),
    ):
        assert recognizer.artifact.name == "english-9"
        assert recognizer.predict(CLIP) == bundled.predict(CLIP)


def test_mirror_replaces_the_server(
    server: Server, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = json.loads((published / "registry.json").read_text())
    registry["base_url"] = "http://127.0.0.1:9/nobody-listens"
    (tmp_path / "r.json").write_text(json.dumps(registry))
    monkeypatch.setenv("EMOTIONRECOG_REGISTRY", str(tmp_path / "r.json"))
    monkeypatch.setenv("EMOTIONRECOG_BASE_URL", f"{server.url}/mirror/")
    pretrained.fetch(NAME)
    assert_whole()
    assert {path.rpartition("/")[0] for path, _ in server.asked} == {f"/mirror/{NAME}"}


def test_slow_server_does_not_time_out(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """All bytes together take longer than the timeout, which is of each."""
    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    server.faults["MODEL_CARD.md"] = [trickle]
    start = time.monotonic()
    pretrained.fetch(NAME)
    assert time.monotonic() - start > 0.5
    assert_whole()
    assert server.asked_for("MODEL_CARD.md") == [None]


def test_download_resumes_after_a_cut(server: Server) -> None:
    server.faults[BIG] = [cut(FIRST), cut(0), status(503), cut(5 * download.CHUNK)]
    pretrained.fetch(NAME)
    assert_whole()
    assert server.asked_for(BIG) == [
        None,
        *[f"bytes={FIRST}-"] * 3,
        f"bytes={FIRST + 5 * download.CHUNK}-",
    ]


def test_attempts_do_not_run_out_while_new_data_comes(server: Server) -> None:
    n_cuts = 3 * download.ATTEMPTS
    server.faults[BIG] = [cut(download.CHUNK)] * n_cuts
    pretrained.fetch(NAME)
    assert_whole()
    assert server.asked_for(BIG)[-1] == f"bytes={n_cuts * download.CHUNK}-"


def test_download_resumes_after_an_earlier_one_failed(server: Server) -> None:
    server.faults[BIG] = [cut(FIRST), *[cut(0)] * 20]
    message = rf"gave up after 5 attempts .* new data\. {FIRST} of {SIZE} bytes are kept"
    with pytest.raises(DownloadError, match=message):
        pretrained.fetch(NAME)
    assert len(server.asked_for(BIG)) == 1 + download.ATTEMPTS - 1
    assert_absent()
    server.faults.clear()
    server.asked.clear()
    pretrained.fetch(NAME)
    assert_whole()
    assert server.asked_for(BIG) == [f"bytes={FIRST}-"]
    assert server.asked_for("MODEL_CARD.md") == []  # it was complete


def test_stalled_connection_times_out_and_the_download_resumes(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TIMEOUT", 0.3)
    server.faults[BIG] = [stall(FIRST)]
    pretrained.fetch(NAME)
    assert_whole()
    (_, again) = server.asked_for(BIG)
    # At most one chunk is lost to the timeout.
    assert again is not None
    assert FIRST - download.CHUNK <= int(again[len("bytes=") : -1]) <= FIRST


def test_silent_server_raises(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "ATTEMPTS", 2)
    monkeypatch.setattr(download, "TIMEOUT", 0.1)
    server.faults[BIG] = [lambda handler, _: handler.server.gate.wait(10) and None] * 2
    with pytest.raises(DownloadError, match=r"no data for 0\.1 s; gave up after 2 attempts"):
        pretrained.fetch(NAME)
    assert_absent()


def test_server_without_ranges_starts_over(server: Server) -> None:
    server.ranges = False
    server.faults[BIG] = [cut(FIRST)]
    pretrained.fetch(NAME)
    assert_whole()
    assert server.asked_for(BIG) == [None, f"bytes={FIRST}-"]


@pytest.mark.parametrize("range_", ["bytes 7-99999/100000", "nonsense"])
def test_wrong_range_is_discarded(server: Server, range_: str) -> None:
    server.faults[BIG] = [cut(FIRST), status(206, Content_Range=range_)]
    pretrained.fetch(NAME)
    assert_whole()
    assert server.asked_for(BIG) == [None, f"bytes={FIRST}-", None]


def test_server_without_content_length(server: Server) -> None:
    server.faults[BIG] = [without_length(FIRST), without_length(70_000), without_length()]
    pretrained.fetch(NAME)
    assert_whole()


def test_busy_server_is_asked_again_after_the_time_it_states(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(download, "BACKOFF", 0.5)
    monkeypatch.setattr(download.time, "sleep", waits.append)
    server.faults[BIG] = [status(503), status(503, Retry_After="7"), status(429), status(502)]
    pretrained.fetch(NAME)
    assert_whole()
    assert waits == [0.5, 7.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        ("3600", download.LONGEST_WAIT),
        ("9" * 5000, 0.5),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.5),
        ("Fri, 21 Oct 2199 07:28:00 GMT", download.LONGEST_WAIT),
        ("soon", 0.5),
    ],
)
def test_wait_that_a_server_asks_for_has_limits(
    server: Server, monkeypatch: pytest.MonkeyPatch, retry_after: str, wait: float
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(download, "BACKOFF", 0.5)
    monkeypatch.setattr(download.time, "sleep", waits.append)
    server.faults[BIG] = [status(503, Retry_After=retry_after)]
    pretrained.fetch(NAME)
    assert_whole()
    assert waits == [wait]


def test_busy_server_raises_in_the_end(server: Server) -> None:
    server.faults[BIG] = [status(503)] * 9
    with pytest.raises(DownloadError, match=r"model\.onnx: .* 503 Service Unavailable; gave up"):
        pretrained.fetch(NAME)
    assert len(server.asked_for(BIG)) == download.ATTEMPTS
    assert_absent()


def test_redirect_is_followed(server: Server) -> None:
    server.faults[BIG] = [status(302, Location=f"/mirror/{NAME}/{BIG}"), cut(FIRST)]
    pretrained.fetch(NAME)
    assert_whole()
    assert [path for path, _ in server.asked if path.endswith(BIG)][1].startswith("/mirror")


def test_endless_redirect_is_an_error(server: Server) -> None:
    server.faults[BIG] = [status(302, Location=f"/{NAME}/{BIG}")] * 50
    with pytest.raises(DownloadError, match="Exceeded 30 redirects"):
        pretrained.fetch(NAME)


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_missing_file_is_requested_once(server: Server, code: int) -> None:
    server.faults[BIG] = [status(code)]
    with pytest.raises(DownloadError, match=rf"model\.onnx: expected a file, .* {code} .* check"):
        pretrained.fetch(NAME)
    assert len(server.asked_for(BIG)) == 1
    assert_absent()


def test_wrong_content_never_reaches_the_cache(server: Server, published: Path) -> None:
    content = (published / NAME / BIG).read_bytes()
    expected = hashlib.sha256(content).hexdigest()
    found = hashlib.sha256(changed(content)).hexdigest()
    server.faults[BIG] = [other(changed(content))] * 3
    with pytest.raises(DownloadError, match=rf"model\.onnx: .*{expected}.*{found}.* ask whoever"):
        pretrained.fetch(NAME)
    assert len(server.asked_for(BIG)) == 1
    assert_absent()
    assert parts() == []
    server.faults.clear()
    pretrained.fetch(NAME)
    assert_whole()


def test_damaged_partial_download_is_downloaded_again(server: Server, published: Path) -> None:
    """As the first half of it may be after the power failed."""
    content = (published / NAME / BIG).read_bytes()
    server.faults[BIG] = [lambda h, c: h.wfile.write(head(h, changed(c))[:FIRST]), status(404)]
    with pytest.raises(DownloadError):
        pretrained.fetch(NAME)
    (part,) = parts()
    assert part.read_bytes() == changed(content)[:FIRST]
    pretrained.fetch(NAME)
    assert_whole()
    assert server.asked_for(BIG)[2:] == [f"bytes={FIRST}-", None]


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(b"<html>Log in</html>", id="shorter"),
        pytest.param(b"x" * (SIZE + 1), id="longer"),
    ],
)
def test_content_of_another_size_raises_at_once(server: Server, page: bytes) -> None:
    server.faults[BIG] = [other(page)]
    message = rf"expected {SIZE} bytes, and the server offers {len(page)}; nothing"
    with pytest.raises(DownloadError, match=message):
        pretrained.fetch(NAME)
    assert len(server.asked_for(BIG)) == 1
    assert parts() == []


def test_endless_content_raises(server: Server) -> None:
    def endless(handler: Handler, content: bytes) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(content)

    server.faults[BIG] = [endless]
    with pytest.raises(DownloadError, match=rf"expected {SIZE} bytes, and the server offers more"):
        pretrained.fetch(NAME)
    assert parts() == []


def test_content_that_always_ends_too_early_raises(server: Server) -> None:
    """A server whose file is shorter, and which never says how long it is."""
    server.ranges = False
    server.faults[BIG] = [without_length(70_000)] * 50
    with pytest.raises(DownloadError, match="ended after 70000 of 100000 bytes; gave up"):
        pretrained.fetch(NAME)
    assert len(server.asked_for(BIG)) == download.ATTEMPTS


def test_unreachable_server_raises(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    monkeypatch.setenv("EMOTIONRECOG_BASE_URL", f"http://user:secret@127.0.0.1:{free_port}/x")
    with pytest.raises(DownloadError, match=r"gave up after 5 attempts .* a mirror in") as caught:
        pretrained.fetch(NAME)
    assert f"http://127.0.0.1:{free_port}/x/{NAME}/MODEL_CARD.md" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is not None


@pytest.fixture
def free_port() -> int:
    """A port on which nobody listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return server.server_port


@pytest.mark.parametrize("url", ["ftp://user:secret@example.org", "/srv/models", "file:///srv"])
def test_only_http_and_https_are_supported(
    server: Server, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("EMOTIONRECOG_BASE_URL", url)
    with pytest.raises(DownloadError, match="expected a URL with http:// or https://") as caught:
        pretrained.fetch(NAME)
    assert "secret" not in str(caught.value)


def test_missing_address_raises(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMOTIONRECOG_BASE_URL")
    with pytest.raises(DownloadError, match="recogniser 'tiny-8' has no address to download it"):
        pretrained.fetch(NAME)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    faults=st.lists(
        st.one_of(
            st.builds(cut, st.integers(0, SIZE)),
            st.builds(without_length, st.integers(0, SIZE)),
            st.builds(status, st.sampled_from([200, 206, 404, 416, 429, 500, 503])),
            st.builds(other, st.sampled_from([b"", b"x" * SIZE, b"x" * (SIZE + 1)])),
        ),
        max_size=8,
    ),
    ranges=st.booleans(),
)
def test_any_server_gives_a_complete_recognizer_or_an_error(
    server: Server, faults: list[Fault], ranges: bool
) -> None:
    shutil.rmtree(pretrained.cache(), ignore_errors=True)
    server.ranges = ranges
    server.faults[BIG] = list(faults)
    try:
        pretrained.fetch(NAME)
    except DownloadError:
        assert_absent()
    server.faults.clear()
    pretrained.fetch(NAME)
    assert_whole()


# Disk and processes ------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_raises_and_leaves_nothing(server: Server) -> None:
    file = pretrained.catalogue()[NAME].files[BIG]
    beside = place().parent / ".partial" / NAME
    beside.mkdir(parents=True)
    (beside / f"{BIG}.{file.sha256[:16]}.part").symlink_to("/dev/full")
    with pytest.raises(DownloadError, match=r"needs 1\d+ bytes .*No space left .* make room"):
        pretrained.fetch(NAME)
    assert not beside.exists()
    assert_absent()
    pretrained.fetch(NAME)
    assert_whole()


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Be a user whom permissions bind."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs permissions of POSIX")
def test_read_only_cache_is_read_and_not_written(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as root:
        monkeypatch.setenv("EMOTIONRECOG_CACHE", root)
        pretrained.cache().mkdir()
        monkeypatch.setenv(
            "EMOTIONRECOG_REGISTRY",
            shutil.copy(os.environ["EMOTIONRECOG_REGISTRY"], f"{root}/registry.json"),
        )
        folders = [Path(root), pretrained.cache()]
        for folder in folders:
            folder.chmod(0o555)
        with unprivileged():
            message = "cannot be written to .*Permission denied; name a writable folder in EMOTION"
            with pytest.raises(DownloadError, match=message):
                pretrained.fetch(NAME)
        for folder in folders:
            folder.chmod(0o755)
        pretrained.fetch(NAME)
        for folder in [*folders, place()]:
            folder.chmod(0o555)
        n_asked = len(server.asked)
        with unprivileged():
            assert pretrained.fetch(NAME) == place()
            pretrained.verify(NAME)
            assert len(server.asked) == n_asked
            with pytest.raises(OSError, match="Permission denied"):
                pretrained.remove(NAME)
        for folder in [*folders, place()]:
            folder.chmod(0o755)


FETCH = f"from emotionrecog import pretrained; print(pretrained.fetch({NAME!r}))"


@pytest.mark.slow
def test_two_processes_download_at_once(server: Server) -> None:
    """The first to come is held up until both are there; the other finds its work done."""
    server.faults[BIG] = [stall(FIRST)]
    command = [sys.executable, "-c", FETCH]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    wait_until(lambda: len(server.asked_for(BIG)) == 1)
    time.sleep(0.5)
    server.gate.set()
    for process in both:
        out, err = process.communicate(timeout=20)
        assert process.returncode == 0, err
        assert out.strip() == str(place())
        assert err == ""
    assert_whole()
    assert len(server.asked_for("MODEL_CARD.md")) == 1


def test_many_threads_download_at_once(server: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(pretrained.fetch, [NAME] * 8)) == {place()}
    assert_whole()
    assert len(server.asked) == 4


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_download_resumes_after_the_process_was_killed(server: Server) -> None:
    server.faults[BIG] = [stall(FIRST)]
    with subprocess.Popen([sys.executable, "-c", FETCH]) as process:
        enough = FIRST - download.CHUNK
        wait_until(lambda: any(part.stat().st_size >= enough for part in parts()))
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert_absent()
    (kept,) = parts()
    n_kept = kept.stat().st_size
    assert enough <= n_kept <= FIRST
    pretrained.fetch(NAME)
    assert_whole()
    assert server.asked_for(BIG) == [None, f"bytes={n_kept}-"]
    assert len(server.asked_for("MODEL_CARD.md")) == 1


def test_interrupt_keeps_the_received_part(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    server.faults[BIG] = [cut(FIRST)]
    with monkeypatch.context() as patch:
        patch.setattr(download.time, "sleep", interrupt)
        with pytest.raises(KeyboardInterrupt):
            pretrained.fetch(NAME)
    assert_absent()
    pretrained.fetch(NAME)
    assert_whole()
    assert server.asked_for(BIG) == [None, f"bytes={FIRST}-"]


# Damage after fetching ---------------------------------------------------------------------------


def flip(path: Path) -> None:
    path.write_bytes(changed(path.read_bytes()))


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [flip, empty, Path.unlink])
def test_damaged_recognizer_is_never_used(
    server: Server, damage: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pretrained.fetch(NAME)
    damage(place() / BIG)
    assert pretrained.state(NAME) == "damaged"
    with pytest.raises(ModelError, match=rf"damaged: model\.onnx .* weights fetch {NAME}` again"):
        pretrained.verify(NAME)
    with pytest.raises(DownloadError, match=r"not complete in .*\(model\.onnx .*offline"):
        pretrained.fetch(NAME, offline=True)
    server.faults[BIG] = [status(404)]
    with pytest.raises(DownloadError):
        pretrained.fetch(NAME)
    server.asked.clear()
    pretrained.fetch(NAME)
    assert_whole()
    assert len(server.asked_for(BIG)) == 1


def test_changed_registry_downloads_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.faults["recognizer.json"] = [cut(100), status(404)]
    with pytest.raises(DownloadError):
        pretrained.fetch(NAME)
    new = dataclasses.replace(tiny(), minimum_duration=0.5)
    server.folder = tmp_path / "www"
    artifact.write(new, tmp_path / "www" / NAME)
    pretrained.write_registry(tmp_path / "r.json", [tmp_path / "www" / NAME])
    monkeypatch.setenv("EMOTIONRECOG_REGISTRY", str(tmp_path / "r.json"))
    assert artifact.read(pretrained.fetch(NAME)) == new
    assert list((place().parent / ".partial").iterdir()) == []


def test_downloaded_files_that_are_no_recognizer_do_not_appear(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.folder = tmp_path / "www"
    shutil.copytree(os.environ["EMOTIONRECOG_REGISTRY"].rpartition("/")[0], server.folder)
    manifest = server.folder / NAME / artifact.MANIFEST
    text = re.sub(r'"format_version": \d+', '"format_version": 99', manifest.read_text())
    manifest.write_text(text)
    registry = json.loads((server.folder / "registry.json").read_text())
    registry["recognizers"][NAME]["files"][artifact.MANIFEST] = {
        "sha256": hashlib.sha256(manifest.read_bytes()).hexdigest(),
        "size": manifest.stat().st_size,
    }
    (tmp_path / "r.json").write_text(json.dumps(registry))
    monkeypatch.setenv("EMOTIONRECOG_REGISTRY", str(tmp_path / "r.json"))
    with pytest.raises(ModelError, match="format 99 is newer"):
        pretrained.fetch(NAME)
    assert_absent()


# Offline, verifying, removing --------------------------------------------------------------------


@pytest.mark.parametrize("value", ["1", "true", "yes"])
def test_offline_makes_no_request_and_reports_missing_files(
    server: Server, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("EMOTIONRECOG_OFFLINE", value)
    message = rf"model\.onnx of {SIZE} bytes is missing.*offline\. Run `.* weights fetch {NAME}`"
    with pytest.raises(DownloadError, match=message):
        EmotionRecognizer(NAME)
    with pytest.raises(DownloadError, match="offline"):
        EmotionRecognizer.load(NAME)
    assert server.asked == []
    pretrained.fetch(NAME, offline=False)  # the argument has the last word
    assert pretrained.fetch(NAME) == place()
    pretrained.verify(NAME)


@pytest.mark.parametrize("value", ["", "0", "false", "No"])
def test_offline_can_be_overridden(
    server: Server, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("EMOTIONRECOG_OFFLINE", value)
    pretrained.fetch(NAME)
    assert_whole()


def test_verify_without_a_download_raises(server: Server) -> None:
    with pytest.raises(
        ModelError, match=f"not in the cache; run `emotionrecog weights fetch {NAME}`"
    ):
        pretrained.verify(NAME)
    assert server.asked == []


def test_remove(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    pretrained.fetch(NAME)
    monkeypatch.delenv("EMOTIONRECOG_REGISTRY")  # it need not be known any more
    pretrained.remove(NAME)
    assert not place().exists()
    assert list((place().parent / ".partial").iterdir()) == []
    with pytest.raises(ModelError, match="not in the cache"):
        pretrained.remove(NAME)


def test_remove_deletes_unfinished_downloads(server: Server) -> None:
    server.faults[BIG] = [cut(FIRST), status(404)]
    with pytest.raises(DownloadError):
        pretrained.fetch(NAME)
    pretrained.remove(NAME)
    assert list((place().parent / ".partial").iterdir()) == []


def test_remove_keeps_bundled_recognizers(server: Server) -> None:
    with pytest.raises(ModelError, match="is part of the package and cannot be removed"):
        pretrained.remove("english-8")
    assert pretrained.fetch("english-8").is_dir()


@pytest.mark.parametrize("name", ["", ".", "..", "../victim", "/victim", ".locks", ".partial"])
def test_remove_never_leaves_the_cache(server: Server, name: str) -> None:
    pretrained.fetch(NAME)
    victim = pretrained.cache().parent / "victim"
    victim.mkdir()
    with pytest.raises(ModelError, match="not in the cache"):
        pretrained.remove(name)
    assert victim.is_dir()
    assert_whole()


def test_cache_is_the_system_s_unless_the_environment_names_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EMOTIONRECOG_CACHE", "~/voices")
    assert pretrained.cache() == Path.home() / "voices" / "recognizers"
    monkeypatch.delenv("EMOTIONRECOG_CACHE")
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert pretrained.cache() == tmp_path / "emotionrecog" / "recognizers"


# Registries --------------------------------------------------------------------------------------


def test_registry_agrees_with_the_artefact(published: Path) -> None:
    weights = pretrained.read_registry(published / "registry.json")[NAME]
    assert weights == pretrained.describe(published / NAME)
    assert weights.description == "Knows nothing"
    assert weights.licences == {"mine": "not stated", "x": "MIT"}
    for name, file in weights.files.items():
        content = (published / NAME / name).read_bytes()
        assert (file.size, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        assert file.url == f"{NAME}/{name}"
    assert weights.size == sum(path.stat().st_size for path in (published / NAME).iterdir())


def test_registry_with_a_duplicate_name_is_not_written(published: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"two recognisers are called '{NAME}'"):
        pretrained.write_registry(tmp_path / "r.json", [published / NAME] * 2)
    artifact.write(tiny("../climber"), tmp_path / "climber")
    with pytest.raises(ValueError, match=r"'\.\./climber' is not a valid name"):
        pretrained.write_registry(tmp_path / "r.json", [tmp_path / "climber"])
    assert not (tmp_path / "r.json").exists()


def test_files_may_have_urls_of_their_own(
    server: Server, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.folder = tmp_path / "flat"
    server.folder.mkdir()
    registry = json.loads((published / "registry.json").read_text())
    for name, file in registry["recognizers"][NAME]["files"].items():
        file["url"] = f"{NAME}--{name}"
        shutil.copy(published / NAME / name, server.folder / file["url"])
    (tmp_path / "r.json").write_text(json.dumps(registry))
    monkeypatch.setenv("EMOTIONRECOG_REGISTRY", str(tmp_path / "r.json"))
    pretrained.fetch(NAME)
    assert_whole()
    assert pretrained.catalogue()[NAME].to_dict() == registry["recognizers"][NAME]


def test_registry_cannot_replace_a_bundled_recognizer(
    server: Server, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = json.loads((published / "registry.json").read_text())
    registry["recognizers"]["english-8"] = registry["recognizers"].pop(NAME)
    (tmp_path / "r.json").write_text(json.dumps(registry))
    monkeypatch.setenv("EMOTIONRECOG_REGISTRY", str(tmp_path / "r.json"))
    assert pretrained.available() == ("english-8",)
    pretrained.verify("english-8")
    assert server.asked == []


def with_file(name: str, **changes: Any) -> dict[str, Any]:
    file = {"sha256": "0" * 64, "size": 1, **changes}
    return {"files": {"recognizer.json": {"sha256": "0" * 64, "size": 1}, name: file}}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("../x", {}, r"'\.\./x' is not a valid name"),
        (".hidden", {}, "is not a valid name"),
        ("a/b", {}, "is not a valid name"),
        ("a\\b", {}, "is not a valid name"),
        ("C:x", {}, "is not a valid name"),
        ("x" * 101, {}, "is not a valid name"),
        ("x\n", {}, "is not a valid name"),
        (
            "x",
            with_file("../x"),
            r"a file of x would lie outside its folder: '\.\./x' is not a valid name",
        ),
        ("x", with_file("/etc/passwd"), "would lie outside its folder"),
        ("x", with_file("..\\x"), "would lie outside its folder"),
        ("x", with_file(".."), "would lie outside its folder"),
        ("x", with_file("m", sha256="0" * 63), "must be 64 hexadecimal digits"),
        ("x", with_file("m", sha256=0), "must be one line of text, found 0"),
        ("x", with_file("m", size=-1), "must be a number of bytes, found -1"),
        ("x", with_file("m", size=True), "must be a number of bytes, found True"),
        ("x", with_file("m", url="http://example.org/m"), "must be a path below `base_url`"),
        ("x", with_file("m", url="//example.org/m"), "must be a path below `base_url`"),
        ("x", with_file("m", url="/m"), "must be a path below `base_url`"),
        ("x", with_file("m", url="../../m"), "must be a path below `base_url`"),
        ("x", {"files": {}}, r"must contain recognizer\.json, found \[\]"),
        ("x", {"files": []}, "must be a JSON object"),
        ("x", {"licences": None}, "must be a JSON object"),
        ("x", {"licences": {"ravdess": 1}}, "must be one line of text"),
        ("x", {"description": "\x1b[2J"}, "must be one line of text"),
    ],
)
def test_invalid_registry_raises(
    name: str, change: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {"description": "", "licences": {}, **with_file("m"), **change}
    path = tmp_path / "registry.json"
    path.write_text(json.dumps({"format_version": 1, "recognizers": {name: entry}}))
    with pytest.raises(DownloadError, match=message):
        pretrained.read_registry(path)
    # It does not get in the way of those that come with the package.
    monkeypatch.setenv("EMOTIONRECOG_REGISTRY", str(path))
    assert pretrained.fetch(pretrained.DEFAULT).is_dir()
    with pytest.raises(DownloadError, match=message):
        pretrained.available()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not a registry"),
        ("[]", "must be a JSON object"),
        ("[" * 100_000, "is not a registry"),
        ("{}", "expected a positive whole number as `format_version`, found None"),
        ('{"format_version": 0}', "found 0"),
        ('{"format_version": 2}', r"json': format 2 is newer .* Upgrade: pip install"),
        ('{"format_version": 1}', "`recognizers` must be a JSON object"),
        ('{"format_version": 1, "base_url": 5, "recognizers": {}}', "`base_url` must be one line"),
    ],
)
def test_damaged_registry_raises(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    path.write_text(content)
    with pytest.raises(DownloadError, match=message):
        pretrained.read_registry(path)


def test_missing_registry_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTIONRECOG_REGISTRY", str(tmp_path / "nowhere.json"))
    with pytest.raises(DownloadError, match=r"nowhere\.json'.* or unset it"):
        pretrained.catalogue()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_registry_is_read_or_raises(data: st.DataObject, tmp_path_factory: Any) -> None:
    """Whatever stands in the place of any of its values, and under whatever name."""
    root = json.loads((pretrained._BUNDLED / "registry.json").read_text())
    node = root
    while True:
        key = data.draw(st.sampled_from(sorted(node)))
        if not isinstance(node[key], dict) or not data.draw(st.booleans()):
            break
        node = node[key]
    value = node.pop(key)
    if data.draw(st.booleans()):
        node[key] = data.draw(JSON)
    else:
        node[data.draw(st.text(max_size=9))] = value
    path = tmp_path_factory.getbasetemp() / "fuzzed.json"
    path.write_text(json.dumps(root))
    with contextlib.suppress(DownloadError):
        for weights in pretrained.read_registry(path).values():
            for name in [weights.name, *weights.files]:
                assert Path(name).name == name
                assert (path.parent / name).resolve().parent == path.parent.resolve()


# What is seen of it ------------------------------------------------------------------------------


def test_terminal_shows_a_progress_bar(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(download, "BACKOFF", 0.2)  # a bar is not drawn more often than it is seen
    server.faults[BIG] = [cut(FIRST)]
    pretrained.fetch(NAME)
    assert re.search(rf"\r{NAME}: +[3-9]\d%", terminal.getvalue())


def test_nothing_is_printed_elsewhere(
    server: Server, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    server.faults[BIG] = [cut(FIRST)]
    with caplog.at_level(logging.INFO, "emotionrecog"):
        pretrained.fetch(NAME)
    assert capfd.readouterr() == ("", "")
    first, second = (record.getMessage() for record in caplog.records)
    assert re.match(rf"downloading {NAME}, 0\.1 MB, from {server.url}; licences .* x: MIT$", first)
    assert re.search(r"model\.onnx: .*; trying again in 0\.001 s$", second)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run ``emotionrecog weights`` and return its status and what it wrote."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = cli.main(["weights", *arguments])
        return status, *capsys.readouterr()

    return run


Run = Callable[..., tuple[int, str, str]]


def test_command_lists_with_licences(server: Server, run: Run) -> None:
    status, out, err = run("list")
    assert (status, err) == (0, "")
    head, bundled, tiny_, _, _, *licences = out.splitlines()
    assert head.split() == ["name", "state", "size", "description"]
    assert bundled.split()[:3] == ["english-8", "bundled", "7.8"]
    assert re.split(r"  +", tiny_) == [NAME, "not fetched", "0.1 MB", "Knows nothing"]
    told = dict(line.strip().split(": ", 1) for line in licences)
    assert told[NAME] == "mine: not stated; x: MIT"
    for name in ("ravdess", "crema_d", "savee", "tess"):
        assert f"{name}: {CORPORA[name].licence}" in told["english-8"]
    assert server.asked == []


def test_command_lists_as_json(server: Server, run: Run) -> None:
    pretrained.fetch(NAME)
    status, out, _ = run("list", "--format", "json")
    bundled, tiny_ = map(json.loads, out.splitlines())
    assert status == 0
    assert (bundled["name"], bundled["state"]) == ("english-8", "bundled")
    assert (tiny_["name"], tiny_["state"]) == (NAME, "cached")
    assert tiny_["licences"] == {"mine": "not stated", "x": "MIT"}
    assert tiny_["size"] == sum(file["size"] for file in tiny_["files"].values())


def test_command_fetches_verifies_and_removes(server: Server, run: Run) -> None:
    status, out, err = run("path", NAME)
    assert (status, out) == (2, "")
    assert f"emotionrecog weights fetch {NAME}" in err
    assert server.asked == []

    assert run("fetch", NAME, "english-8")[:2] == (
        0,
        f"{NAME}: {place()}\nenglish-8: {pretrained.fetch('english-8')}\n",
    )
    assert run("path", NAME) == (0, f"{place()}\n", "")
    assert run("verify") == (
        0,
        f"english-8: complete and undamaged\n{NAME}: complete and undamaged\n",
        "",
    )

    flip(place() / BIG)
    status, out, err = run("verify")
    assert (status, out) == (1, "english-8: complete and undamaged\n")
    assert "damaged: model.onnx has SHA-256" in err

    status, out, err = run("remove", "english-8", NAME)
    assert (status, out) == (1, f"{NAME}: removed\n")
    assert "is part of the package and cannot be removed" in err
    assert not place().exists()
    assert run("verify") == (0, "english-8: complete and undamaged\n", "")
    assert run("verify", NAME)[0] == 1


def test_command_reports_why_a_download_failed(server: Server, run: Run) -> None:
    server.faults[BIG] = [status(404)]
    status_, out, err = run("fetch", NAME, "klingon-8", "english-8")
    assert (status_, out) == (1, f"english-8: {pretrained.fetch('english-8')}\n")
    assert "404 Not Found" in err
    assert "no recogniser is called 'klingon-8'" in err
