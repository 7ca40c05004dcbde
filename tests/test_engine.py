"""An exported model translates in `mt translate` as the run does, without torch."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mt import Translator
from mt.errors import DecodingError, ExportError, RunError
from mt.export.engine import ExportedTranslator
from mt.export.manifest import MANIFEST, export_of_run, named_export
from mt.minimum_bayes_risk import rank_by_agreement
from mt.runs import RunDirectory, file_hash
from tests.command_line import run_mt

LINES = ["ba be bi", "", "da", "ma ka di di mu do bi ki ke", "   ", "me du mi"]


@pytest.fixture(scope="module")
def run(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the trained run, exported to its usual place."""
    copy = tmp_path_factory.mktemp("exported") / "copy"
    shutil.copytree(trained_run, copy)
    outcome = run_mt("export", str(copy), "--lines", "10")
    assert outcome.exit_code == 0, outcome.stderr
    return copy


@pytest.fixture(scope="module")
def export(run: Path) -> Path:
    return run / "export" / "ctranslate2"


def test_greedy_translations_are_the_runs_own(run: Path, export: Path) -> None:
    own, exported = Translator.load(run), ExportedTranslator(export)
    greedy = {"method": "greedy", "beam_size": 1}
    ours = own.translate_nbest(LINES, own.options(**greedy))
    theirs = exported.translate_nbest(LINES, exported.options(**greedy))
    assert [[one.text for one in each] for each in theirs] == [[one.text for one in each] for each in ours]
    for one, other in zip(ours, theirs, strict=True):
        assert other[0].log_prob == pytest.approx(one[0].log_prob, abs=5e-3), "but for what PAD and BOS would have had"
        assert other[0].finished == one[0].finished
    assert exported.translate(LINES, **greedy) == own.translate(LINES, **greedy)
    assert (exported.source_language, exported.target_language) == (own.source_language, own.target_language)


def test_each_line_has_its_own_length_limit(export: Path) -> None:
    exported = ExportedTranslator(export)
    options = exported.options(max_length_ratio=0.5, max_length_extra=1, beam_size=1)
    found = [best for best, *_ in exported.translate_nbest(LINES, options)]
    for line, best in zip(LINES, found, strict=True):
        length = len(exported.tokenizer.encode_source([line])[0]) - 1
        assert len(exported.tokenizer.encode_target([best.text])[0]) - 1 <= options.limit(length)
    assert not found[3].finished and found[1].finished
    alone = [exported.translate_nbest([line], options)[0] for line in LINES]
    assert [one[0].text for one in alone] == [best.text for best in found]


def test_n_best_lists_and_progress(export: Path) -> None:
    exported = ExportedTranslator(export)
    done: list[int] = []
    found = exported.translate_nbest(LINES, exported.options(nbest=3, beam_size=4), done.append)
    assert [len(each) for each in found] == [3, 1, 3, 3, 1, 3] and sum(done) == len(LINES)
    assert all(each == sorted(each, key=lambda one: -one.score) for each in found)


def test_minimum_bayes_risk_chooses_among_the_n_best(export: Path) -> None:
    exported = ExportedTranslator(export)
    nbest = exported.translate_nbest(LINES, exported.options(beam_size=6, nbest=6))
    expected = [rank_by_agreement(candidates, by_probability=True)[0].text for candidates in nbest]
    assert exported.translate(LINES, mbr=6) == expected


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"method": "sampling"}, "--engine torch"),
        ({"coverage": 1.0}, "decoding.coverage cannot be asked of an exported model"),
        ({"nbest": 9}, "decoding.nbest is 9; it must be at most beam_size"),
        ({"nbest": 9, "mbr": 8}, "decoding.nbest is 9; it must be at most mbr, 8"),
        ({"mbr": 8, "method": "greedy"}, "greedy search has one"),
    ],
)
def test_what_ctranslate2_cannot_do_is_refused(export: Path, asked: dict, message: str) -> None:
    with pytest.raises(DecodingError, match=message):
        ExportedTranslator(export).options(**asked)


