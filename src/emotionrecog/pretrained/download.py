"""Download files over HTTP, and resume where a connection was cut.

The received part of a file is kept as ``FILE.HASH.part`` until the file is complete, across
attempts, interrupts and killed processes; pooch verifies the hash and moves the file into place.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from emotionrecog.errors import DownloadError
from emotionrecog.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from urllib3.util import Retry

    from emotionrecog.pretrained.registry import File

__all__ = ["download", "shown"]

# Seconds without an answer, or without a byte of it, after which an attempt has failed.
TIMEOUT = 30.0

# Attempts in a row without a new byte after which a download has failed. In s: the wait before the
# second of them, twice as long before each further one unless the server asks for more, and the
# longest wait.
ATTEMPTS = 5
BACKOFF = 0.5
LONGEST_WAIT = 60.0

# In bytes. An incomplete chunk is lost when the connection is cut, so chunks are small.
CHUNK = 4096

# Answers of servers that are busy for the moment.
_BUSY = {408, 425, 429, 500, 502, 503, 504}

_logger = logging.getLogger("emotionrecog")


def download(files: Mapping[str, File], base_url: str, folder: Path, title: str) -> None:
    """Download files to a folder, each as soon as it is complete and its hash is right.

    Files that are present and intact are not downloaded again. On a terminal, a progress bar is
    shown.

    Parameters
    ----------
    files
        The expected files, by name.
    base_url
        The address that the address of each file is relative to.
    folder
        The target folder. Incomplete files are kept beside it.
    title
        Label of the progress bar.

    Raises
    ------
    DownloadError
        If the server does not have the expected files, or cannot be reached.
    OSError
        If the files cannot be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> download({}, "ftp://example.org", Path("weights"), "mine")
    Traceback (most recent call last):
    emotionrecog.errors.DownloadError: expected a URL with http:// or https://, found ...
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
            except ValueError as error:  # the hash is wrong
                if not transfer.resumed:
                    raise _wrong(store.get_url(name), error) from error
                _logger.info(
                    "%s: the part kept from an earlier attempt was damaged; downloading it again",
                    name,
                )
                try:
                    store.fetch(name, downloader=transfer)
                except ValueError as again:
                    raise _wrong(store.get_url(name), again) from again
            arrived += file.size
            _show(bar, arrived)


def _wrong(url: str, error: ValueError) -> DownloadError:
    return DownloadError(
        f"{shown(url)}: {str(error).partition(' Deleted')[0].rstrip('.')}; it was deleted. The "
        "server or the registry is out of date, or something on the way changes the content: ask "
        "whoever gave you the registry, or name a mirror in EMOTIONRECOG_BASE_URL"
    )


class _Retryable(Exception):
    """An attempt failed, and another may succeed."""

    def __init__(self, reason: str, response: Any = None) -> None:
        super().__init__(reason)
        self.response = response


