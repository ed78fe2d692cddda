"""Draw recordings, corpora, trainings and results with Matplotlib, from the extra ``plots``.

`plot` draws recordings and their features, one or several side by side; `compare` gives each
emotion a column; `distributions` shows what corpora contain; `history` and `search` show the
progress of a training and of a search for a better recipe; `stress` shows how a recogniser copes
with worse recordings, and `benchmark` its results beside published ones. Each function returns a
Matplotlib figure that is independent of ``pyplot``.

Lines have the colours of Okabe and Ito, which people with any kind of colour vision can
distinguish; colour maps are perceptually uniform. All panels of one kind have the same axes and
colours, so that equal things look equal.
"""

from emotionrecog.plots.attribution import explanation
from emotionrecog.plots.comparisons import benchmark, stress
from emotionrecog.plots.corpora import distributions
from emotionrecog.plots.kinds import KINDS, Kind
from emotionrecog.plots.recordings import compare, plot
from emotionrecog.plots.results import confusion, ranges, reliability, risk_coverage
from emotionrecog.plots.style import require_matplotlib
from emotionrecog.plots.training import history, search

__all__ = [
    "KINDS",
    "Kind",
    "benchmark",
    "compare",
    "confusion",
    "distributions",
    "explanation",
    "history",
    "plot",
    "ranges",
    "reliability",
    "require_matplotlib",
    "risk_coverage",
    "search",
    "stress",
]
