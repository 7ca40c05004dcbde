"""A run translates at once, without torch, and as it would with torch; what numpy cannot be sure of, torch says."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mt.errors import ConfigError, RunError
from mt.instant import search as numpy_search
from mt.instant import translator as instant
from mt.instant.translator import InstantTranslator
from mt.runs import file_hash
from mt.stored_files import find_stored
from mt.stored_model import read_tensors, serialise
from mt.translate_command import open_translator
from mt.translator import Translator
from tests.command_line import run_mt

LINES = ["ba be bi", "", "da", "ma ka di di mu do bi ki ke", "   ", "me du mi"]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many times a translator in torch was loaded."""
    loaded = []
    load = Translator.of_stored
    monkeypatch.setattr(Translator, "of_stored", lambda *given: loaded.append(given) or load(*given))
    return lambda: len(loaded)


@pytest.mark.parametrize("options", [{}, {"beam_size": 2}, {"method": "greedy"}], ids=["default", "two", "greedy"])
def test_translations_are_the_runs_own(trained_run: Path, tmp_path: Path, counted: Callable[[], int], options: dict) -> None:
    run = shutil.copytree(trained_run, tmp_path / "run")
    first = InstantTranslator(run)
    first.translate(LINES, **options)
    assert all(check.passed for check in first.compare_engines())
    before, translator, done = counted(), InstantTranslator(run), []
    found = translator.translate_nbest(LINES, translator.options(**options), done.append)
    assert counted() == before and sum(done) == len(LINES)
    own = Translator.load(run)
    expected = own.translate_nbest(LINES, own.options(**options))
    for [one], [other] in zip(found, expected, strict=True):
        assert (one.text, one.finished) == (other.text, other.finished)
        assert one.score == pytest.approx(other.score, abs=1e-4) and one.log_prob == pytest.approx(other.log_prob, abs=1e-4)
    assert translator.translate(LINES, **options) == own.translate(LINES, **options)
    for name in ("path", "source_language", "target_language", "max_source_tokens"):
        assert getattr(translator, name) == getattr(own, name)


def test_a_sentence_is_translated_without_torch(trained_run: Path) -> None:
    code = (
        "import sys; sys.argv = ['mt', 'translate', '--model', sys.argv[1], 'ba be bi']\n"
        "import atexit; atexit.register(lambda: print(*sorted({'torch', 'datasets', 'sacrebleu', 'tqdm'} & {*sys.modules})))\n"
        "from mt.cli import main; main()"
    )
    found = subprocess.run([sys.executable, "-c", code, str(trained_run)], capture_output=True, text=True, check=True)
    assert found.stdout == "ba be bi\n\n"


def test_the_prompt_and_standard_input_take_it_too(trained_run: Path, counted: Callable[[], int]) -> None:
    outcome = run_mt("translate", "--model", str(trained_run), stdin=b"ba be\n\nda mu\n")
    assert (outcome.exit_code, outcome.stdout.count("\n"), counted()) == (0, 3, 0), outcome.stderr
    assert outcome.stdout == run_mt("translate", "--engine", "torch", "--model", str(trained_run), "ba be", "", "da mu").stdout


def test_a_line_that_is_not_certain_is_torchs(
    trained_run: Path, counted: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numpy_search, "MARGIN", 1e9)
    translator = InstantTranslator(trained_run)
    found = translator.translate_nbest(LINES)
    assert counted() == 1
    assert found == Translator.load(trained_run).translate_nbest(LINES)


@pytest.mark.parametrize(
    "options",
    [{"nbest": 2, "beam_size": 2}, {"method": "sampling"}, {"no_repeat_ngram": 2}, {"coverage_penalty": 0.2}, {"precision": "bf16"},
     {"mbr": 3}],
    ids=lambda options: next(iter(options)),
)
def test_what_numpy_has_no_counterpart_of_is_torchs(trained_run: Path, counted: Callable[[], int], options: dict) -> None:
    translator = InstantTranslator(trained_run)
    found = translator.translate_nbest(["ba be"], translator.options(**options))
    assert counted() == 1
    own = Translator.load(trained_run)
    assert found == own.translate_nbest(["ba be"], own.options(**options))


