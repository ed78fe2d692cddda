"""Write varied copies of recordings, which splits keep together with their originals."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotionrecog import audio, files, parallel
from emotionrecog.augmentation.samples import generator_for
from emotionrecog.errors import AudioError, require_whole

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from emotionrecog.augmentation.chain import Transform
    from emotionrecog.datasets import Utterance

__all__ = ["AugmentedCorpus", "augment_corpus"]


@dataclass(frozen=True, kw_only=True)
class AugmentedCorpus:
    """Recordings and their varied copies.

    Parameters
    ----------
    utterances : list of Utterance
        Each original, in the order of the input, followed by its copies. Original and copies have
        the same `recording`, by which splits and the leakage audit group them.
    failed : mapping of Path to str
        Originals that could not be read or varied, with the reason. Neither they nor their copies
        are among the utterances.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from emotionrecog.augmentation import Gain, augment_corpus
    >>> from emotionrecog.datasets import Utterance
    >>> missing = Utterance(Path("a.wav"), "sad", corpus="mine", speaker="mine/ann")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     augmented = augment_corpus([missing], folder, Gain(), n_jobs=1)
    >>> augmented.utterances, list(augmented.failed.values())
    ([], ['no such audio file'])
    """

    utterances: list[Utterance]
    failed: Mapping[Path, str]


def augment_corpus(
    utterances: Iterable[Utterance],
    folder: str | os.PathLike[str],
    transform: Transform,
    *,
    copies: int = 1,
    seed: int = 0,
    n_jobs: int = -1,
) -> AugmentedCorpus:
    """Write varied copies of recordings.

    Split first and augment only the training part: copies in a test set would change the test. If
    originals and copies are split nevertheless, `recording` keeps them on one side: it is that of
    the original or, without one, a hash of the file. The random draws depend on the corpus,
    `recording`, the number of the copy and `seed`, and not on the other recordings, their order or
    `n_jobs`.

    Copies are mono 24-bit FLAC files at the sampling rate of the original, named after it with a
    hash and their number. Each is written atomically; an existing one is replaced. A copy that
    exceeds full scale is scaled down to it.

    Parameters
    ----------
    utterances
        Originals, from any corpora. Their files are only read.
    folder
        Folder for the copies; created if missing.
    transform
        A `Chain`, or one transform of this package.
    copies
        Number of copies of each recording.
    seed
        Seed of the random draws.
    n_jobs
        Number of processes, as joblib counts them.

    Returns
    -------
    AugmentedCorpus
        Recordings that cannot be read or varied are listed in it and logged as warnings; they do
        not stop the others.

    Raises
    ------
    ValueError
        If `copies` is not a whole number of at least 1, or `seed` is not a whole number of at
        least 0.
    OSError
        If a copy cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from emotionrecog.augmentation import AddNoise, augment_corpus
    >>> from emotionrecog.datasets import Utterance
    >>> clip = Utterance(Path("examples/clip.wav"), "angry", corpus="mine", speaker="mine/ann")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = augment_corpus([clip], folder, AddNoise(snr_db=20), copies=2, n_jobs=1)
    ...     [utterance.path.name for utterance in made.utterances]
    ['clip.wav', 'clip-43be7d66-1.flac', 'clip-43be7d66-2.flac']
    >>> len({utterance.recording for utterance in made.utterances})
    1
    """
    require_whole("copies", copies, 1)
    require_whole("seed", seed)
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    try:
        results = parallel.over_recordings(
            functools.partial(
                _with_copies, root=root, transform=transform, copies=copies, seed=seed
            ),
            list(utterances),
            activity="augmenting",
            n_jobs=n_jobs,
            prefer="processes",
        )
    except _WriteError as error:
        raise error.args[0] from None
    augmented = [utterance for family in results.values for utterance in family]
    return AugmentedCorpus(utterances=augmented, failed=results.failed)


class _WriteError(Exception):
    """Wrap the `OSError` of a copy that cannot be written, which stops the work."""


def _with_copies(
    utterance: Utterance, *, root: Path, transform: Transform, copies: int, seed: int
) -> list[Utterance]:
    """Write the copies of an utterance, and return it followed by them."""
    waveform = audio.load(utterance.path)
    content = files.sha256(utterance.path)
    source = utterance.recording or content[:16]
    varied = []
    for number in range(1, copies + 1):
        rng = generator_for(utterance.corpus, source, seed=(seed, number))
        samples = transform(waveform.samples, waveform.sampling_rate, rng)
        if np.ptp(samples) < audio.SILENT_RANGE:
            raise AudioError(f"copy {number} is silent; the transforms removed all sound")
        varied.append(samples)
    # The hash distinguishes files with one name, such as those of two speakers.
    mark = files.sha256(f"{utterance.corpus}/{source}/{content}".encode())[:8]
    original = dataclasses.replace(utterance, recording=source)
    family = [original]
    for number, samples in enumerate(varied, start=1):
        path = root / f"{utterance.path.stem}-{mark}-{number}.flac"
        _write(path, samples, waveform.sampling_rate)
        family.append(dataclasses.replace(original, path=path))
    return family


def _write(path: Path, samples: NDArray[np.float32], sampling_rate: int) -> None:
    import soundfile

    scaled = samples / max(1.0, float(np.abs(samples).max()))
    try:
        with files.writing(path) as new:
            soundfile.write(new, scaled, sampling_rate, format="FLAC", subtype="PCM_24")
    except OSError as error:
        raise _WriteError(error) from None
