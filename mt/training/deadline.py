"""A run that ends on time: its whole schedule, written in steps, is fitted into the hours it is given.

With `training.max_hours` the learning rate is a function of the time that has passed instead of the steps made: warm-up and
decay keep their shares of the whole, however fast the machine is and whatever slows it down on the way. max_steps then only says of how
many steps warm-up, validation and saving are written as parts. What the end of the run needs (choosing the weights, scoring the test
pairs) is kept back from the measured time of a validation and of saving. Such a run depends on the clock and is therefore not
repeatable bit for bit.
"""

from dataclasses import dataclass

_END_UNMEASURED = 0.02
"""The share of the time that is kept back for the end before anything of it has been measured."""
_END_UNMEASURED_AT_MOST = 300.0
"""The same in seconds, however long the run is."""
_SLACK = 1.25
"""What is kept back, as a multiple of what was measured."""
_VALIDATION_AT_MOST = 0.1
"""The share of the time that validations may take before some are left out."""
_CANDIDATES = 3
"""Validations at the end: the last weights (or their EMA), the average, the best."""


@dataclass
class Deadline:
    """When the run must be over, and how far it is. Times in seconds of time.monotonic."""

    ends_at: float
    """When the command is to return."""
    begun_at: float
    """When this process began to train."""
    begun_progress: float = 0.0
    """How far the run was then, 0 to 1."""
    test_in_validations: float = 0.0
    """How many validations' time scoring the test pairs takes, estimated from their number and the beam."""
    processes: int = 1
    """How many share a validation; at the end the first one makes them alone."""
    validating: float = 0.0
    """Seconds spent on validations by this process."""
    validation: float = 0.0
    """Seconds of the last one."""
    saving: float = 0.0
    """Seconds that writing the last checkpoint took."""

    @property
    def training_ends_at(self) -> float:
        """When the last update must be done, so that the end fits."""
        if not self.validation:
            return self.ends_at - min(_END_UNMEASURED * (self.ends_at - self.begun_at), _END_UNMEASURED_AT_MOST)
        validations = (_CANDIDATES + self.test_in_validations) * self.validation * self.processes
        return self.ends_at - _SLACK * (validations + 2 * self.saving)  # a checkpoint is written, and others are read to be averaged

    def progress(self, now: float) -> float:
        """The share of the run's schedule that should be behind it now, 0 to 1."""
        span = self.training_ends_at - self.begun_at
        if span <= 0:
            return 1.0
        return min(1.0, self.begun_progress + (1.0 - self.begun_progress) * (now - self.begun_at) / span)

    def note_validation(self, seconds: float) -> None:
        """Remember what a validation took."""
        self.validating += seconds
        self.validation = seconds

    def can_validate(self, now: float) -> bool:
        """Whether another validation keeps all of them within a tenth of the time passed."""
        return self.validating + self.validation <= _VALIDATION_AT_MOST * (now - self.begun_at) or not self.validating
