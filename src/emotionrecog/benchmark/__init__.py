"""Run published protocols fold by fold, and compare the results with published ones.

`run` trains and tests the folds, which may take hours, and keeps the predictions of every clip;
`summary` computes the metrics of stored folds, and `published` returns the results of others.
"""

from emotionrecog.benchmark.folds import run
from emotionrecog.benchmark.literature import Published, published
from emotionrecog.benchmark.summaries import FOUR, METRICS, CorpusSummary, Summary, summary

__all__ = [
    "FOUR",
    "METRICS",
    "CorpusSummary",
    "Published",
    "Summary",
    "published",
    "run",
    "summary",
]