def test_the_command_takes_an_export_or_finds_the_runs(run: Path, export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = ["--beam", "1", "ba be bi", "da"]
    own = run_mt("translate", "--model", str(run), *sentences)
    assert own.exit_code == 0 and own.stdout.startswith("ba be bi\nda")
    for options in (
        ["--model", str(export)],
        ["--model", str(run), "--engine", "ctranslate2"],
        ["--model", str(export), "--engine", "ctranslate2"],
    ):
        assert run_mt("translate", *options, *sentences).stdout == own.stdout
    monkeypatch.setenv("MT_MODEL", str(export))
    assert run_mt("translate", "--beam", "1", stdin=b"ba be bi\nda\n").stdout == own.stdout
    assert named_export(None) == export and named_export(str(run)) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--engine", "marian"], "--engine: 'marian' is none of auto, torch, ctranslate2"),
        (["--model", "EXPORT", "--engine", "torch"], "this is an exported model; --engine torch needs the run itself"),
        (["--model", "EXPORT", "--model", "EXPORT"], "this is an exported model; an ensemble is made of runs"),
        (["--model", "RUN", "--model", "RUN", "--engine", "ctranslate2"], "several (an ensemble) need --engine torch"),
        (["--model", "EXPORT", "--seed", "3"], "for sampling give the run itself"),
        (["--model", "EXPORT", "--alignment", "links"], "--alignment reads attention weights"),
        (["--model", "EXPORT", "--device", "mps"], "CTranslate2 runs on cpu or cuda, not on 'mps'"),
    ],
)
def test_impossible_engines_are_refused(run: Path, export: Path, options: list[str], message: str) -> None:
    named = [{"EXPORT": str(export), "RUN": str(run)}.get(option, option) for option in options]
    outcome = run_mt("translate", *named, "ba")
    assert (outcome.exit_code, outcome.stdout) == (2, "") and message in outcome.stderr, outcome.stderr


def test_an_export_of_other_weights_is_not_taken_for_the_runs(run: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(run, moved)
    assert export_of_run(str(moved), "ctranslate2") == moved / "export" / "ctranslate2"
    weights = RunDirectory(moved).weights_to_use()
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(RunError, match="the run has other weights by now; export it again"):
        export_of_run(str(moved), "ctranslate2")
    shutil.rmtree(moved / "export")
    with pytest.raises(RunError, match="has not been exported to ctranslate2; do so with 'mt export"):
        export_of_run(str(moved), "ctranslate2")
    assert len(file_hash(weights)) == 64


@pytest.mark.parametrize("damage", ["manifest", "key", "tokenizer", "weights", "other program"])
def test_a_damaged_export_is_told(export: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "export"
    shutil.copytree(export, folder)
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    message = {"manifest": "cannot be read", "key": "'decoding' is missing", "tokenizer": "not the one it was exported with",
               "weights": "CTranslate2 cannot load this", "other program": "this was exported to onnx"}[damage]  # fmt: skip
    if damage == "manifest":
        (folder / MANIFEST).write_text("{", encoding="utf-8")
    if damage == "key":
        del manifest["decoding"]
    if damage == "tokenizer":
        manifest["tokenizer"] = "0" * 64
    if damage == "weights":
        (folder / "model.bin").write_bytes(b"nothing")
    if damage == "other program":
        manifest["to"] = "onnx"
    if damage != "manifest":
        (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ExportError, match=message):
        ExportedTranslator(folder)


def test_an_exported_model_translates_without_torch(export: Path) -> None:
    code = (
        "import sys; sys.argv = ['mt', 'translate', '--model', sys.argv[1], 'ba be bi']\n"
        "import atexit; atexit.register(lambda: print(*sorted({'torch', 'numpy', 'datasets', 'sacrebleu', 'tqdm'} & {*sys.modules})))\n"
        "from mt.cli import main; main()"
    )
    found = subprocess.run([sys.executable, "-c", code, str(export)], capture_output=True, text=True, check=True, env={**os.environ})
    assert found.stdout.splitlines()[0] == "ba be bi"
    assert set(found.stdout.splitlines()[1].split()) <= {"numpy"}, "CTranslate2 itself may want numpy"
