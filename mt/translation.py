"""What a translator gives for a sentence, whichever program searched for it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Translation:
    """One translation of one sentence."""

    text: str
    """Detokenised."""
    score: float
    """What translations of one sentence are ranked by, higher is better: the log-probability divided by the length penalty, or, of a
    choice by minimum Bayes risk, the expected similarity to the candidates, 0 to 100."""
    log_prob: float
    """The natural logarithm of the translation's probability under the model."""
    finished: bool
    """False when the length limit cut it off."""


NOTHING = Translation("", 0.0, 0.0, True)
"""The translation of a line without text."""
