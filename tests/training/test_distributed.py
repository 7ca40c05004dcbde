"""Several processes are one training: same losses as alone, one writer, a lost process ends all, and any number goes on."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mt.runs import RunDirectory, runs_root
from mt.stored_model import read_tensors
from mt.training.distributed import _rows
from tests.processes import mt_process, num_lines, sets, wait_until
from tests.tiny import SETTINGS

PLAIN = [*SETTINGS, "model.dropout=0", "training.log_every=1"]
"""Dropout off: its draws are another for each process."""


def start(count: int, *settings: str) -> subprocess.Popen:
    """`torchrun … -m mt train` with that many processes on this machine."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count), "-m", "mt"]
    return subprocess.Popen(
        [*command, "train", "--config", "copy", *sets([*PLAIN, *settings])], env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
    )  # fmt: skip


def finished(process: subprocess.Popen) -> str:
    """Its standard error, once it has ended well."""
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    return stderr


def losses(name: str, kind: str = "train") -> list[float]:
    lines = (runs_root() / name / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [line["loss"] for line in map(json.loads, lines) if line["kind"] == kind]


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param([], id="adam", marks=pytest.mark.slow),
        pytest.param(["training.accumulation=2", "training.optimizer=muon"], id="muon", marks=pytest.mark.slow),
        pytest.param(["training.max_tokens=12"], id="few"),
        pytest.param(["training.shard=true", "training.ema_decay=0.5"], id="sharded", marks=pytest.mark.slow),
        pytest.param(["training.shard=true", "training.optimizer=muon", "training.weight_decay=0.1"], id="sharded muon"),
        pytest.param(
            ["training.shard=true", "training.max_tokens=12", "model.tie_embeddings=none", "model.positions=learned"],
            id="sharded few", marks=pytest.mark.slow,
        ),
    ],
)
def test_two_processes_have_the_losses_of_one(settings: list[str]) -> None:
    """Also where a batch has a single sentence and the second process nothing to compute."""
    stderr = finished(start(2, "name=two", *settings))
    alone = mt_process("train", "--config", "copy", *sets([*PLAIN, "name=one", *settings]))
    assert alone.returncode == 0, alone.stderr
    assert losses("two") == pytest.approx(losses("one"), rel=1e-4)
    assert losses("two", "valid") == pytest.approx(losses("one", "valid"), rel=1e-4)
    assert len(losses("two")) == 10, "one process writes"
    assert stderr.count("training pairs") == 1 and "in 2 processes" in stderr, "one process speaks"


def test_checkpoints_of_divided_weights_are_like_any_others() -> None:
    """Two processes with divided weights, then three, then two whole: as if it had been one all along."""
    settings = ["training.optimizer=muon", "training.ema_decay=0.9", "training.average=none"]
    turns = ((2, "true", 10), (3, "true", 20), (2, "false", 30))
    for count, shard, steps in turns:
        finished(start(count, "name=turns", *settings, f"training.shard={shard}", f"training.max_steps={steps}"))
    whole = mt_process("train", "--config", "copy", *sets([*PLAIN, "name=whole", *settings, "training.max_steps=30"]))
    assert whole.returncode == 0, whole.stderr
    assert losses("turns") == pytest.approx(losses("whole"), rel=2e-3)
    run, reference = (RunDirectory(runs_root() / name) for name in ("turns", "whole"))
    for file in ("model", "optimizer", "ema"):
        tensors, others = (read_tensors(each.checkpoint_path(30) / f"{file}.safetensors") for each in (run, reference))
        assert {name: tensor.shape for name, tensor in tensors.items()} == {name: tensor.shape for name, tensor in others.items()}
        for name, tensor in tensors.items():
            if not name.endswith("k_proj.bias"):  # its gradient is rounding alone, since the softmax does not see it
                torch.testing.assert_close(tensor, others[name], rtol=2e-2, atol=1e-2)


def test_a_killed_process_ends_all_with_a_message_and_any_number_goes_on() -> None:
    name, run = "killed", RunDirectory(runs_root() / "killed")
    settings = [f"name={name}", "training.max_steps=2000", "training.save_every=20", "training.validate_every=10000"]
    process = start(2, *settings)
    wait_until(lambda: num_lines(run.metrics_path) > 45, process)
    workers = [int(path.name) for path in Path("/proc").glob("[0-9]*") if _is_worker(path, process.pid)]
    assert len(workers) == 2
    os.kill(next(worker for worker in workers if _rank(worker) == "1"), signal.SIGKILL)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "another process of this training has ended" in stderr or "Signal 9 (SIGKILL)" in stderr
    steps = run.checkpoint_steps()
    assert steps and not run.finished()
    ending = str(steps[-1] + 30)
    for count in (3, 1):
        finished(start(count, *settings[:1], f"training.max_steps={ending}", *settings[2:]))
        assert run.read_json("summary.json")["step"] == int(ending)
        ending = str(int(ending) + 20)
    mt_process("train", "--config", "copy", *sets([*PLAIN, "name=whole", f"training.max_steps={int(ending) - 20}", *settings[2:]]))
    assert losses(name) == pytest.approx(losses("whole"), rel=2e-3), "as if it had been one process all along"


def _is_worker(folder: Path, parent: int) -> bool:
    try:
        return folder.joinpath("stat").read_text().split()[3] == str(parent)
    except OSError:
        return False


def _rank(process: int) -> str:
    entries = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    return next(entry.removeprefix(b"RANK=").decode() for entry in entries if entry.startswith(b"RANK="))


def test_sigterm_to_all_saves_once_and_says_how_to_go_on() -> None:
    run = RunDirectory(runs_root() / "stopped")
    process = start(2, "name=stopped", "training.max_steps=5000", "training.save_every=4000", "training.validate_every=10000")
    wait_until(lambda: num_lines(run.metrics_path) > 5, process)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=120)
    assert "saved at step" in stderr and "go on with the same command" in stderr
    [step] = run.checkpoint_steps()
    assert run.read_json("checkpoints/last/state.json")["step"] == step > 0


def test_a_users_mistake_is_told_without_a_traceback() -> None:
    process = start(2, "name=wrong", "data.train=missing.tsv")
    _, stderr = process.communicate(timeout=120)
    assert "error: " in stderr and "missing.tsv" in stderr
    assert "mt/cli.py" not in stderr, "torchrun tells where it was itself, but none of our lines"


def test_rows_come_back_as_they_were_sent() -> None:
    assert _rows([2, 7, 8, 0, 1, 9]) == [[7, 8], [], [9]]
    assert _rows([]) == []
