"""An exported model translates in `mt translate` as the run does, without torch."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mt import Translator
from mt.decoding.hypothesis import length_limit
from mt.errors import ConfigError, DecodingError, ExportError, RunError
from mt.export import engine
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
        assert len(exported.tokenizer.encode_target([best.text])[0]) - 1 <= length_limit(length, options)
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
    ],
)
def test_what_ctranslate2_cannot_do_is_refused(export: Path, asked: dict, message: str) -> None:
    with pytest.raises(DecodingError, match=message):
        ExportedTranslator(export).options(**asked)


@pytest.mark.parametrize(
    "asked",
    [
        {"nbest": 9}, {"nbest": 9, "mbr": 8}, {"mbr": 8, "method": "greedy"}, {"mbr": 1}, {"beam_size": 0}, {"beam_size": 10**9},
        {"length_penalty": float("nan")}, {"length_penalty": 1000.0}, {"nbest": 2, "method": "greedy"}, {"max_length_ratio": 1e308},
        {"no_repeat_ngram": -1}, {"beam_size": "5"}, {"method": "fast"},
    ],
)  # fmt: skip
def test_options_are_checked_as_those_of_a_run(run: Path, export: Path, asked: dict) -> None:
    with pytest.raises(ConfigError) as own:
        Translator.load(run).options(**asked)
    with pytest.raises(ConfigError) as exported:
        ExportedTranslator(export).options(**asked)
    assert str(exported.value) == str(own.value)


def test_an_export_refuses_on_the_command_line_what_its_run_refuses(run: Path, export: Path) -> None:
    for option in (["--mbr", "1"], ["--nbest", "9"], ["--length-penalty", "nan"], ["--beam", "100000"]):
        own, exported = (run_mt("translate", "--model", str(place), *option, "ba") for place in (run, export))
        assert own.exit_code == exported.exit_code == 2 and own.stderr == exported.stderr, option


def test_an_export_searches_as_the_run_does(run: Path, tmp_path: Path) -> None:
    """Greedy search that repeats no n-gram, with its own length limits."""
    copy = tmp_path / "copy"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("export"))
    config = copy / "config.yaml"
    text = config.read_text(encoding="utf-8")
    chosen = {"method": "greedy", "no_repeat_ngram": "1", "max_length_extra": "3", "max_length_ratio": "1.0", "coverage_penalty": "0.5"}
    for key, value in chosen.items():
        text, changed = re.subn(rf"(?m)^  {key}: .*$", f"  {key}: {value}", text)
        assert changed == 1, key
    config.write_text(text, encoding="utf-8")
    outcome = run_mt("export", str(copy), "--lines", "10")
    assert outcome.exit_code == 0, outcome.stderr
    assert "note: decoding.coverage_penalty: 0.5 has no counterpart in ctranslate2: translations are not ranked" in outcome.stderr
    manifest = json.loads((copy / "export" / "ctranslate2" / MANIFEST).read_text(encoding="utf-8"))
    assert manifest["decoding"] == {
        "beam_size": 1, "nbest": 1, "mbr": 0, "length_penalty": 1.0, "max_length_ratio": 1.0, "max_length_extra": 3, "no_repeat_ngram": 1,
    }  # fmt: skip
    for place in (copy, copy / "export" / "ctranslate2"):
        wide = run_mt("translate", "--model", str(place), "--beam", "3", "--nbest", "2", "ba be")
        assert (wide.exit_code, wide.stdout.count("\n")) == (0, 2), wide.stderr
    lines = ["ba be ba be bi bi", "da da da", "mu ki"]
    translations = Translator.load(copy).translate(lines)
    assert ExportedTranslator(copy / "export" / "ctranslate2").translate(lines) == translations != Translator.load(run).translate(lines)


def test_a_source_beyond_ctranslate2_s_default_limit_is_read_whole(export: Path) -> None:
    """CTranslate2 drops what comes after 1024 tokens when nobody tells it not to."""
    exported = ExportedTranslator(export)
    options = exported.options(beam_size=1, max_length_ratio=0.0, max_length_extra=3)
    words = ["ba", "be", "bi", "da"] * 400
    same = " ".join(words[:1100])
    size = len(exported.tokenizer.encode_source([same])[0])
    assert 1024 < size < 2048
    cut, whole = (exported.translate_nbest([text], options)[0][0].log_prob for text in (" ".join(words[:1000]), same))
    other = exported.translate_nbest([" ".join([*words[:1050], *["mu"] * 50])], options)[0][0].log_prob
    assert len({cut, whole, other}) == 3, "what comes after the 1024th token counts"
    with pytest.raises(DecodingError, match="longer than the 2048 positions of this export; drop --nbest"):
        exported.translate([" ".join(words * 3)])


@pytest.mark.parametrize("version", ["4.8.0", "4.6.3", "3.24.0"])
def test_an_old_ctranslate2_is_refused_with_the_step_that_helps(export: Path, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import ctranslate2

    monkeypatch.setattr(ctranslate2, "__version__", version)
    message = f"ctranslate2 {version} is installed, and mt needs 4.8.1 or newer.*pip install --upgrade 'ctranslate2>=4.8.1'"
    with pytest.raises(ExportError, match=message):
        ExportedTranslator(export)
    outcome = run_mt("export", str(export.parents[1]), "--output", "out")
    assert outcome.exit_code == 2 and version in outcome.stderr and not Path("out").exists()
    for fine in ("4.8.1", "4.10.0", "5.0.0rc1"):
        monkeypatch.setattr(ctranslate2, "__version__", fine)
        assert engine.require_ctranslate2() is ctranslate2


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
    shutil.copy(run / "model.safetensors", weights)
    config = (moved / "config.yaml").read_text(encoding="utf-8")
    (moved / "config.yaml").write_text(re.sub(r"(?m)^  no_repeat_ngram: 0$", "  no_repeat_ngram: 2", config), encoding="utf-8")
    message = "exported with decoding.no_repeat_ngram: 0, and the run has 2 by now; export it again with 'mt export"
    with pytest.raises(RunError, match=message):
        export_of_run(str(moved), "ctranslate2")
    (moved / "config.yaml").write_text(config, encoding="utf-8")
    assert export_of_run(str(moved), "ctranslate2") == moved / "export" / "ctranslate2"
    shutil.rmtree(moved / "export")
    with pytest.raises(RunError, match="has not been exported to ctranslate2; do so with 'mt export"):
        export_of_run(str(moved), "ctranslate2")
    assert len(file_hash(weights)) == 64


@pytest.mark.parametrize("damage", ["manifest", "key", "setting", "tokenizer", "weights", "other program"])
def test_a_damaged_export_is_told(export: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "export"
    shutil.copytree(export, folder)
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    message = {"manifest": "cannot be read", "key": "'decoding' is missing", "setting": "beam_size.*export the run again",
               "tokenizer": "not the one it was exported with",
               "weights": "CTranslate2 cannot load this", "other program": "this was exported to onnx"}[damage]  # fmt: skip
    if damage == "manifest":
        (folder / MANIFEST).write_text("{", encoding="utf-8")
    if damage == "key":
        del manifest["decoding"]
    if damage == "setting":
        manifest["decoding"]["beam_size"] = 0
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
