"""Divide utterances into training, validation and test sets that share no speaker.

`emotionrecog.splits.protocols` has the published divisions by name, `dividing` every other way of
dividing utterances, and `leakage` finds speakers and recordings that are on both sides.
"""
