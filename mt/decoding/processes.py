"""Searches in processes of their own that share the model's memory: as fast as there are cores, where threads wait for one another.

A step of a small model is some hundred calls of a few microseconds, and Python lets one thread at a time prepare a call: two threads give
1.3 times the sentences of one, two processes 2 times (docs/LOG.md, 2026-11-26). A process here is a fork: it has the model as it stands,
nothing is loaded or copied, and it ends with the search. Only Linux forks safely enough beside torch's threads.
"""

import gc
import marshal
import multiprocessing
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple
from multiprocessing.connection import Connection, wait

from mt.decoding.hypothesis import Hypothesis
from mt.errors import MemoryShortageError, MtError

Found = tuple[int, list[Hypothesis]]
"""A sentence's number and its hypotheses."""


def can_fork() -> bool:
    """Whether searches may run in forks of this process: on Linux, asked by the main thread of a program that has no threads of its own.

    Another thread might hold a lock at that moment, which nobody in the fork would ever open. (Daemon threads, such as a progress bar's,
    hold none that a search asks for.)
    """
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
    return sys.platform == "linux" and threading.current_thread() is threading.main_thread() and not others


class SharedCounter:
    """A number that forks of this process count up together."""

    def __init__(self) -> None:
        self._value = multiprocessing.get_context("fork").Value("q", 0)
        self.lock = self._value.get_lock()

    @property
    def value(self) -> int:
        """The number."""
        return self._value.value

    @value.setter
    def value(self, value: int) -> None:
        self._value.value = value


def search_in_forks(searches: Sequence[Callable[[], Iterable[Found]]]) -> Iterator[Found]:
    """Run every search in a fork of its own; what they find, as it comes.

    An MtError of a fork is raised here. MemoryShortageError when a fork dies, as it does when the machine has no memory left. However this
    ends, no fork is left.
    """
    context = multiprocessing.get_context("fork")
    pipes = [context.Pipe(duplex=False) for _ in searches]
    forks = []
    gc.freeze()  # a fork's collector would write to every object's head, and every page of them would be a copy of the fork's own
    try:
        for search, (_, own) in zip(searches, pipes, strict=True):
            others = [end for pair in pipes for end in pair if end is not own and not end.closed]
            forks.append(context.Process(target=_run, args=(search, own, others), daemon=True))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads: can_fork
                forks[-1].start()
            own.close()
        gc.unfreeze()
        running = [reader for reader, _ in pipes]
        while running:
            for reader in wait(running):
                message = _received(reader, forks[[pair[0] for pair in pipes].index(reader)])
                if message is None:
                    running.remove(reader)
                else:
                    yield message
    finally:
        for fork in forks:
            if fork.pid is not None:
                fork.kill()
                fork.join()
        for pair in pipes:
            for end in pair:
                end.close()


def _received(reader: Connection, fork: multiprocessing.Process) -> Found | None:
    """What a fork says: something found, or None when it is done. Raises its error."""
    try:
        kind, *content = marshal.loads(reader.recv_bytes())
    except (EOFError, ConnectionError):
        fork.join()
        raise MemoryShortageError(
            f"a process of the search was ended from outside (exit code {fork.exitcode}; -9 is what a machine without memory does). "
            "Lower decoding.max_tokens in the run's config.yaml, or search in one process: set OMP_NUM_THREADS=1"
        ) from None
    if kind == "error":
        name, text = content
        raise next((each for each in _subclasses(MtError) if each.__name__ == name), RuntimeError)(text)
    if kind == "found":
        number, hypotheses = content
        return number, [Hypothesis(*fields) for fields in hypotheses]
    return None


def _subclasses(kind: type) -> Iterator[type]:
    """The class and all that are derived from it."""
    yield kind
    for each in kind.__subclasses__():
        yield from _subclasses(each)


def _run(search: Callable[[], Iterable[Found]], own: Connection, others: Sequence[Connection]) -> None:
    """What a fork does. The ends of the others' pipes are closed, so that a pipe breaks when its reader dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends its forks
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for end in others:
        end.close()
    try:
        for number, hypotheses in search():
            own.send_bytes(marshal.dumps(("found", number, [astuple(hypothesis) for hypothesis in hypotheses])))
        own.send_bytes(marshal.dumps(("done",)))
    except BrokenPipeError:
        os._exit(1)  # nobody listens any more
    except MtError as error:
        own.send_bytes(marshal.dumps(("error", type(error).__name__, str(error))))
    except Exception:
        own.send_bytes(marshal.dumps(("error", "", f"in a process of the search:\n{traceback.format_exc()}")))
