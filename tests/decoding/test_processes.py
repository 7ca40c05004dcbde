"""Searches in forks: the same results as in one process, errors told, nothing left behind whatever happens."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from mt.config import DecodingConfig
from mt.decoding import batches
from mt.decoding.batches import translate_ids
from mt.decoding.hypothesis import Hypothesis
from mt.decoding.processes import SharedCounter, can_fork, search_in_forks
from mt.decoding.search import Waiting
from mt.errors import DecodingError, MemoryShortageError
from tests.decoding.table_model import TableModel
from tests.decoding.test_batches import random_sources

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="searches fork on Linux only")
FOUND = Hypothesis(tokens=[5, 6], score=-0.7, log_prob=-1.1, token_log_probs=[-0.1, -0.4, -0.6], finished=True)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Two threads; the list grows with the number of forks of each search."""
    counts = []

    def noted(searches: list) -> Iterator:
        counts.append(len(searches))
        return search_in_forks(searches)

    monkeypatch.setattr(batches, "search_in_forks", noted)
    monkeypatch.setattr(batches, "can_fork", lambda: True)  # a test runner may have threads of its own
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield counts
    torch.set_num_threads(before)


@pytest.mark.parametrize("method", ["beam", "greedy", "sampling"])
def test_many_sentences_are_searched_in_forks_and_few_are_not_with_the_same_results(method: str, forked: list[int]) -> None:
    model = TableModel(vocab_size=9, seed=2)
    sources = random_sources(70, seed=1)
    options = DecodingConfig(method=method, beam_size=3, max_tokens=60)
    done: list[int] = []
    together = translate_ids(model, sources, options, progress=done.append)
    assert forked == [2]
    assert sum(done) == 70
    assert together == [translate_ids(model, [source], options)[0] for source in sources]
    assert forked == [2]


def test_forks_take_every_sentence_once() -> None:
    waiting = Waiting([*range(400)], 1, taken=SharedCounter())
    waiting.fitting = lambda _: 3

    def search() -> Iterator[tuple[int, list[Hypothesis]]]:
        while waiting:
            for number in waiting.take(lambda fitting: fitting):
                yield number, [FOUND] * (number % 3)

    found = list(search_in_forks([search] * 3))
    assert sorted(number for number, _ in found) == [*range(400)]
    assert all(hypotheses == [FOUND] * (number % 3) for number, hypotheses in found)


def test_an_error_of_a_fork_is_raised_as_it_is(forked: list[int]) -> None:
    broken = TableModel(logits=lambda source, prefix: [float("nan")] * 6)
    with pytest.raises(DecodingError, match="NaN or infinite logits at target position 1"):
        translate_ids(broken, random_sources(70, seed=1), DecodingConfig(beam_size=2))
    assert forked == [2]


def test_a_bug_in_a_fork_is_told_with_its_place() -> None:
    def search() -> Iterator[tuple[int, list[Hypothesis]]]:
        yield 0, [FOUND]
        raise ZeroDivisionError("surprise")

    with pytest.raises(RuntimeError, match=r'(?s)in a process of the search.*test_processes.py", line.*ZeroDivisionError: surprise'):
        list(search_in_forks([search, search]))


def test_a_fork_that_is_killed_ends_the_search_at_once() -> None:
    def endless() -> Iterator[tuple[int, list[Hypothesis]]]:
        while True:
            time.sleep(0.01)
            yield 0, [FOUND]

    def killed() -> Iterator[tuple[int, list[Hypothesis]]]:
        yield 1, []
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(MemoryShortageError, match=r"exit code -9.*decoding.max_tokens"):
        list(search_in_forks([endless, killed]))


def test_forks_end_when_nobody_wants_more() -> None:
    def endless() -> Iterator[tuple[int, list[Hypothesis]]]:
        while True:
            yield 0, [FOUND] * 100

    found = search_in_forks([endless, endless])
    assert next(found) == (0, [FOUND] * 100)
    assert len(multiprocessing.active_children()) == 2
    found.close()


def test_forks_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import os, sys
        from mt.decoding.processes import search_in_forks

        def endless():
            while True:
                yield os.getpid(), []

        seen = set()
        for number, _ in search_in_forks([endless, endless]):
            if number not in seen:
                seen.add(number)
                print(number, flush=True)
    """)
    run = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    numbers = [int(run.stdout.readline()) for _ in range(2)]
    run.kill()
    run.communicate()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{number}/cmdline").exists() and Path(f"/proc/{number}/cmdline").read_bytes() for number in numbers):
        assert time.monotonic() < deadline, "an orphan goes on"
        time.sleep(0.05)


def test_only_the_main_thread_of_a_program_without_other_threads_forks() -> None:
    told: list[bool] = []
    thread = threading.Thread(target=lambda: told.append(can_fork()))
    thread.start()
    thread.join()
    assert told == [False]
    release = threading.Event()
    other = threading.Thread(target=release.wait)
    other.start()
    assert not can_fork()
    release.set()
    other.join()
