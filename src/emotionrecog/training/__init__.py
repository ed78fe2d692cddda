"""Train networks on utterances, adapt them to voices, and calibrate their confidence.

`train` returns an artefact; `emotionrecog.EmotionRecognizer` predicts with it. Importing this
package is light: what trains is loaded when it is first asked for, and TensorFlow by the functions
that train.
"""

from typing import TYPE_CHECKING

from emotionrecog.training.recipe import Recipe

if TYPE_CHECKING:
    from emotionrecog.training.adaptation import Adaptation, adapt, continued
    from emotionrecog.training.run import train

__all__ = ["Adaptation", "Recipe", "adapt", "continued", "train"]

if not TYPE_CHECKING:  # hidden from type checkers, which would let any attribute pass otherwise

    def __getattr__(name):
        """Load a public name from its module when it is first asked for (PEP 562)."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        module = import_module(f"{__name__}.{'run' if name == 'train' else 'adaptation'}")
        globals()[name] = getattr(module, name)  # the next look-up does not come here
        return globals()[name]
