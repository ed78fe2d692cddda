"""Fetching files over HTTP so that a cut connection costs only what had not arrived.

What has arrived of a file lies in ``FILE.HASH.part`` until it is complete, across attempts,
interrupts and killed processes; pooch compares the hash and puts the file into its place.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import time
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from emotionrecog.errors import DownloadError
from emotionrecog.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from emotionrecog.pretrained.registry import File

__all__ = ["download", "locked"]

# Seconds without an answer, or without a byte of it, after which an attempt has failed.
TIMEOUT = 30.0

# Attempts in a row that bring nothing new; seconds before the second of them, and twice as many
# before each further one, unless the server asks for more.
ATTEMPTS = 5
BACKOFF = 0.5
LONGEST_WAIT = 60.0

# Bytes. What has come of a chunk is lost when the connection is, so that chunks are small.
CHUNK = 4096

# Answers that may be others in a moment.
_BUSY = {408, 425, 429, 500, 502, 503, 504}

_logger = logging.getLogger("emotionrecog")


def download(files: Mapping[str, File], base_url: str, folder: Path, title: str) -> None:
    """Bring files into a folder, each as soon as it is complete and its hash is right.

    Files that are there and right are not fetched again. A terminal sees a progress bar.

    Parameters
    ----------
    files
        What they must be, by name.
    base_url
        Where they are.
    folder
        Where to. What has arrived of a file lies beside it.
    title
        Of the progress bar.

    Raises
    ------
    DownloadError
        If the server has not what is wanted, or cannot be reached.
    OSError
        If it cannot be written down.
    """
    if urlsplit(base_url).scheme not in ("http", "https"):
        raise DownloadError(
            f"expected a URL with http:// or https://, found {shown(base_url)!r}; correct "
            "EMOTIONRECOG_BASE_URL or `base_url` of the registry"
        )
    import pooch
    from tqdm import tqdm

    store = pooch.Pooch(
        path=folder,
        base_url="",
        registry={name: f"sha256:{file.sha256}" for name, file in files.items()},
        urls={name: f"{base_url.rstrip('/')}/{file.url}" for name, file in files.items()},
    )
    total = sum(file.size for file in files.values())
    with (
        _quiet(pooch.get_logger()),
        tqdm(
            desc=title,
            total=total,
            unit="B",
            unit_scale=True,
            disable=None,  # where standard error is no terminal
            leave=False,
            dynamic_ncols=True,
        ) as bar,
    ):
        arrived = 0
        for name, file in files.items():
            part = folder.parent / f"{name}.{file.sha256[:16]}.part"
            transfer = _Transfer(part, file.size, bar, arrived)
            try:
                store.fetch(name, downloader=transfer)
            except ValueError as error:  # the hash is another
                if not transfer.resumed:
                    raise _wrong(store.get_url(name), error) from error
                _logger.info("%s: what was kept of it was damaged; fetching it anew", name)
                try:
                    store.fetch(name, downloader=transfer)
                except ValueError as again:
                    raise _wrong(store.get_url(name), again) from again
            arrived += file.size
            _show(bar, arrived)


def _wrong(url: str, error: ValueError) -> DownloadError:
    return DownloadError(
        f"{shown(url)}: {str(error).partition(' Deleted')[0].rstrip('.')}; it was deleted. The "
        "server or the registry is out of date, or something on the way changes what it passes "
        "on: ask whoever gave you the registry, or name a mirror in EMOTIONRECOG_BASE_URL"
    )


class _Again(Exception):
    """An attempt failed, and another may not."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class _Transfer:
    """Fetches one file for pooch, and goes on where an earlier attempt ended."""

    def __init__(self, part: Path, size: int, bar: Any, before: int) -> None:
        self.resumed = False
        self._part, self._size = part, size
        self._bar, self._before = bar, before

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Fetch `url` to `output_file`."""
        import requests

        most = self._arrived()
        self.resumed = most > 0
        failures = 0
        while True:
            wait = 0.0
            try:
                self._receive(url)
                break
            except requests.exceptions.SSLError as error:
                raise DownloadError(
                    f"{shown(url)}: the server's certificate is not trusted: {error}"
                ) from error
            except _Again as error:
                failure: Exception = error
                reason, wait = str(error), error.wait
            except (
                requests.exceptions.ConnectionError,  # a timeout while reading among them
                requests.exceptions.Timeout,
                requests.exceptions.ChunkedEncodingError,
            ) as error:
                failure = error
                timed_out = "timed out" in str(error)
                reason = f"nothing came for {TIMEOUT:g} s" if timed_out else str(error)
            except requests.exceptions.RequestException as error:
                reason = str(error).replace(url, shown(url))
                raise DownloadError(f"{shown(url)}: cannot be fetched: {reason}") from error
            arrived = self._arrived()
            failures = 1 if arrived > most else failures + 1
            most = max(most, arrived)
            if failures >= ATTEMPTS:
                raise DownloadError(
                    f"{shown(url)}: {reason}; gave up after {failures} attempts in a row that "
                    f"brought nothing new. {arrived} of {self._size} bytes are kept, and fetching "
                    "again goes on from there; if the server is out of reach, name a mirror in "
                    "EMOTIONRECOG_BASE_URL"
                ) from failure
            wait = max(wait, BACKOFF * 2 ** (failures - 1))
            _logger.info("%s: %s; trying again in %g s", shown(url), reason, wait)
            time.sleep(wait)
        self._part.replace(output_file)

    def _arrived(self) -> int:
        try:
            return self._part.stat().st_size
        except FileNotFoundError:
            return 0

    def _receive(self, url: str) -> None:
        """Make one request, and append what comes to what is there."""
        import requests

        arrived = self._arrived()
        if arrived > self._size:
            self._part.unlink()
            arrived = 0
        if arrived == self._size > 0:
            return
        # Coded content could not be gone on with in its middle.
        headers = {"Accept-Encoding": "identity", "User-Agent": f"emotionrecog/{__version__}"}
        if arrived:
            headers["Range"] = f"bytes={arrived}-"
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            position = self._start(response, url, arrived)
            with self._part.open("ab", buffering=0) as file:
                if position < arrived:
                    file.truncate(position)
                for chunk in response.iter_content(CHUNK):
                    _write(file, chunk)
                    position += len(chunk)
                    if position > self._size:
                        break
                    _show(self._bar, self._before + position)
        if position > self._size:
            self._part.unlink()
            raise self._other_size(url, "more")
        if position < self._size:
            raise _Again(f"the connection ended after {position} of {self._size} bytes")

    def _start(self, response: Any, url: str, arrived: int) -> int:
        """Return where in the file the answer begins, once it is one that can be used."""
        status = response.status_code
        if status in _BUSY:
            asked = response.headers.get("Retry-After", "")
            wait = min(float(asked), LONGEST_WAIT) if asked.isdecimal() else 0.0
            raise _Again(f"the server answered {_status(status)}", wait)
        if arrived and status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            self._part.unlink()
            raise _Again("the server has less than what is kept")
        if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            raise DownloadError(
                f"{shown(url)}: expected a file, and the server answered {_status(status)}; check "
                "EMOTIONRECOG_BASE_URL and whether the registry is out of date"
            )
        start, offered = 0, response.headers.get("Content-Length", "")
        if status == HTTPStatus.PARTIAL_CONTENT:
            found = re.match(r"bytes (\d+)-\d*/(\d+|\*)", response.headers.get("Content-Range", ""))
            if not found or int(found[1]) != arrived:
                self._part.unlink(missing_ok=True)
                raise _Again("the server sent another part of the file than was asked for")
            start, offered = arrived, found[2]
        coded = response.headers.get("Content-Encoding", "identity") != "identity"
        if offered.isdecimal() and int(offered) != self._size and not coded:
            self._part.unlink(missing_ok=True)
            raise self._other_size(url, offered)
        return start

    def _other_size(self, url: str, found: str) -> DownloadError:
        return DownloadError(
            f"{shown(url)}: expected {self._size} bytes, and the server offers {found}; nothing of "
            "it was kept. Perhaps it is a page for people, such as that of a login, or the "
            "registry is out of date"
        )


def _write(file: IO[bytes], chunk: bytes) -> None:
    """Write all of it: a disk that is nearly full takes a part without complaint."""
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]


def _show(bar: Any, position: int) -> None:
    bar.update(position - bar.n)


def _status(code: int) -> str:
    with contextlib.suppress(ValueError):
        return f"{code} {HTTPStatus(code).phrase}"
    return str(code)


def shown(url: str) -> str:
    """Return a URL without the password that it may hold."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


@contextlib.contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Keep pooch, which logs to standard error by itself, from telling that it fetches."""

    def serious(record: logging.LogRecord) -> bool:
        return record.levelno > logging.INFO

    logger.addFilter(serious)
    try:
        yield
    finally:
        logger.removeFilter(serious)


# --- one at a time ------------------------------------------------------------------------------


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that a file stands for; wait until no other process or thread does.

    The system frees the lock of a process that ends, however it ends. The file stays: to delete it
    would let two in that hold different files of the same name.
    """
    with path.open("ab") as file:
        if not _lock(file):
            _logger.info("%s: waiting for another process that is at it", path.name)
            while not _lock(file):
                time.sleep(0.1)
        try:
            yield
        finally:
            _unlock(file)


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> bool:
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def _unlock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
