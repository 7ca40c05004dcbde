"""The command line as a person meets it: what is typed, what comes out, and one message for every mistake."""

import json
import logging
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sacrebleu.metrics import BLEU

from mt.data.toy import toy_pairs
from tests.command_line import Outcome, run_mt
from tests.processes import mt_process, sets
from tests.tiny import SETTINGS

SOURCES = [source for source, _ in toy_pairs("copy", "test")[:12]]
TINY = ["--config", "copy", *sets(SETTINGS)]


@pytest.fixture
def model(trained_run: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A trained run, found by itself through MT_MODEL."""
    monkeypatch.setenv("MT_MODEL", str(trained_run))
    return trained_run


def lines(text: str) -> list[str]:
    assert text == "" or text.endswith("\n")
    return text.removesuffix("\n").split("\n") if text else []


def write(name: str, content: str | bytes) -> str:
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


def assert_refused(outcome: Outcome, *parts: str) -> None:
    """Exit code 2, one message with these parts, no traceback, nothing on standard output."""
    assert outcome.exit_code == 2, outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert outcome.stdout == ""
    assert len(re.findall("^(error|Error):", outcome.stderr, flags=re.MULTILINE | re.IGNORECASE)) == 1, outcome.stderr
    for part in parts:
        assert part in outcome.stderr


# ── help ────────────────────────────────────────────────────────────────────────────────────────────────────────────

OPTIONS = {
    "init": ["--source", "--target", "--valid", "--test", "--output", "--hours", "--force", "files..."],
    "train": ["--config", "--data", "--set", "--restart"],
    "tokenizer": ["--config", "--set", "--output"],
    "translate": ["--model", "--input", "--output", "--beam", "--method", "--nbest", "--scores", "--length-penalty",
                  "--temperature", "--top-k", "--top-p", "--seed", "--mbr", "--alignment", "--engine", "--device", "[sentences]...",
                  "--format", "--column", "--into", "--sentences", "--report", "--restart"],
    "eval": ["--model", "--split", "--source", "--reference", "--output", "--json", "--beam", "--device"],
}  # fmt: skip


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_every_command(flag: str) -> None:
    outcome = run_mt(flag)
    assert outcome.exit_code == 0
    assert all(f"  {command} " in outcome.stdout for command in OPTIONS)


@pytest.mark.parametrize("command", OPTIONS)
def test_the_help_of_every_command_explains_every_option(command: str) -> None:
    outcome = run_mt(command, "--help")
    assert outcome.exit_code == 0
    for option in OPTIONS[command]:
        assert option in outcome.stdout
    documented = set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", outcome.stdout, flags=re.MULTILINE))
    assert documented >= {option for option in OPTIONS[command] if option.startswith("--")}


def test_the_version() -> None:
    assert re.fullmatch(r"mt \d+\.\d+\.\d+\n", run_mt("--version").stdout)


def test_no_command_an_unknown_one_and_an_unknown_option_are_told() -> None:
    assert "Usage: mt" in (alone := run_mt()).stdout + alone.stderr and alone.exit_code == 2
    assert_refused(run_mt("trian"), "trian")
    assert_refused(run_mt("translate", "--beem", "3"), "--beem")
    assert_refused(run_mt("translate", "--beam", "0", "x"), "--beam")
    assert_refused(run_mt("train"), "--config")


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, mt.cli; print([name for name in ('torch', 'datasets', 'sacrebleu', 'sentencepiece') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# ── a whole life ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_train_translate_and_evaluate() -> None:
    trained = run_mt("train", *TINY, "--set", "data.test=copy")
    assert trained.exit_code == 0, trained.stderr
    assert trained.stdout == ""
    for part in ("4,000 training pairs", " parameters, ", "target tokens/s: ", "step 10: valid loss", "finished: 10 steps",
                 "mt translate --model runs/tiny"):  # fmt: skip
        assert part in trained.stderr
    assert len(lines(run_mt("translate", "ba be").stdout)) == 1
    evaluated = run_mt("eval", "--split", "valid")
    assert evaluated.exit_code == 0 and "runs/tiny/model.safetensors on valid" in evaluated.stdout


def test_the_tokenizer_alone() -> None:
    outcome = run_mt("tokenizer", *TINY, "--output", "vocabulary")
    assert outcome.exit_code == 0
    assert outcome.stdout.startswith("source: ▁")
    assert Path("vocabulary/tokenizer.model").is_file()
    write("file", "")
    outcome = run_mt("tokenizer", *TINY, "--output", "file")
    assert (outcome.exit_code, "cannot be written" in outcome.stderr, "Traceback" in outcome.stderr) == (2, True, False)


def test_main_can_be_called_again_and_says_everything_once(model: Path) -> None:
    run_mt("translate", "ba")
    run_mt("translate", "ba")
    assert len(logging.getLogger("mt").handlers) == 1
    outcome = run_mt("train", *TINY, "--set", "training.max_steps=1")
    assert outcome.stderr.count("finished: 1 steps") == 1


# ── translate ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sentences_as_arguments_a_file_and_standard_input_give_the_same(model: Path) -> None:
    text = "".join(f"{source}\n" for source in SOURCES)
    write("in.txt", text)
    arguments = run_mt("translate", *SOURCES)
    assert arguments.exit_code == 0, arguments.stderr
    assert len(lines(arguments.stdout)) == 12
    assert run_mt("translate", "--input", "in.txt").stdout == arguments.stdout
    assert run_mt("translate", stdin=text.encode()).stdout == arguments.stdout
    assert run_mt("translate", "--input", "-", stdin=text.encode()).stdout == arguments.stdout
    assert run_mt("translate", stdin=text.rstrip("\n").encode()).stdout == arguments.stdout
    assert run_mt("translate", stdin=text.replace("\n", "\r\n").encode()).stdout == arguments.stdout
    written = run_mt("translate", "-i", "in.txt", "-o", "folder/out.txt")
    assert (written.exit_code, written.stdout) == (0, "")
    assert Path("folder/out.txt").read_text() == arguments.stdout


def test_empty_lines_keep_their_places(model: Path) -> None:
    outcome = run_mt("translate", stdin=f"\n{SOURCES[0]}\n  \n\n".encode())
    assert [bool(line.strip()) for line in lines(outcome.stdout)] == [False, True, False, False]
    assert lines(outcome.stdout)[2] == "  "  # spaces are kept as they are
    assert run_mt("translate", "").stdout == "\n"
    assert run_mt("translate", stdin=b"\n").stdout == "\n"
    assert run_mt("translate", stdin=b"").stdout == ""
    write("empty.txt", "")
    assert run_mt("translate", "--input", "empty.txt", "--output", "out.txt").exit_code == 0
    assert Path("out.txt").read_bytes() == b""


def test_line_separators_inside_a_line_are_not_line_ends(model: Path) -> None:
    text = "ba\u2028be\nbi\x0cbo\x85bu\nka\x0bke\n"
    assert run_mt("translate", stdin=text.encode()).stdout.count("\n") == 3


def test_nbest_gives_exactly_n_lines_for_every_line(model: Path) -> None:
    outcome = run_mt("translate", "--beam", "3", "--nbest", "3", "--method", "beam", stdin=f"\n{SOURCES[0]}\n\n".encode())
    assert outcome.exit_code == 0, outcome.stderr
    printed = lines(outcome.stdout)
    assert len(printed) == 9
    assert printed[:3] == printed[6:] == ["", "", ""]
    assert len(set(printed[3:6])) == 3
    scored = run_mt("translate", "--beam", "3", "--nbest", "3", "--method", "beam", "--scores", stdin=f"\n{SOURCES[0]}\n".encode())
    assert all(re.fullmatch(r"(-inf|-?\d+\.\d{4})\t.*", line) for line in lines(scored.stdout))
    assert [line.split("\t")[1] for line in lines(scored.stdout)] == printed[:6]
    drawn = run_mt("translate", "--method", "sampling", "--nbest", "2", stdin=f"\n{SOURCES[0]}\n".encode())
    assert len(lines(drawn.stdout)) == 4


def test_scores_stand_before_a_tab(model: Path) -> None:
    (line,) = lines(run_mt("translate", "--scores", SOURCES[0]).stdout)
    score, text = line.split("\t")
    assert float(score) <= 0 and text == lines(run_mt("translate", SOURCES[0]).stdout)[0]


def test_a_beam_of_one_is_greedy(model: Path) -> None:
    assert run_mt("translate", "--beam", "1", *SOURCES).stdout == run_mt("translate", "--method", "greedy", *SOURCES).stdout
    assert run_mt("translate", "--beam", "1", "--method", "beam", *SOURCES).stdout == run_mt("translate", "--beam", "1", *SOURCES).stdout


def test_sampling_is_the_same_for_a_seed(model: Path) -> None:
    def drawn(seed: int) -> str:
        return run_mt("translate", "--method", "sampling", "--temperature", "4", "--seed", str(seed), *SOURCES).stdout

    assert drawn(1) == drawn(1) != drawn(2)
    greedy = run_mt("translate", "--method", "greedy", *SOURCES).stdout
    assert run_mt("translate", "--method", "sampling", "--top-k", "1", *SOURCES).stdout == greedy
    assert run_mt("translate", "--method", "sampling", "--top-p", "1e-6", *SOURCES).stdout == greedy


def test_translations_that_were_cut_off_are_named(model: Path) -> None:
    assert "note:" not in run_mt("translate", SOURCES[0]).stderr
    text = write("my.yaml", "data: copy\n")
    assert text
    run_mt("train", *TINY, "--set", "training.max_steps=1")
    outcome = run_mt("translate", "--model", "tiny", "ba be", "", "ki")
    if "note:" in outcome.stderr:  # a model of one step hardly ever ends
        assert re.search(r"note: \d of 3 translations reached the length limit and may be incomplete \(line 1", outcome.stderr)


def test_a_device_file_is_written_to_and_not_replaced(model: Path) -> None:
    assert run_mt("translate", "-o", "/dev/null", "ba").exit_code == 0
    assert not Path("/dev/null").is_file()


# ── eval ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_eval_shows_and_writes_scores_with_signatures(model: Path) -> None:
    outcome = run_mt("eval", "--split", "test", "--json", "scores/all.json", "--output", "hypotheses.txt", "--beam", "1")
    assert outcome.exit_code == 0, outcome.stderr
    written = json.loads(Path("scores/all.json").read_text(encoding="utf-8"))
    for metric in ("bleu", "chrf", "ter"):
        assert 0 <= written[metric]["score"] <= 100
        assert written[metric]["signature"] in outcome.stdout
        assert f"{written[metric]['score']:.2f}" in outcome.stdout
    assert written["sentences"] == 100 and written["split"] == "test" and written["decoding"]["method"] == "greedy"
    assert written["corpora"].keys() == {"copy"}
    hypotheses, references = lines(Path("hypotheses.txt").read_text()), [target for _, target in toy_pairs("copy", "test")]
    assert written["bleu"]["score"] == BLEU().corpus_score(hypotheses, [references]).score


def test_eval_of_files(model: Path) -> None:
    write("a.src", "".join(f"{source}\n" for source in SOURCES))
    write("a.ref", "".join(f"{source}\n" for source in SOURCES))
    outcome = run_mt("eval", "--source", "a.src", "--reference", "a.ref", "--json", "scores.json")
    assert outcome.exit_code == 0, outcome.stderr
    written = json.loads(Path("scores.json").read_text())
    assert written["sentences"] == 12 and written["bleu"]["score"] > 50
    assert "on a.src" in outcome.stdout


def test_several_corpora_are_scored_each_and_together() -> None:
    pairs = [("one", toy_pairs("copy", "test")[:5]), ("two", toy_pairs("copy", "valid")[:7])]
    for name, chosen in pairs:
        write(f"{name}.tsv", "".join(f"{source}\t{target}\n" for source, target in chosen))
    run_mt("train", *TINY, "--set", "data.test=[{file: one.tsv, name: one}, {file: two.tsv, name: two}]", "--set", "training.max_steps=1")
    outcome = run_mt("eval", "--json", "scores.json", "--beam", "1")
    assert outcome.exit_code == 0, outcome.stderr
    written = json.loads(Path("scores.json").read_text())
    assert {name: part["sentences"] for name, part in written["corpora"].items()} == {"one": 5, "two": 7}
    assert written["sentences"] == 12
    assert [line.split()[0] for line in outcome.stdout.splitlines()[2:6] if line[:3] in ("one", "two", "all")] == ["one", "two", "all"]


def test_eval_needs_only_the_best_whatever_the_run_was_configured_for() -> None:
    run_mt("train", *TINY, "--set", "training.max_steps=1", "--set", "decoding.beam_size=3", "--set", "decoding.nbest=3")
    assert run_mt("eval", "--split", "valid", "--beam", "1").exit_code == 0


def test_eval_scores_what_minimum_bayes_risk_chooses(model: Path) -> None:
    outcome = run_mt("eval", "--mbr", "4", "--json", "scores.json", "--output", "chosen.txt")
    assert outcome.exit_code == 0 and "mbr 4" in outcome.stdout
    written = json.loads(Path("scores.json").read_text(encoding="utf-8"))
    assert written["decoding"]["mbr"] == 4
    translated = run_mt("translate", "--mbr", "4", *[source for source, _ in toy_pairs("copy", "test")])
    assert lines(Path("chosen.txt").read_text()) == translated.stdout.splitlines()


def test_a_run_configured_for_minimum_bayes_risk_does_so_unless_told_otherwise() -> None:
    settings = ("decoding.mbr=3", "training.max_steps=1", "data.test=copy")
    run_mt("train", *TINY, *[part for setting in settings for part in ("--set", setting)])
    asked = {"": [], "mbr 3": ["--split", "valid"], "mbr 5": ["--mbr", "5"]}
    assert all(words in run_mt("eval", *options).stdout for words, options in asked.items())
    for options in (["--beam", "1"], ["--mbr", "0"]):
        without = run_mt("eval", *options)
        assert without.exit_code == 0 and "mbr" not in without.stdout
    assert run_mt("translate", "--beam", "1", "ba").exit_code == 0
    assert "decoding.mbr is 3" in run_mt("explain", "ba").stderr


# ── mistakes ────────────────────────────────────────────────────────────────────────────────────────────────────────

BAD_CONFIGURATIONS = {
    "an unknown key": (["--set", "model.d_modl=16"], ["model.d_modl", "d_model"]),
    "a wrong type": (["--set", "training.max_steps=many"], ["training.max_steps", "many"]),
    "a width no number of heads divides": (["--set", "model.d_model=18", "--set", "model.num_heads=4"], ["d_model (18)", "num_heads (4)"]),
    "an override without a value": (["--set", "training.seed"], ["training.seed", "="]),
    "a corpus that is not there": (["--set", "data.train=nonesuch.tsv"], ["data.train[0]", "nonesuch.tsv", "no such file"]),
    "an undefined variable": (["--set", "data.train=$MT_NONESUCH/pairs.tsv"], ["MT_NONESUCH"]),
    "a GPU that is not there": (["--set", "training.device=cuda:77"], ["training.device"]),
    "no pair short enough": (["--set", "data.max_length=1"], ["no training pair is left", "data.max_length=1"]),
}


@pytest.mark.parametrize("case", BAD_CONFIGURATIONS)
def test_a_configuration_that_cannot_be_is_told_and_nothing_is_written(case: str) -> None:
    arguments, parts = BAD_CONFIGURATIONS[case]
    assert_refused(run_mt("train", *TINY, *arguments), *parts)
    assert not Path("runs").exists()


def test_a_configuration_that_is_not_there_is_told() -> None:
    assert_refused(run_mt("train", "--config", "nonesuch"), "nonesuch", "demo")
    assert_refused(run_mt("train", "--config", "cpoy"), "copy")
    write("broken.yaml", "data: [copy\n")
    assert_refused(run_mt("train", "--config", "broken.yaml"), "broken.yaml")


KOREAN = "안녕하세요 여러분\n오늘은 날씨가 좋습니다\n"
BAD_CORPORA = {
    "unequal line counts": ("가\n나\n", "a\n", ["a.ko has 2 lines", "a.en has 1"]),
    "cp949": (KOREAN.encode("cp949"), "a\nb\n", ["a.ko", "cp949", "iconv"]),
    "UTF-16": (KOREAN.encode("utf-16"), "a\nb\n", ["a.ko", "utf-16", "iconv"]),
    "empty sides": ("가\n\n나\n", "a\nb\n\n", ["empty side", "lines 2, 3"]),
    "nothing": ("", "", ["not a single pair"]),
}


@pytest.mark.parametrize("case", BAD_CORPORA)
def test_a_corpus_that_cannot_be_learnt_from_is_told_and_nothing_is_written(case: str) -> None:
    source, target, parts = BAD_CORPORA[case]
    write("a.ko", source)
    write("a.en", target)
    outcome = run_mt("train", *TINY, "--set", "data={train: {source: a.ko, target: a.en}}")
    assert_refused(outcome, *parts)
    assert not Path("runs").exists()
    if case not in ("empty sides", "nothing"):
        write("ok.en", target if isinstance(target, bytes) or case == "unequal line counts" else target)
        run_mt("train", *TINY, "--set", "training.max_steps=1")
        before = sorted(Path().iterdir())
        assert_refused(run_mt("eval", "--source", "a.ko", "--reference", "a.en", "--json", "scores.json"), "a.ko")
        assert sorted(Path().iterdir()) == before


def test_a_missing_column_is_told() -> None:
    write("pairs.jsonl", '{"korean": "가", "english": "a"}\n')
    assert_refused(run_mt("train", *TINY, "--set", "data={train: pairs.jsonl}"), "pairs.jsonl", "korean", "source_column")
    named = "data={train: {file: pairs.jsonl, source_column: korea, target_column: english}}"
    assert_refused(run_mt("train", *TINY, "--set", named), "no column 'korea'", "'korean'", "Set source_column to one of them")
    assert not Path("runs").exists()


def test_damaged_weights_are_told(trained_run: Path) -> None:
    shutil.copytree(trained_run, "broken", symlinks=True)
    weights = Path("broken/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:1000])
    for command in (["translate", "ba"], ["eval", "--json", "scores.json"]):
        assert_refused(run_mt(command[0], "--model", "broken", *command[1:]), "broken/model.safetensors", "damaged since")
    assert not Path("scores.json").exists()


def test_a_model_that_is_not_there_is_told() -> None:
    assert_refused(run_mt("translate", "ba"), "no trained model in runs")
    assert_refused(run_mt("translate", "--model", "nonesuch", "ba"), "--model: there is no run 'nonesuch'")
    assert_refused(run_mt("eval"), "no trained model in runs")


BAD_TRANSLATIONS = {
    "sentences and a file": (["--input", "in.txt", "ba"], "sentences or --input, not both"),
    "an input that is not there": (["--input", "nonesuch.txt"], "nonesuch.txt: there is no such file"),
    "an input in another encoding": (["--input", "cp949.txt"], "cp949"),
    "more best ones than the beam holds": (["--method", "beam", "--beam", "2", "--nbest", "3", "ba"], "nbest (3) is above beam_size (2)"),
    "several of one": (["--method", "greedy", "--nbest", "2", "ba"], "greedy"),
    "an unknown method": (["--method", "magic", "ba"], "magic"),
    "an impossible temperature": (["--method", "sampling", "--temperature", "0", "ba"], "temperature"),
    "an impossible share": (["--method", "sampling", "--top-p", "1.5", "ba"], "top_p"),
    "an unknown device": (["--device", "gpu", "ba"], "gpu"),
    "a GPU that is not there": (["--device", "cuda:77", "ba"], "cuda:77"),
    "an output that is a folder": (["--output", "folder", "ba"], "folder: cannot be written"),
    "an output below a file": (["--output", "in.txt/out.txt", "ba"], "in.txt/out.txt: cannot be written"),
}


@pytest.mark.parametrize("case", BAD_TRANSLATIONS)
def test_a_translation_that_cannot_be_is_told_and_nothing_is_written(case: str, model: Path) -> None:
    arguments, part = BAD_TRANSLATIONS[case]
    Path("folder").mkdir()
    write("in.txt", "ba\n")
    write("cp949.txt", KOREAN.encode("cp949"))
    before = sorted(Path().rglob("*"))
    assert_refused(run_mt("translate", *arguments), part)
    assert sorted(Path().rglob("*")) == before


def test_input_that_is_no_utf8_on_standard_input_is_told(model: Path) -> None:
    assert_refused(run_mt("translate", stdin=KOREAN.encode("cp949")), "standard input", "cp949")


BAD_EVALUATIONS = {
    "a source without a reference": (["--source", "a.ko"], "--reference is missing"),
    "a reference without a source": (["--reference", "a.ko"], "--source is missing"),
    "an unknown split": (["--split", "dev"], "'dev' is none of train, valid, test"),
    "a file that is not there": (["--source", "nonesuch", "--reference", "a.ko"], "nonesuch"),
    "empty files": (["--source", "empty", "--reference", "empty"], "empty"),
    "an output that is a folder": (["--output", "folder"], "folder: cannot be written"),
    "scores below a file": (["--json", "a.ko/scores.json"], "cannot be written"),
    "an unknown device": (["--device", "gpu"], "gpu"),
}


@pytest.mark.parametrize("case", BAD_EVALUATIONS)
def test_an_evaluation_that_cannot_be_is_told_and_nothing_is_written(case: str, model: Path) -> None:
    arguments, part = BAD_EVALUATIONS[case]
    Path("folder").mkdir()
    write("a.ko", "ba\n")
    write("empty", "")
    before = sorted(Path().rglob("*"))
    assert_refused(run_mt("eval", *arguments, *([] if "--output" in arguments else ["--output", "out.txt"])), part)
    assert sorted(Path().rglob("*")) == before


def test_a_split_the_run_does_not_have_is_told() -> None:
    run_mt("train", *TINY, "--set", "training.max_steps=1")
    assert_refused(run_mt("eval"), "--split test: this run's configuration names no data.test")


# ── as processes ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_exit_codes_of_real_processes(model: Path) -> None:
    translated = mt_process("translate", SOURCES[0])
    assert (translated.returncode, translated.stderr, len(translated.stdout.splitlines())) == (0, "", 1)
    refused = mt_process("translate", "--model", "nonesuch", "ba")
    assert refused.returncode == 2 and refused.stdout == ""
    assert refused.stderr.startswith("error: --model") and "Traceback" not in refused.stderr


def test_a_reader_that_goes_away_is_no_error_to_shout_about(model: Path) -> None:
    write("in.txt", "".join(f"{source}\n" for source in SOURCES))
    command = f"{sys.executable} -m mt translate --beam 1 --input in.txt"
    outcome = subprocess.run(["bash", "-c", f"set -o pipefail; {command} | true"], capture_output=True, text=True)
    assert outcome.returncode != 2 and "Traceback" not in outcome.stderr and "Exception" not in outcome.stderr
    assert signal.SIGPIPE  # what a shell expects
