"""The answer of a recogniser, and the interface of recognisers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Protocol, Self, overload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from emotionrecog.artifact import Artifact
    from emotionrecog.audio import AudioSource
    from emotionrecog.errors import EmotionRecogError

__all__ = ["Prediction", "Recognizer"]


class _ReadOnlyDict(dict[str, float]):
    """A read-only dictionary that JSON, copy and pickle treat as any other."""

    def _raise(self, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError("the probabilities of a prediction are read-only; dict(...) makes a copy")

    __setitem__ = __delitem__ = __ior__ = _raise
    clear = pop = popitem = setdefault = update = _raise

    def __reduce__(self) -> tuple[type[Self], tuple[dict[str, float]]]:
        return type(self), (dict(self),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The emotion that a recogniser names for a recording.

    Parameters
    ----------
    emotion
        The most probable emotion.
    confidence
        Its probability, from 0 to 1.
    probabilities
        The probability of each emotion, in the order of the recogniser's labels. Read-only.
    reasons
        Why the answer may be wrong, in plain words: the recording is too short, too quiet, clipped,
        no speech or far from the training data, or the confidence is below the requested one.
    label_set
        The emotions that are possible at the requested coverage, the most probable first, at least
        one; the set contains the right emotion at that rate. None if no coverage was requested.

    Examples
    --------
    >>> prediction = Prediction(
    ...     emotion="sad", confidence=0.75, probabilities={"neutral": 0.25, "sad": 0.75}
    ... )
    >>> prediction.is_reliable
    True
    >>> list(prediction.to_dict())
    ['emotion', 'confidence', 'probabilities', 'is_reliable', 'reasons']
    """

    emotion: str
    confidence: float
    probabilities: Mapping[str, float]
    reasons: tuple[str, ...] = ()
    label_set: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Freeze the probabilities."""
        object.__setattr__(self, "probabilities", _ReadOnlyDict(self.probabilities))

    @property
    def is_reliable(self) -> bool:
        """Whether there is no reason to doubt the answer."""
        return not self.reasons

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, ready for JSON; ``label_set`` only if there is one.

        Examples
        --------
        >>> prediction = Prediction(emotion="sad", confidence=1.0, probabilities={"sad": 1.0})
        >>> prediction.to_dict()["emotion"]
        'sad'
        """
        fields: dict[str, Any] = {
            "emotion": self.emotion,
            "confidence": self.confidence,
            "probabilities": dict(self.probabilities),
            "is_reliable": self.is_reliable,
            "reasons": list(self.reasons),
        }
        if self.label_set is not None:
            fields["label_set"] = list(self.label_set)
        return fields


class Recognizer(Protocol):
    """The interface that evaluation and the like need; `Engine` and `EmotionRecognizer` have it.

    The methods are those of `emotionrecog.inference.Engine`.

    Examples
    --------
    >>> from emotionrecog import EmotionRecognizer
    >>> def most_probable(recognizer: Recognizer, path: str) -> str:
    ...     return recognizer.predict(path).emotion
    >>> recognizer = EmotionRecognizer()
    >>> most_probable(recognizer, "examples/clip.wav") in recognizer.labels
    True
    """

    @property
    def artifact(self) -> Artifact:
        """The saved recogniser behind the answers."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions that are distinguished, in the order of the probabilities."""
        ...

    def predict(
        self,
        source: AudioSource,
        *,
        min_confidence: float | None = None,
        coverage: float | None = None,
    ) -> Prediction:
        """Name the emotion in a recording.

        Examples
        --------
        >>> from emotionrecog import EmotionRecognizer
        >>> EmotionRecognizer().predict("examples/clip.wav").confidence > 0.5
        True
        """
        ...

    @overload
    def predict_batch(
        self,
        sources: Iterable[AudioSource],
        *,
        n_jobs: int = ...,
        on_error: Literal["raise"] = ...,
        min_confidence: float | None = ...,
        coverage: float | None = ...,
    ) -> Iterator[Prediction]: ...

    @overload
    def predict_batch(
        self,
        sources: Iterable[AudioSource],
        *,
        n_jobs: int = ...,
        on_error: Literal["keep"],
        min_confidence: float | None = ...,
        coverage: float | None = ...,
    ) -> Iterator[Prediction | EmotionRecogError | OSError]: ...

    def predict_batch(
        self,
        sources: Iterable[AudioSource],
        *,
        n_jobs: int = -1,
        on_error: Literal["raise", "keep"] = "raise",
        min_confidence: float | None = None,
        coverage: float | None = None,
    ) -> Iterator[Prediction | EmotionRecogError | OSError]:
        """Name the emotion in each of many recordings.

        Examples
        --------
        >>> from emotionrecog import EmotionRecognizer
        >>> len(list(EmotionRecognizer().predict_batch(["examples/clip.wav"])))
        1
        """
        ...

    def probabilities(self, source: AudioSource) -> NDArray[np.float32]:
        """Return the probability of each emotion in a recording.

        Examples
        --------
        >>> from emotionrecog import EmotionRecognizer
        >>> EmotionRecognizer().probabilities("examples/clip.wav").shape
        (8,)
        """
        ...
