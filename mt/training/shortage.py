"""When memory runs out in a training: batches are computed in smaller pieces; where that does not help the training is saved and says why.

Error texts of torch, numpy and Python are told apart in mt/memory.py. What the command line says of other shortages: mt/cli.py.
"""

import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from mt.data.batching import Share, halved
from mt.errors import MemoryShortageError, MtError
from mt.memory import give_back_freed_memory, ran_out_of_memory
from mt.training.setup import Training
from mt.training.step import BatchTooLargeError, PendingStep

_log = logging.getLogger("mt")
_MOST_OF_REASON = 160


def step_in_pieces(training: Training, shares: Sequence[Share], step: Callable[[Sequence[Share]], PendingStep]) -> PendingStep:
    """The next update of these batches; where memory runs out, in pieces of half the size, again and again, and later ones too.

    step: makes the update. MemoryShortageError when a pair by itself does not fit; then nothing was changed.
    """
    state, config, before = training.state, training.config, training.state.pieces
    while True:
        try:
            return step(shares)
        except BatchTooLargeError as error:
            reason = str(error)[:_MOST_OF_REASON]
        _let_go()
        if all(len(batch.source_BS) == 1 for share in shares for batch in share.batches):
            state.pieces = before  # what did not help now is not for ever
            raise MemoryShortageError(
                f"memory ran out in update {state.step + 1}, and a pair by itself does not fit ({reason}). Close other programs and run "
                f"the same command again, or begin again with a lower data.max_length ({config.data.max_length}) or model.d_model "
                f"({config.model.d_model}) and --restart"
            )
        state.pieces *= 2
        shares = [halved(share) for share in shares]
        _log.warning(
            "memory ran out in update %d: from now on a batch of training.max_tokens=%d is computed in %d pieces",
            state.step + 1, config.training.max_tokens, state.pieces,
        )


@contextmanager
def saved_when_memory_runs_out(training: Training, doing: str, save: Callable[[], None]) -> Iterator[None]:
    """Around what may take too much memory, `doing` in words: then save what is whole, and raise MemoryShortageError with what to lower."""
    last = training.run.pointed
    try:
        yield
        return
    except (RuntimeError, MemoryError, OSError, MtError) as error:
        if not ran_out_of_memory(error):
            raise
        reason, whole = reason_of(error), isinstance(error, MemoryShortageError) or doing == "validation"
        said = str(error) if isinstance(error, MemoryShortageError) else ""
    # Outside the handler: the error is gone, and with it the tensors of all the frames that it came through.
    _let_go()
    if whole and training.ranks.count == 1:
        save()
    kept = "nothing is saved yet" if last("last") is None else f"the training is saved at step {last('last')}"
    raise MemoryShortageError(f"{said}; {kept}" if said else f"memory ran out in {doing} ({reason}); {kept}. {_advice(training, doing)}")


def _advice(training: Training, doing: str) -> str:
    """What to lower, as it can be typed."""
    config = training.config
    if doing == "validation":
        return (
            f"Lower training.validate_sentences ({config.training.validate_sentences}) or decoding.max_tokens "
            f"({config.decoding.max_tokens}) with --set, or set OMP_NUM_THREADS=1, and run the same command again"
        )
    fewer = "fewer --processes, " if training.ranks.count > 1 else ""
    return (
        f"Close other programs and run the same command again; or begin again with {fewer}a lower training.max_tokens "
        f"({config.training.max_tokens}), data.max_length ({config.data.max_length}) or model.d_model ({config.model.d_model}) "
        "and --restart"
    )


def reason_of(error: BaseException) -> str:
    """The first line of an error's own words, not too long."""
    text = str(error).strip()
    return text.splitlines()[0][:_MOST_OF_REASON] if text else type(error).__name__


def _let_go() -> None:
    """Free what a failed computation held."""
    gc.collect()
    give_back_freed_memory()
