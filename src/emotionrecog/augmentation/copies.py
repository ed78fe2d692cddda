"""Varied copies of recordings, as files that splits keep together with their originals."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotionrecog import audio
from emotionrecog.errors import AudioError, EmotionRecogError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from emotionrecog.augmentation.chain import Transform
    from emotionrecog.datasets import Utterance

__all__ = ["AugmentedCorpus", "augment_corpus"]

_logger = logging.getLogger("emotionrecog")


@dataclass(frozen=True, kw_only=True)
class AugmentedCorpus:
    """Recordings and varied copies of them.

    Parameters
    ----------
    utterances : list of Utterance
        Each original, in the given order, followed by its copies. All of them have the same
        `recording`, by which splits and the audit know that they belong together.
    failed : mapping of Path to str
        Originals that could not be read or varied, and why. Neither they nor copies of them are
        among the utterances.
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

    Divide first and augment what is trained on alone: copies in a test would make it another test.
    Where originals and copies are divided all the same, `recording` keeps them on one side: it
    becomes that of the original or, where this has none, a hash of the file. What is drawn depends
    on the corpus, `recording`, the number of the copy and `seed`, and not on the other
    recordings, their order or `n_jobs`.

    Copies are mono FLAC files of 24 bits at the sampling rate of the original, called like it with
    a mark and their number behind. Each is written beside its place and moved there, so that it is
    never seen half-written; one already there is replaced. A copy that is louder than full scale
    is turned down to it.

    Parameters
    ----------
    utterances
        The originals, of any corpora. Their files are read, and not touched.
    folder
        Where the copies go. It is made if it does not exist.
    transform
        A `Chain`, or one transform of this package.
    copies
        How many of each recording.
    seed
        Another number gives other copies.
    n_jobs
        Number of processes, as joblib counts them.

    Returns
    -------
    AugmentedCorpus
        A recording that cannot be read, or not be varied, is listed in it, and the rest goes on;
        the library's logger warns of them.

    Raises
    ------
    ValueError
        If `copies` is not a positive whole number, or `seed` a negative or no whole one.
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
    import joblib
    from tqdm import tqdm

    for name, number, lowest in (("copies", copies, 1), ("seed", seed, 0)):
        if isinstance(number, bool) or not isinstance(number, int) or number < lowest:
            raise ValueError(f"`{name}` must be a whole number from {lowest} on, got {number!r}")
    given = list(utterances)
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator")
    results = parallel(
        joblib.delayed(_with_copies)(utterance, root, transform, copies, seed)
        for utterance in given
    )
    progress = tqdm(results, "augmenting", total=len(given), unit="clip", disable=None)
    made: list[Utterance] = []
    failed: dict[Path, str] = {}
    for utterance, result in zip(given, progress, strict=True):
        if isinstance(result, str):
            failed[utterance.path] = result
        else:
            made += result
    if failed:
        path, why = next(iter(failed.items()))
        _logger.warning(
            "left out %d of %d recordings that could not be augmented, such as %r: %s",
            *(len(failed), len(given), str(path), why),
        )
    return AugmentedCorpus(utterances=made, failed=failed)


def _with_copies(
    utterance: Utterance, root: Path, transform: Transform, copies: int, seed: int
) -> list[Utterance] | str:
    """Return an utterance and its copies, or why there are none."""
    try:
        content = hashlib.sha256(utterance.path.read_bytes()).hexdigest()
        waveform = audio.load(utterance.path)
        source = utterance.recording or content[:16]
        varied = []
        for number in range(1, copies + 1):
            samples = transform(
                waveform.samples,
                waveform.sampling_rate,
                _generator(utterance.corpus, source, number, seed),
            )
            if np.ptp(samples) < audio.SILENT_RANGE:
                raise AudioError(f"copy {number} is silent; the transforms leave no sound of it")
            varied.append(samples)
    except (EmotionRecogError, OSError) as error:
        return str(error)
    # Files of one name, such as those of two speakers, do not get in each other's way.
    mark = hashlib.sha256(f"{utterance.corpus}/{source}/{content}".encode()).hexdigest()[:8]
    made = [dataclasses.replace(utterance, recording=source)]
    for number, samples in enumerate(varied, start=1):
        path = root / f"{utterance.path.stem}-{mark}-{number}.flac"
        _write(path, samples, waveform.sampling_rate)
        made.append(dataclasses.replace(made[0], path=path))
    return made


def _generator(corpus: str, source: str, number: int, seed: int) -> np.random.Generator:
    digest = hashlib.sha256(f"{corpus}/{source}".encode()).digest()
    return np.random.default_rng((seed, number, int.from_bytes(digest[:16], "big")))


def _write(path: Path, samples: NDArray[np.float32], sampling_rate: int) -> None:
    import soundfile

    scaled = samples / max(1.0, float(np.abs(samples).max()))
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as beside:
        new = Path(beside, "new.flac")
        soundfile.write(new, scaled, sampling_rate, format="FLAC", subtype="PCM_24")
        new.replace(path)
