"""Train networks on utterances, adapt them to voices, and calibrate their confidence.

`train` returns an artefact; `emotionrecog.EmotionRecognizer` predicts with it. Importing this
package is light: TensorFlow is loaded by the functions that train.
"""

from emotionrecog.training.adaptation import Adaptation, adapt, continued
from emotionrecog.training.recipe import Recipe
from emotionrecog.training.run import train

__all__ = ["Adaptation", "Recipe", "adapt", "continued", "train"]
