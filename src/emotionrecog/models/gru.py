"""The network of `emotionrecog.models.lstm` with GRU cells: three gates where the LSTM has four."""

from __future__ import annotations

import functools

from emotionrecog.models import lstm

__all__ = ["build"]

build = functools.partial(lstm.build, cell="gru")
