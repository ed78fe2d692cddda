"""Divide utterances into training, validation and test sets that share no speaker.

`emotionrecog.splits.protocols` has the published divisions by name, `dividing` all other divisions,
and `leakage` finds speakers and recordings that are on both sides.
"""
