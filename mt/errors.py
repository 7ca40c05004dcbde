"""The exceptions a user can meet. Everything else that is raised is a bug of ours.

    MtError                 one clear message; the command line prints it and exits with 2
    ├── ConfigError         a configuration file or a --set: file, key, value, nearest valid key
    ├── DataError           a corpus: file and line, what is wrong with it, what to do
    ├── TokenizerError      a vocabulary that cannot be trained or does not belong to the model
    ├── RunError            a run directory that is missing, incomplete or of another kind
    ├── DecodingError       a translation that was asked for in an impossible way
    ├── ExportError         a model that cannot be exported, or an export that does not translate as the model does
    ├── TrainingError       a training that cannot go on, with advice
    └── MemoryShortageError a computation that the machine has too little memory for, with what to lower

    Interrupted             not a mistake: a run that was asked to stop and has saved itself (exit code 130)
"""


class MtError(Exception):
    """A user's mistake, told in one message: what, where, and the next thing to do."""


class ConfigError(MtError):
    """A configuration that is refused: every problem found, each with file, key and value."""


class DataError(MtError):
    """A corpus that cannot be read or used, with the file and the line."""


class TokenizerError(MtError):
    """A tokenizer that cannot be trained, read, or does not belong to the weights beside it."""


class RunError(MtError):
    """A run directory that does not exist, is incomplete, or was made by something else."""


class DecodingError(MtError):
    """A translation asked for in a way that no search can satisfy."""


class NonFiniteError(DecodingError):
    """A model whose logits are NaN or infinite although its weights are finite: they overflow in the precision that is calculated in."""


class ExportError(MtError):
    """A model that another program has no counterpart for, or an export that failed its check."""


class TrainingError(MtError):
    """A training that cannot start or go on, with advice."""


class MemoryShortageError(MtError):
    """Memory ran out, or would; with what to lower."""


class Interrupted(Exception):  # noqa: N818 - an event, not an error
    """A run was asked to stop (Ctrl-C, SIGTERM), has saved itself, and says how to go on."""
