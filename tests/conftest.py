"""What every test gets: its own runs folder and current directory, one thread, and no trace left in the process."""

import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from mt.config_file import load_config


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer cache for the whole session, so that equal tokenizers are trained once; never the user's own."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs, cache and current directory apart from the user's; the `mt` logger and SIGTERM afterwards as they were."""
    monkeypatch.setenv("MT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("MT_CACHE", str(cache))
    monkeypatch.delenv("MT_MODEL", raising=False)
    monkeypatch.delenv("MT_DATA", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)  # as wide as needed: messages are searched for in one piece
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)
    logger = logging.getLogger("mt")
    for stale in logger.handlers:
        stale.close()
    logger.handlers = []
    logger.setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The directory of a finished run that has learned to copy: `mt`'s own toy, trained for a few seconds. For reading only."""
    from mt.training.trainer import train

    runs = tmp_path_factory.mktemp("trained")
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MT_RUNS", str(runs))
        patch.setenv("MT_CACHE", str(cache))
        steps = ["training.max_steps=300", "training.validate_every=150", "training.save_every=150"]
        train(load_config("copy", [*steps, "training.precision=fp32", "training.device=cpu", "training.threads=1"]))
    return runs / "copy"