def test_constraints_and_all_else_are_torchs(trained_run: Path, counted: Callable[[], int]) -> None:
    translator = InstantTranslator(trained_run)
    asked = translator.constraints(prefix="mu")
    [[found]] = translator.translate_nbest(["ba be"], constraints=[asked])
    assert found.text.startswith("mu") and counted() == 1
    assert translator.model is translator.full().model
    with pytest.raises(AttributeError):
        translator.nothing  # noqa: B018


def test_very_many_lines_are_torchs(trained_run: Path, counted: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instant, "_MOST_WORK", 10)
    translator = InstantTranslator(trained_run)
    [found] = translator.translate(["ba be bi"])
    assert counted() == 0
    assert translator.translate(["ba be bi", "da"])[0] == found and counted() == 1


RECURRENT = ("model.d_ff=2048", "model.num_heads=8", "model.norm_position=post", "model.architecture=rnn-attention")
SMALL = ("name=other", "data.test=[]", "training.max_steps=1", "training.validate_sentences=1", "model.d_model=8")


@pytest.mark.parametrize("settings", [("model.activation=gelu", "model.num_heads=2", "model.d_ff=8"), RECURRENT], ids=["gelu", "recurrent"])
def test_other_architectures_are_torchs(counted: Callable[[], int], settings: tuple[str, ...]) -> None:
    trained = run_mt("train", "--config", "copy", *[part for setting in (*SMALL, *settings) for part in ("--set", setting)])
    assert trained.exit_code == 0, trained.stderr
    before, run = counted(), Path(os.environ["MT_RUNS"]) / "other"
    assert InstantTranslator(run).translate(["ba be"]) == Translator.load(run).translate(["ba be"])
    assert counted() == before + 2


def test_it_is_taken_where_nothing_is_asked_that_it_lacks(trained_run: Path) -> None:
    run = str(trained_run)
    assert isinstance(open_translator([run], "auto", "cpu", instant=True), InstantTranslator)
    for models, engine, device, wanted in (([run], "torch", "cpu", True), ([run, run], "auto", "cpu", True), ([run], "auto", "auto", True),
                                           ([run], "auto", "cpu", False)):  # fmt: skip
        assert isinstance(open_translator(models, engine, device, wanted), Translator)
    scores = run_mt("translate", "--model", run, "--scores", "ba be")
    own = Translator.load(trained_run).translate_nbest(["ba be"])
    assert scores.stdout == f"{own[0][0].score:.4f}\t{own[0][0].text}\n", "to the last digit"


@pytest.mark.parametrize("change", [torch.bfloat16, torch.nan], ids=["bf16", "nan"])
def test_weights_of_another_kind_are_torchs(trained_run: Path, tmp_path: Path, counted: Callable[[], int], change: object) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    stored = find_stored(run)
    tensors = read_tensors(stored.weights)
    changed = {name: tensor.to(change) if isinstance(change, torch.dtype) else tensor * change for name, tensor in tensors.items()}
    stored.weights.write_bytes(serialise(changed, stored.tokenizer.fingerprint()))
    summary = json.loads((run / "summary.json").read_text()) | {"weights_sha256": file_hash(stored.weights)}
    (run / "summary.json").write_text(json.dumps(summary))
    outcome = run_mt("translate", "--model", str(run), "ba be bi")
    assert counted() == 1 and outcome == run_mt("translate", "--engine", "torch", "--model", str(run), "ba be bi")
    assert outcome.exit_code == (0 if isinstance(change, torch.dtype) else 2)


def test_damage_is_said_as_ever(trained_run: Path, tmp_path: Path) -> None:
    shutil.copytree(trained_run, tmp_path / "damaged")
    weights = tmp_path / "damaged" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100] + bytes(100))
    with pytest.raises(RunError, match="damaged since"):
        InstantTranslator(tmp_path / "damaged")
    with pytest.raises(RunError, match="not a run directory"):
        InstantTranslator(tmp_path)
    with pytest.raises(ConfigError, match="beam_sise"):
        InstantTranslator(trained_run).options(beam_sise=3)
    with pytest.raises(TypeError, match="a list of sentences"):
        InstantTranslator(trained_run).translate_nbest("ba")