class _Transfer:
    """Download one file for pooch, and resume where an earlier attempt ended."""

    def __init__(self, part: Path, size: int, bar: Any, before: int) -> None:
        self.resumed = False
        self._part, self._size = part, size
        self._bar, self._before = bar, before

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Download `url` to `output_file`."""
        import requests
        from urllib3.exceptions import MaxRetryError

        retries = _retries()
        most = self._arrived()
        self.resumed = most > 0
        while True:
            response = None
            try:
                self._receive(url)
                break
            except requests.exceptions.SSLError as error:
                raise DownloadError(
                    f"{shown(url)}: the server's certificate is not trusted: {error}"
                ) from error
            except _Retryable as error:
                failure: Exception = error
                reason, response = str(error), error.response
            except (
                requests.exceptions.ConnectionError,  # includes timeouts while reading
                requests.exceptions.Timeout,
                requests.exceptions.ChunkedEncodingError,
            ) as error:
                failure = error
                timed_out = "timed out" in str(error)
                reason = f"no data for {TIMEOUT:g} s" if timed_out else str(error)
            except requests.exceptions.RequestException as error:
                reason = str(error).replace(url, shown(url))
                raise DownloadError(f"{shown(url)}: cannot be downloaded: {reason}") from error
            arrived = self._arrived()
            if arrived > most:
                most, retries = arrived, _retries()
            try:
                retries = retries.increment("GET", url, error=failure)
            except MaxRetryError:
                raise DownloadError(
                    f"{shown(url)}: {reason}; gave up after {ATTEMPTS} attempts in a row without "
                    f"new data. {arrived} of {self._size} bytes are kept, and the next download "
                    "resumes there; if the server is out of reach, name a mirror in "
                    "EMOTIONRECOG_BASE_URL"
                ) from failure
            wait = _wait(retries, response)
            _logger.info("%s: %s; trying again in %g s", shown(url), reason, wait)
            time.sleep(wait)
        self._part.replace(output_file)

    def _arrived(self) -> int:
        try:
            return self._part.stat().st_size
        except FileNotFoundError:
            return 0

    def _receive(self, url: str) -> None:
        """Make one request, and append the answer to the part that is there."""
        import requests

        arrived = self._arrived()
        if arrived > self._size:
            self._part.unlink()
            arrived = 0
        if arrived == self._size > 0:
            return
        # Compressed content could not be resumed in its middle.
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
            raise _Retryable(f"the connection ended after {position} of {self._size} bytes")

    def _start(self, response: Any, url: str, arrived: int) -> int:
        """Return the position in the file at which the answer begins, or raise."""
        status = response.status_code
        if status in _BUSY:
            raise _Retryable(f"the server answered {_status(status)}", response)
        if arrived and status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            self._part.unlink()
            raise _Retryable("the server has fewer bytes than are kept")
        if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            raise DownloadError(
                f"{shown(url)}: expected a file, and the server answered {_status(status)}; check "
                "EMOTIONRECOG_BASE_URL and whether the registry is out of date"
            )
        start, offered = 0, response.headers.get("Content-Length", "")
        if status == HTTPStatus.PARTIAL_CONTENT:
            match = re.match(r"bytes (\d+)-\d*/(\d+|\*)", response.headers.get("Content-Range", ""))
            if not match or int(match[1]) != arrived:
                self._part.unlink(missing_ok=True)
                raise _Retryable("the server sent another part of the file than was requested")
            start, offered = arrived, match[2]
        is_compressed = response.headers.get("Content-Encoding", "identity") != "identity"
        if offered.isdecimal() and int(offered) != self._size and not is_compressed:
            self._part.unlink(missing_ok=True)
            raise self._other_size(url, offered)
        return start

    def _other_size(self, url: str, offered: str) -> DownloadError:
        return DownloadError(
            f"{shown(url)}: expected {self._size} bytes, and the server offers {offered}; nothing "
            "was kept. It may be a web page, such as a login, or the registry is out of date"
        )


def _retries() -> Retry:
    """Return the policy for attempts in a row that bring nothing new."""
    from urllib3.util import Retry

    return Retry(total=ATTEMPTS - 1, backoff_factor=BACKOFF, backoff_max=LONGEST_WAIT)


def _wait(retries: Retry, response: Any) -> float:
    """Return how long to wait before the next attempt, in s."""
    from urllib3.exceptions import InvalidHeader

    asked: float | None = None
    if response is not None:
        with contextlib.suppress(InvalidHeader, ValueError):  # Retry-After may be any text
            asked = retries.get_retry_after(response)
    return min(max(BACKOFF, asked or 0.0, retries.get_backoff_time()), LONGEST_WAIT)


def _write(file: IO[bytes], chunk: bytes) -> None:
    """Write a whole chunk: a disk that is nearly full accepts a part of it without an error."""
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
    """Return a URL without the user and password that it may contain.

    Examples
    --------
    >>> shown("https://ann:secret@example.org/model.onnx")
    'https://example.org/model.onnx'
    """
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


@contextlib.contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Silence the messages about progress that pooch writes to standard error."""

    def is_warning(record: logging.LogRecord) -> bool:
        return record.levelno > logging.INFO

    logger.addFilter(is_warning)
    try:
        yield
    finally:
        logger.removeFilter(is_warning)
