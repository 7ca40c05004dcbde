"""numpy translates only with weights and settings on which it was found equal to torch; otherwise torch does, and they are compared."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mt import engine_record
from mt.config import DecodingConfig
from mt.engine_record import LEAST_CERTAIN, RECORD, EngineCheck, add_check, allows, engine_version, read_checks, settings_that_matter
from mt.instant import check as engine_check
from mt.instant import search as numpy_search
from mt.instant.layers import Blocks
from mt.instant.translator import InstantTranslator
from mt.run_facts import read_facts
from mt.runs import file_hash
from mt.stored_files import find_stored
from mt.stored_model import read_tensors, serialise
from mt.training.trainer import train
from mt.translator import Translator
from tests.command_line import run_mt
from tests.tiny import tiny_config

LINES = ["ba be bi", "da", "ma ka di di mu do bi ki ke", "me du mi"]


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> Path:
    """A run that may be changed."""
    return shutil.copytree(trained_run, tmp_path / "own" / "copy")


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many times a model in torch was loaded since this was last called."""
    times: list[object] = []
    load = Translator.of_stored
    monkeypatch.setattr(Translator, "of_stored", lambda *given: times.append(given) or load(*given))

    def since() -> int:
        count = len(times)
        times.clear()
        return count

    return since


def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine as it once was: the last block of the vocabulary counts as padding."""
    build = Blocks.__init__

    def build_wrongly(self: Blocks, weight: object) -> None:
        build(self, weight)
        self.in_last = 0

    monkeypatch.setattr(Blocks, "__init__", build_wrongly)


def change_weights(run: Path) -> None:
    """Other weights, as a training that goes on writes them."""
    stored = find_stored(run)
    tensors = {name: tensor + 0.5 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(1))
               for name, tensor in read_tensors(stored.weights).items()}  # fmt: skip
    beside = run / "beside"
    beside.write_bytes(serialise(tensors, stored.tokenizer.fingerprint()))
    os.replace(beside, run / "model.safetensors")
    summary = json.loads((run / "summary.json").read_text()) | {"weights_sha256": file_hash(run / "model.safetensors")}
    (run / "summary.json").write_text(json.dumps(summary))


def made(run: Path, **changes: object) -> EngineCheck:
    """A comparison that passed."""
    fields = {"settings": settings_that_matter(DecodingConfig()), "sentences": 48, "certain": 40, "different": 0, "other_probabilities": 0,
              "largest_difference": 1e-6, "origin": "valid"}  # fmt: skip
    check = EngineCheck(**fields | changes)
    add_check(run / "model.safetensors", file_hash(run / "model.safetensors"), check)
    return check


# ── when it is compared ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_training_compares_at_its_end(run: Path, loaded: Callable[[], int]) -> None:
    [check] = read_checks(run / "model.safetensors", file_hash(run / "model.safetensors"))
    assert check.passed and check.sentences >= 40 and check.certain >= 20 and check.largest_difference < 1e-4
    assert check.settings == settings_that_matter(find_stored(run).config.decoding)
    found = run_mt("translate", "--model", str(run), *LINES)
    assert (found.exit_code, found.stderr, loaded()) == (0, "", 0)


def test_an_older_run_is_translated_with_torch_once_and_compared(run: Path, loaded: Callable[[], int]) -> None:
    (run / RECORD).unlink()
    first = run_mt("translate", "--model", str(run), *LINES)
    assert (first.exit_code, loaded()) == (0, 1)
    assert "numpy and torch compared" in first.stderr and "all equal; short inputs start without torch from now on" in first.stderr
    second = run_mt("translate", "--model", str(run), *LINES)
    assert (second.exit_code, second.stderr, loaded()) == (0, "", 0)
    assert first.stdout == second.stdout == run_mt("translate", "--engine", "torch", "--model", str(run), *LINES).stdout


def test_an_engine_that_differs_never_translates_and_that_is_said_once(
    run: Path, loaded: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run_mt("translate", "--engine", "torch", "--model", str(run), *LINES).stdout
    broken(monkeypatch)
    (run / RECORD).unlink()
    loaded()
    for told in ("torch translates; 'mt selftest' shows more", ""):
        found = run_mt("translate", "--model", str(run), *LINES)
        assert (found.stdout, loaded()) == (expected, 1)
        assert told in found.stderr and bool(told) == bool(found.stderr)
    [check] = read_checks(run / "model.safetensors", file_hash(run / "model.safetensors"))
    assert check.differs and not check.passed and "differ" in check.verdict
    assert run_mt("translate", "--model", str(run), "--beam", "2", *LINES).stderr == "", "nor with other settings"


def test_a_training_whose_engine_differs_says_so(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    broken(monkeypatch)
    train(tiny_config())
    assert "mt translate will use torch alone" in caplog.text
    weights = Path(os.environ["MT_RUNS"]) / "tiny" / "model.safetensors"
    [check] = read_checks(weights, file_hash(weights))
    assert check.other_probabilities == check.sentences


@pytest.mark.parametrize("beam", ["2", "7"])
def test_other_settings_are_compared_too(run: Path, loaded: Callable[[], int], beam: str) -> None:
    asked = ("translate", "--model", str(run), "--beam", beam, *LINES)
    first, times = run_mt(*asked), loaded()
    second = run_mt(*asked)
    assert (times, loaded()) == (1, 0) and first.stdout == second.stdout and second.stderr == ""
    assert run_mt("translate", "--model", str(run), *LINES).stderr == "" and loaded() == 0, "what was compared before still holds"


def test_the_prompt_compares_when_it_ends(run: Path, loaded: Callable[[], int]) -> None:
    (run / RECORD).unlink()
    found = run_mt("translate", "--model", str(run), stdin=b"ba be\n")
    assert loaded() == 1 and "compared" in found.stderr
    checks = read_checks(run / "model.safetensors", file_hash(run / "model.safetensors"))
    assert allows(checks, find_stored(run).config.decoding)


def test_where_nothing_is_asked_of_numpy_nothing_is_compared(run: Path) -> None:
    (run / RECORD).unlink()
    for options in (("--nbest", "2", "--beam", "2"), ("--engine", "torch"), ("--scores",), ("--no-repeat-ngram", "2")):
        assert run_mt("translate", "--model", str(run), *options, "ba be").stderr == ""
    assert not (run / RECORD).exists()


def test_without_the_runs_sentences_drawn_ones_are_compared(run: Path) -> None:
    stored = find_stored(run, hold=True)
    config = stored.config.model_copy(update={"data": stored.config.data.model_copy(update={"valid": (), "test": ()})})
    assert engine_check.own_sentences(config) == ([], "drawn")
    sources = engine_check.chosen_sources([], stored.tokenizer, 256)
    assert len(sources) == 48 and len({*map(tuple, sources)}) > 40 and sources == engine_check.chosen_sources([], stored.tokenizer, 256)
    texts = [f"ba be {number}" for number in range(1000)]
    assert len(engine_check.chosen_sources(texts, stored.tokenizer, 256)) == 48


# ── for what it holds ────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_holds_for_these_weights_alone(run: Path, loaded: Callable[[], int]) -> None:
    change_weights(run)
    assert read_checks(run / "model.safetensors", file_hash(run / "model.safetensors")) == []
    expected = run_mt("translate", "--engine", "torch", "--model", str(run), *LINES).stdout
    loaded()
    assert run_mt("translate", "--model", str(run), *LINES).stdout == expected and loaded() == 1


def test_it_holds_for_this_engine_alone(run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weights, name = run / "model.safetensors", "instant/search.py"
    assert read_checks(weights, file_hash(weights))
    before = engine_version()
    monkeypatch.setattr(engine_record, "_SOURCES", (*engine_record._SOURCES, "errors.py"))
    engine_version.cache_clear()
    assert engine_version() != before and name in engine_record._SOURCES and read_checks(weights, file_hash(weights)) == []
    monkeypatch.undo()
    engine_version.cache_clear()


def test_every_file_of_the_engine_counts() -> None:
    """What the search in numpy runs through, but for the settings, the ids and the errors."""
    package = Path(engine_record.__file__).parent
    own = {f"instant/{path.name}" for path in (package / "instant").glob("*.py")}
    aside = {"instant/__init__.py", "instant/translator.py", "instant/check.py", "instant/stored.py"}
    assert own - aside <= {*engine_record._SOURCES}
    assert all((package / name).is_file() for name in engine_record._SOURCES)


def test_what_was_loaded_at_the_beginning_is_what_translates_to_the_end(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when a training writes other weights between numpy's first sentence and torch's."""
    expected = Translator.load(run).translate(LINES)
    translator = InstantTranslator(run)
    change_weights(run)
    assert Translator.load(run).translate(LINES) != expected, "the new weights translate otherwise"
    assert translator.translate(LINES[:1]) == expected[:1]
    monkeypatch.setattr(numpy_search, "MARGIN", 1e9)
    assert translator.translate(LINES) == expected and translator.full() is not None


