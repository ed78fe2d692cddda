"""Find the recordings in a folder by the extensions of their names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["AUDIO_EXTENSIONS", "find", "is_hidden"]

# Lossless first: of several copies of one recording, a corpus keeps the one whose extension comes
# first.
AUDIO_EXTENSIONS = (
    ".wav",
    ".flac",
    ".aiff",
    ".aif",
    ".aifc",
    ".au",
    ".caf",
    ".w64",
    ".opus",
    ".ogg",
    ".oga",
    ".mp3",
    ".m4a",
    ".aac",
    ".wma",
    ".mp4",
    ".mov",
    ".mkv",
    ".webm",
    ".avi",
    ".flv",
)
"""Extensions of the file names of recordings, in lower case; videos are among them."""


def find(
    folder: str | os.PathLike[str], *, on_error: Callable[[OSError], object] | None = None
) -> Iterator[Path]:
    """Yield the files of a folder and its subfolders that have an audio extension.

    Only names are checked; no file is opened. Symbolic links are followed, each folder once. Hidden
    files and folders are skipped, and so are the ``__MACOSX`` folders of archives.

    Parameters
    ----------
    folder
        The folder to search. It may itself be hidden.
    on_error
        Called with the `OSError` of each folder that cannot be listed and is skipped. By default
        the error is raised.

    Yields
    ------
    Path
        A file whose extension is one of `AUDIO_EXTENSIONS`, in upper or lower case, in no
        particular order.

    Raises
    ------
    OSError
        If `folder` or a subfolder cannot be listed, and there is no `on_error`.

    Examples
    --------
    >>> from pathlib import Path
    >>> Path("examples/clip.wav") in find("examples")
    True
    """
    folder = Path(folder)
    visited = {folder.resolve()}
    for here, subfolders, names in os.walk(folder, followlinks=True, onerror=on_error or _raise):
        kept = []
        for name in sorted(subfolders):
            # A link that leads back into the tree would be followed forever.
            target = Path(here, name).resolve()
            if not is_hidden(name) and target not in visited:
                visited.add(target)
                kept.append(name)
        subfolders[:] = kept
        for name in names:
            path = Path(here, name)
            if not is_hidden(name) and path.suffix.lower() in AUDIO_EXTENSIONS:
                yield path


def is_hidden(name: str) -> bool:
    """Return whether `find` skips files or folders of this name.

    Examples
    --------
    >>> is_hidden(".git"), is_hidden("__MACOSX"), is_hidden("savee")
    (True, True, False)
    """
    # Archives made on macOS hold a file "._name.wav" beside each file, which is no recording.
    return name.startswith(".") or name == "__MACOSX"


def _raise(error: OSError) -> None:
    raise error
