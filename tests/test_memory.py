"""Memory: errors that say it ran out are known, limits count, a long text takes no more than a batch, commands say what to lower."""

import errno
import random
import re
import resource
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import torch

from mt.data.batching import Batch, halved, make_batch, whole, within_square
from mt.data.pairs import EncodedPairs
from mt.data.special_ids import EOS
from mt.decoding.scoring import score_ids
from mt.errors import DataError, MemoryShortageError
from mt.memory import free_memory_mb, ran_out_of_memory
from mt.model import attention as attention_module
from mt.model.build import build_model
from mt.training.trainer import train
from tests.command_line import run_mt
from tests.processes import sets
from tests.tiny import SETTINGS, tiny_config


def caught(allocate) -> BaseException:
    with pytest.raises(Exception) as raised:
        allocate()
    return raised.value


def test_errors_of_python_numpy_and_torch_are_known() -> None:
    for allocate in (lambda: bytes(1 << 60), lambda: numpy.zeros(1 << 58, dtype=numpy.uint8), lambda: torch.empty(1 << 58)):
        assert ran_out_of_memory(caught(allocate))
    for error in (
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 139.80 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: not enough memory: you tried to allocate 4 bytes."),
        RuntimeError("MPS backend out of memory (MPS allocated: 1.0 GB)"), RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"),
        RuntimeError("std::bad_alloc"), RuntimeError("can't start new thread"), OSError(errno.ENOMEM, "Cannot allocate memory"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"), MemoryShortageError("fork"),
    ):  # fmt: skip
        assert ran_out_of_memory(error), error
    for error in (
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"), OSError(errno.ENOSPC, "No space left"), DataError("memory"),
        ImportError("No module named 'memory'"), ImportError("a.so: failed to map segment from shared object: Operation not permitted"),
        ValueError("out of memory"),
    ):  # fmt: skip
        assert not ran_out_of_memory(error), error


def limited(code: str, megabytes: int, *arguments: str) -> subprocess.CompletedProcess:
    """Run Python code in a process that may take so much address space."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, preexec_fn=limit, timeout=300)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say what is left")
def test_a_limit_on_the_process_counts_as_what_is_free() -> None:
    found = limited("from mt.memory import free_memory_mb; print(free_memory_mb())", 700)
    assert 300 < float(found.stdout) < 740 and free_memory_mb() > 0


@pytest.mark.parametrize("error", [
    MemoryError(), RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried 40000000000"),
    RuntimeError("std::bad_alloc"),
])  # fmt: skip
def test_every_kind_of_shortage_gets_the_one_message(
    error: Exception, trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("mt.decoding.scoring.score_ids", fail)
    (tmp_path / "a.txt").write_text("ba\n", encoding="utf-8")
    outcome = run_mt("score", "--model", str(trained_run), "a.txt", "a.txt")
    told = " ".join(outcome.stderr.split())
    assert outcome.exit_code == 2 and "Traceback" not in told
    assert re.search(r"error: mt score ran out of memory \(.*\)\. Try fewer or shorter lines", told), told


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("most", [1, 100, 5000])
def test_attention_in_turns_is_attention(monkeypatch: pytest.MonkeyPatch, causal: bool, most: int) -> None:
    torch.manual_seed(most)
    q_BHQK, k_BHMK, v_BHMK = (torch.randn(2, 3, 37, 8) for _ in range(3))
    mask = attention_module.causal_mask(37, q_BHQK.device) if causal else torch.rand(2, 1, 1, 37) > 0.3
    bias = attention_module.mask_bias(mask, q_BHQK.dtype)
    dropout = attention_module.Dropout(0.0)
    together = attention_module.attend(q_BHQK, k_BHMK, v_BHMK, bias, dropout)
    monkeypatch.setattr(attention_module, "MOST_SCORES", most)
    with torch.inference_mode():
        in_turns = attention_module.attend(q_BHQK, k_BHMK, v_BHMK, bias, dropout)
    torch.testing.assert_close(in_turns, together)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_one_text_of_ten_thousand_tokens_takes_no_more_than_a_batch() -> None:
    """Encoding and scoring it: 1.2 GB for each layer's scores alone when they are all held at once."""
    code = (
        "import resource, torch; from mt.config import ModelConfig; from mt.model.build import build_model\n"
        "from mt.decoding.scoring import score_ids\n"
        "model = build_model(ModelConfig(d_model=32, num_heads=2, d_ff=32, encoder_layers=1, decoder_layers=1), 50, 50).eval()\n"
        "long, short = [5] * 10_000 + [3], [6, 3]\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "score_ids(model, [long, *[short] * 400], [short] * 401, 1.0)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert int(found.stdout) < 900, found.stdout + found.stderr


def test_a_long_source_beside_short_targets_is_scored_as_if_it_were_alone() -> None:
    torch.manual_seed(3)
    model = build_model(tiny_config().model, 30, 30).eval()
    draw = random.Random(5)
    sources = [[*draw.choices(range(5, 30), k=length), EOS] for length in (300, 3, 4, 5, 90)]
    targets = [[*draw.choices(range(5, 30), k=length), EOS] for length in (2, 3, 250, 5, 1)]
    together = score_ids(model, sources, targets, 1.0, max_tokens=50)
    for source, target, found in zip(sources, targets, together, strict=True):
        [alone] = score_ids(model, [source], [target], 1.0)
        assert found.tokens == alone.tokens and found.log_prob == pytest.approx(alone.log_prob, abs=1e-4)


def test_parts_of_a_batch_keep_its_order_and_its_limit() -> None:
    draw = random.Random(7)
    for _ in range(200):
        lengths = [draw.randint(1, 60) for _ in range(draw.randint(1, 40))]
        most = draw.choice([1, 500, 5000, 10**6])
        parts = within_square(lengths, range(len(lengths)), most)
        assert [index for part in parts for index in part] == [*range(len(lengths))]
        assert all(len(part) == 1 or len(part) * max(lengths[index] for index in part) ** 2 <= most for part in parts)


def test_halves_of_batches_have_the_same_pairs() -> None:
    draw = numpy.random.default_rng(9)
    rows = [[draw.integers(5, 30, draw.integers(1, 9)).tolist() + [EOS] for _ in range(7)] for _ in range(2)]
    share = whole(make_batch(EncodedPairs(*rows, numpy.ones(7)), range(7)))

    def pairs(batches: list[Batch]) -> list[tuple]:
        return sorted(
            (tuple(source[source != 0].tolist()), tuple(target[target != 0].tolist()))
            for batch in batches for source, target in zip(batch.source_BS, batch.target_BT, strict=True)
        )  # fmt: skip

    quarters = halved(halved(share))
    assert [len(batch.source_BS) for batch in quarters.batches] == [2, 2, 2, 1]
    assert pairs(quarters.batches) == pairs(share.batches) and quarters.num_target_tokens == share.num_target_tokens
    assert sum(batch.num_target_tokens for batch in quarters.batches) == share.num_target_tokens


# ── texts far longer than those of training ─────────────────────────────────────────────────────────────────────────


def long_pairs(folder: Path, tokens: int = 10_000) -> tuple[Path, Path]:
    """Two files of three pairs; the second source has so many words."""
    source, target = folder / "long.txt", folder / "long.ref.txt"
    source.write_text(f"ba ma\n{'di ' * tokens}mu\nme du mi\n", encoding="utf-8")
    target.write_text("ba ma\ndi mu\nme du mi\n", encoding="utf-8")
    return source, target


def held_out(split: str, folder: Path) -> list[str]:
    source, target = long_pairs(folder)
    return [f"data.{split}=[{{source: {source}, target: {target}}}]"]


def test_a_validation_pair_far_beyond_max_length_is_named_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    train(tiny_config(*held_out("valid", tmp_path)))
    [told] = [record.getMessage() for record in caplog.records if "validation pairs are left out" in record.getMessage()]
    assert "long.txt" in told and "1 of 3" in told and re.search(r"line 2: \d+,\d+ tokens", told) and "data.max_length=" in told
    lines = tmp_path / "only.src", tmp_path / "only.trg"
    lines[0].write_text("di " * 5000 + "\n", encoding="utf-8")
    lines[1].write_text("di\n", encoding="utf-8")
    with pytest.raises(DataError, match="all 1 pairs have a side of more than 4 times data.max_length"):
        train(tiny_config(f"data.valid=[{{source: {lines[0]}, target: {lines[1]}}}]", "name=none"))


def test_a_long_test_source_is_named_before_training_and_cut(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    summary = train(tiny_config(*held_out("test", tmp_path)))
    told = [record.getMessage() for record in caplog.records if "data.max_length" in record.getMessage()]
    assert "1 of 3 test sources are longer" in told[0] and "(line 2)" in told[0] and "will be cut for translation" in told[0]
    assert "line 2 is longer" in told[1] and "was cut for translation, as mt translate does" in told[1]
    assert summary["test"]["sentences"] == 3
    source, target = long_pairs(tmp_path)
    found = run_mt("eval", "--model", "tiny", "--source", str(source), "--reference", str(target), "--output", "found.txt")
    assert found.exit_code == 0 and "note: long.txt: line 2 is longer" in found.stderr
    documents = run_mt("translate", "--model", "tiny", "--input", str(source), "--output", "translated.txt")
    assert documents.exit_code == 0, documents.stderr
    assert Path("found.txt").read_text() == Path("translated.txt").read_text(), "what is scored is what mt translate writes"


def test_score_notes_a_long_line_and_refuses_one_that_cannot_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(tiny_config())
    source, target = long_pairs(tmp_path, 300)
    found = run_mt("score", "--model", "tiny", str(source), str(target))
    assert found.exit_code == 0 and len(found.stdout.splitlines()) == 4 and "line 2 has 30" in found.stderr
    monkeypatch.setattr("mt.training.hardware.available_memory_mb", lambda device: 0.001)
    found = run_mt("score", "--model", "tiny", str(source), str(target))
    assert found.exit_code == 2 and f"error: {source}: line 2 has 30" in found.stderr and "cut it into sentences" in found.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not keep to the limit")
def test_long_lines_are_measured_within_a_limit(tmp_path: Path) -> None:
    """A text of 30,000 words in validation, test, eval and score, in 7 GB of addresses, of which torch alone takes more than 2."""
    code = "import sys; sys.argv[0] = 'mt'; from mt.cli import main; main()"
    source, target = long_pairs(tmp_path, 30_000)
    settings = sets([*SETTINGS, *(f"data.{split}=[{{source: {source}, target: {target}}}]" for split in ("valid", "test"))])
    for command in (
        ["train", "--config", "copy", *settings], ["eval", "-m", "tiny", "--source", str(source), "--reference", str(target)],
        ["score", "-m", "tiny", str(source), str(target)],
    ):  # fmt: skip
        found = limited(code, 7000, *command)
        assert found.returncode == 0, found.stderr[-3000:]
