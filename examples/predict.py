"""Recognise the emotion in one recording, then in several at once."""

import sys
from pathlib import Path

from emotionrecog import EmotionRecognizer


def main(recordings: list[Path]) -> None:
    """Print all probabilities of the first recording, then one line for each recording."""
    recognizer = EmotionRecognizer()

    prediction = recognizer.predict(recordings[0])
    for emotion, probability in prediction.probabilities.items():
        print(f"{emotion:<10} {probability:6.1%}")

    # With "keep", a recording that cannot be judged yields its error and does not stop the others.
    answers = recognizer.predict_batch(recordings, on_error="keep")
    for recording, answer in zip(recordings, answers, strict=True):
        if isinstance(answer, Exception):
            print(f"{recording}: {answer}")
        else:
            print(f"{recording}: {answer.emotion} ({answer.confidence:.0%})")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or [Path(__file__).with_name("clip.wav")])