def test_too_few_certain_translations_prove_nothing(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not made(run, certain=LEAST_CERTAIN - 1).passed
    assert made(run, certain=LEAST_CERTAIN).passed
    for wrong in ({"different": 1}, {"other_probabilities": 1}, {"largest_difference": 1e-3}, {"largest_difference": float("nan")}):
        assert made(run, **wrong).differs
    monkeypatch.setattr(numpy_search, "MARGIN", 1e9)
    (run / RECORD).unlink()
    for told in ("too few to rely on", ""):
        found = run_mt("translate", "--model", str(run), *LINES)
        assert found.exit_code == 0 and told in found.stderr and bool(told) == bool(found.stderr)


# ── where it is kept ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_where_the_runs_folder_cannot_be_written_it_is_kept_in_the_cache(run: Path, loaded: Callable[[], int]) -> None:
    (run / RECORD).unlink()
    (run / RECORD).mkdir()
    (run / RECORD / "in the way").touch()
    first = run_mt("translate", "--model", str(run), *LINES)
    assert "all equal" in first.stderr and loaded() == 1
    cached = Path(os.environ["MT_CACHE"]) / "engines" / f"{file_hash(run / 'model.safetensors')}.json"
    assert cached.is_file()
    second = run_mt("translate", "--model", str(run), *LINES)
    assert (second.stdout, second.stderr, loaded()) == (first.stdout, "", 0)
    cached.unlink()


def test_where_nothing_can_be_kept_torch_translates_and_nothing_is_compared(
    run: Path, loaded: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    (run / RECORD).unlink()
    monkeypatch.setattr(os, "access", lambda *given: False)
    found = run_mt("translate", "--model", str(run), *LINES)
    assert (found.exit_code, found.stderr, loaded()) == (0, "", 1)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"checks": 3}', "[" * 5000, '{"weights_sha256": null}', "\0\0", "{}" + " " * (1 << 21)],
    ids=lambda content: content[:12],
)
def test_a_damaged_record_is_none(run: Path, loaded: Callable[[], int], content: str) -> None:
    (run / RECORD).write_text(content)
    assert read_checks(run / "model.safetensors", file_hash(run / "model.safetensors")) == []
    assert run_mt("translate", "--model", str(run), "ba be").exit_code == 0 and loaded() == 1


@pytest.mark.parametrize("field", ["sentences", "certain", "different", "other_probabilities", "largest_difference", "settings", "origin"])
def test_a_record_with_a_damaged_field_is_none(run: Path, field: str) -> None:
    content = json.loads((run / RECORD).read_text())
    weights = run / "model.safetensors"
    for wrong in (None, "x", [], True):
        if not (field == "origin" and wrong == "x"):
            content["checks"][0] = content["checks"][0] | {field: wrong}
            (run / RECORD).write_text(json.dumps(content))
            assert read_checks(weights, file_hash(weights)) == []


def test_what_differed_is_not_forgotten_among_many_settings(run: Path) -> None:
    made(run, different=1)
    for beam in range(6, 60):
        made(run, settings=settings_that_matter(DecodingConfig(beam_size=beam)))
    checks = read_checks(run / "model.safetensors", file_hash(run / "model.safetensors"))
    assert len(checks) == 32 and allows(checks, DecodingConfig(beam_size=40)) is False
    assert read_facts(run).problems == ()
