"""numpy translates only with weights and settings on which it was found equal to torch; otherwise torch does, and they are compared."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from mt import engine_record
from mt.config import DecodingConfig
from mt.engine_record import LEAST_CERTAIN, RECORD, EngineCheck, add_check, allows, engine_version, read_checks, settings_that_matter
from mt.instant import check as engine_check
from mt.instant import search as numpy_search
from mt.instant import translator as instant_translator
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
def run(trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that may be changed, and a cache that no other test has written to."""
    monkeypatch.setenv("MT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(instant_translator, "SECONDS", 60.0)
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


def slow_down(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Comparing a sentence takes so long, on the comparison's clock alone; three seconds are allowed."""
    passed, search = [0.0], engine_check.numpys_own
    clock = SimpleNamespace(monotonic=lambda: passed[0])

    def search_slowly(*given: object) -> object:
        passed[0] += seconds
        return search(*given)

    monkeypatch.setattr(engine_check, "numpys_own", search_slowly)
    for module in (engine_check, instant_translator):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(instant_translator, "SECONDS", 3.0)


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


# ── how long it may take ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_comparison_that_takes_too_long_goes_on_next_time(
    run: Path, loaded: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock that moves a second with each sentence that numpy translates: three seconds are enough for three at a time."""
    slow_down(monkeypatch, 1.0)
    weights, weights_hash = run / "model.safetensors", file_hash(run / "model.safetensors")
    (run / RECORD).unlink()
    compared, said = [], []
    for _ in range(engine_record.MOST_TRIES):
        said.append(run_mt("translate", "--model", str(run), *LINES).stderr)
        compared += [check.sentences for check in read_checks(weights, weights_hash)]
        if "from now on" in said[-1]:
            break
        assert "the comparison goes on next time" in said[-1] and read_facts(run).numpy.startswith("later")
    assert all(2 <= now - last <= 6 for last, now in pairwise([0, *compared])) and len(compared) > 2
    assert compared[-1] >= 16 and "from now on" in said[-1]
    loaded()
    assert run_mt("translate", "--model", str(run), *LINES).stderr == "" and loaded() == 0


def test_where_no_comparison_gets_far_torch_translates_for_good(
    run: Path, loaded: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model so large that one sentence takes a minute."""
    expected = run_mt("translate", "--engine", "torch", "--model", str(run), *LINES).stdout
    slow_down(monkeypatch, 60.0)
    (run / RECORD).unlink()
    for tries in range(1, engine_record.MOST_TRIES + 1):
        found = run_mt("translate", "--model", str(run), *LINES)
        [check] = read_checks(run / "model.safetensors", file_hash(run / "model.safetensors"))
        assert found.stdout == expected and (check.sentences, check.tries) == (tries, tries)
    assert "too few to rely on, torch translates" in found.stderr
    loaded()
    last = run_mt("translate", "--model", str(run), *LINES)
    assert (last.stdout, last.stderr, loaded()) == (expected, "", 1)
    [check] = read_checks(run / "model.safetensors", file_hash(run / "model.safetensors"))
    assert check.sentences == engine_record.MOST_TRIES and not check.passed


# ── for what it holds ────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_holds_for_these_weights_alone(run: Path, loaded: Callable[[], int]) -> None:
    change_weights(run)
    assert read_checks(run / "model.safetensors", file_hash(run / "model.safetensors")) == []
    expected = run_mt("translate", "--engine", "torch", "--model", str(run), *LINES).stdout
    loaded()
    assert run_mt("translate", "--model", str(run), *LINES).stdout == expected and loaded() == 1


def test_it_holds_for_this_engine_alone(run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weights = run / "model.safetensors"
    assert read_checks(weights, file_hash(weights))
    before = engine_version()
    monkeypatch.setattr(engine_record, "_SOURCES", (*engine_record._SOURCES, "errors.py"))
    engine_version.cache_clear()
    assert engine_version() != before and read_checks(weights, file_hash(weights)) == []
    monkeypatch.undo()
    engine_version.cache_clear()


@pytest.mark.parametrize("folder", ["instant", "model", "decoding"])
def test_every_file_of_both_engines_counts(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """numpy's, and torch's, which it is compared with."""
    package = shutil.copytree(Path(engine_record.__file__).parent, tmp_path / "mt", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(engine_record, "__file__", str(package / "engine_record.py"))
    assert engine_version.__wrapped__() == engine_version(), "where the package lies is not part of it"
    found = {engine_version()}
    for path in sorted((package / folder).glob("*.py")):
        path.write_text(path.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
        found.add(engine_version.__wrapped__())
    assert len(found) == 1 + len([*(package / folder).glob("*.py")]) > 3


@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_another_version_of_numpy_or_torch_is_another_engine(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, version = engine_version(), engine_record.version
    monkeypatch.setattr(engine_record, "version", lambda asked: "0.0.1" if asked == name else version(asked))
    assert engine_version.__wrapped__() != before


def test_a_checkpoint_that_is_removed_after_it_was_loaded_translates_on(run: Path) -> None:
    checkpoint = next(path for path in sorted((run / "checkpoints").iterdir()) if path.is_dir() and not path.is_symlink())
    expected = Translator.load(checkpoint).translate(LINES)
    translator = InstantTranslator(checkpoint)
    shutil.rmtree(checkpoint)
    assert translator.translate(LINES) == expected
    assert [translator.translate([line])[0] for line in LINES] == expected
    assert all(translator.relies_on(check) for check in translator.compare_engines())
    assert translator.translate(LINES[:1]) == expected[:1]


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


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Makes a run's folder one in which no record can be written."""
    write = engine_record.write_atomically

    def refuse(folder: Path) -> None:
        def write_elsewhere(place: Path, *given: object) -> None:
            if place.parent == folder.resolve():
                raise PermissionError(30, "Read-only file system", str(place))
            write(place, *given)

        monkeypatch.setattr(engine_record, "write_atomically", write_elsewhere)

    return refuse


def test_beside_a_record_that_cannot_be_written_the_cache_counts_too(
    run: Path, loaded: Callable[[], int], read_only: Callable[[Path], None]
) -> None:
    """A run whose training compared the default settings, in a folder that is read-only since."""
    read_only(run)
    asked = ("translate", "--model", str(run), "--beam", "3", *LINES)
    first = run_mt(*asked)
    assert loaded() == 1 and "short inputs start without torch from now on" in first.stderr
    second = run_mt(*asked)
    assert (second.stdout, second.stderr, loaded()) == (first.stdout, "", 0)
    assert run_mt("translate", "--model", str(run), *LINES).stderr == "" and loaded() == 0


@pytest.mark.parametrize("beam", [3, DecodingConfig().beam_size], ids=["other-settings", "same-settings"])
def test_what_differs_counts_wherever_it_is_kept(run: Path, read_only: Callable[[Path], None], beam: int) -> None:
    weights, weights_hash = run / "model.safetensors", file_hash(run / "model.safetensors")
    made(run)
    assert allows(read_checks(weights, weights_hash), DecodingConfig())
    read_only(run)
    made(run, different=1, settings=settings_that_matter(DecodingConfig(beam_size=beam)))
    assert allows(read_checks(weights, weights_hash), DecodingConfig()) is False
    assert allows(read_checks(weights, weights_hash), DecodingConfig(beam_size=beam)) is False


def test_a_result_that_cannot_be_stored_promises_nothing(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object) -> None:
        raise PermissionError(30, "Read-only file system")

    (run / RECORD).unlink()
    monkeypatch.setattr(engine_record, "write_atomically", refuse)
    found = run_mt("translate", "--model", str(run), *LINES)
    assert "all equal; the result could not be stored" in found.stderr and "from now on" not in found.stderr


def test_two_processes_that_compare_at_once_leave_one_whole_record(run: Path) -> None:
    (run / RECORD).unlink()
    command = [sys.executable, "-m", "mt", "translate", "--model", str(run), "ba be"]
    both = [subprocess.Popen([*command, "--beam", beam], stdout=subprocess.PIPE, stderr=subprocess.PIPE) for beam in ("2", "3")]
    assert [process.communicate()[1].count(b"compared") > 0 and process.returncode == 0 for process in both] == [True, True]
    assert [path.name for path in run.glob("*engines*")] == [RECORD], "nothing half-written is left"
    checks = read_checks(run / "model.safetensors", file_hash(run / "model.safetensors"))
    assert len(checks) in (1, 2) and {check.settings["beam_size"] for check in checks} <= {2, 3}


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


@pytest.mark.parametrize(
    "field",
    ["sentences", "certain", "different", "other_probabilities", "largest_difference", "settings", "origin", "left", "tries"],
)
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
