"""`mt translate`: ensembles, minimum Bayes risk, word alignment, and the prompt in a terminal."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from mt.errors import RunError
from mt.translator import Translator
from mt.word_alignment import word_links, words_of
from tests.command_line import run_mt


def test_a_run_with_itself_is_an_ensemble_that_translates_like_it(trained_run: Path, tmp_path: Path) -> None:
    shutil.copytree(trained_run, tmp_path / "other")
    alone = run_mt("translate", "--model", str(trained_run), "ba be bi", "", "da mu")
    both = run_mt("translate", "--model", str(trained_run), "--model", str(tmp_path / "other"), "ba be bi", "", "da mu")
    assert both.exit_code == 0, both.stderr
    assert both.stdout == alone.stdout and both.stdout.startswith("ba be bi\n\nda")


def test_runs_with_other_vocabularies_are_no_ensemble(trained_run: Path) -> None:
    settings = ["name=other", "tokenizer.model_type=bpe", "model.d_model=16", "model.num_heads=2", "model.d_ff=16", "data.test=[]",
                "training.max_steps=1", "training.validate_sentences=1", "decoding.max_length_extra=2"]  # fmt: skip
    trained = run_mt("train", "--config", "copy", *[part for setting in settings for part in ("--set", setting)])
    assert trained.exit_code == 0, trained.stderr
    outcome = run_mt("translate", "--model", str(trained_run), "--model", "other", "ba")
    assert outcome.exit_code == 2 and "another vocabulary" in outcome.stderr


def test_minimum_bayes_risk_takes_the_translation_most_samples_agree_on(trained_run: Path) -> None:
    chosen = run_mt("translate", "--model", str(trained_run), "--mbr", "8", "--scores", "ba be bi", "")
    assert chosen.exit_code == 0, chosen.stderr
    (first, second) = chosen.stdout.splitlines()
    score, text = first.split("\t")
    assert text == "ba be bi" and 0 < float(score) <= 100 and second.split("\t")[1] == ""
    beam = run_mt("translate", "--model", str(trained_run), "--mbr", "4", "--nbest", "2", "ba be bi")
    assert beam.stdout.splitlines()[0] == "ba be bi" and len(beam.stdout.splitlines()) == 2
    samples = run_mt("translate", "--model", str(trained_run), "--mbr", "8", "--method", "sampling", "--temperature", "0.5", "ba be bi")
    assert samples.stdout == "ba be bi\n"
    drawn = [
        run_mt("translate", "--model", str(trained_run), "--mbr", "5", "--temperature", "3", "--seed", "4", "ba be bi").stdout
        for _ in range(2)
    ]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mbr", "4", "--method", "greedy"], "--mbr chooses among several candidates"),
        (["--mbr", "1"], "decoding.mbr: 1 leaves nothing to choose among"),
        (["--mbr", "4", "--nbest", "5"], "--nbest 5 is more than the 4 candidates of --mbr"),
        (["--alignment", "links", "--nbest", "2"], "--alignment is of the best translation"),
        (["--alignment", "/dev/null/x"], "cannot be written"),
    ],
)
def test_options_that_do_not_go_together_are_refused(trained_run: Path, options: list[str], message: str) -> None:
    outcome = run_mt("translate", "--model", str(trained_run), *options, "ba")
    assert (outcome.exit_code, outcome.stdout) == (2, "") and message in outcome.stderr


def test_a_copying_model_aligns_each_word_with_itself(trained_run: Path) -> None:
    sources = ["ba be bi", "", "da mu ki", "ma ka di"]
    outcome = run_mt("translate", "--model", str(trained_run), "--alignment", "links", *sources)
    assert outcome.exit_code == 0, outcome.stderr
    links = Path("links").read_text(encoding="utf-8").splitlines()
    assert [len(line.split()) for line in links] == [len(line.split()) for line in outcome.stdout.splitlines()]
    pairs = [tuple(map(int, link.split("-"))) for line in links for link in line.split()]
    assert sum(source == target for source, target in pairs) >= 0.7 * len(pairs), links


def test_a_line_that_is_kept_is_aligned_with_itself_and_spaces_are_kept(trained_run: Path) -> None:
    outcome = run_mt("translate", "--model", str(trained_run), "--alignment", "links", stdin=b"ba be\n12  % 3\n \t \n\n")
    assert outcome.exit_code == 0 and outcome.stdout.split("\n")[1:] == ["12  % 3", " \t ", "", ""], outcome
    assert Path("links").read_text(encoding="utf-8").split("\n")[1:] == ["0-0 1-1 2-2", "", "", ""]


def test_words_are_what_spaces_separate_and_the_end_is_none() -> None:
    assert words_of(["▁an", "n", "▁", "b", "<0xEA>", "▁c"]) == [range(0, 1)] * 2 + [range(1, 2)] * 3 + [range(2, 3)]
    weights_TS = torch.tensor([[0.1, 0.2, 0.7, 0.0], [0.5, 0.3, 0.2, 0.0], [0.0, 0.0, 0.1, 0.9], [0.0, 0.0, 0.0, 1.0]])
    source, target = ["▁a", "b", "▁c", "</s>"], ["▁x", "y", "▁z", "</s>"]
    # x·y looks 0.6 + 0.5 at "ab" (pieces 0 and 1) and 0.9 at "c"; z looks at the end most, and at "c" of the words.
    assert word_links(weights_TS, source, target) == [0, 1]


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (["I", "▁go"], [[0], [1]]), (["▁a", "\u00a0", "b"], [[0], [1], [1]]), (["▁a\tb", "c", "▁d"], [[0, 1], [1], [2]]),
        (["▁a", "<0xE3>", "<0x80>", "<0x80>", "b"], [[0], [1], [1], [1], [1]]), (["▁", "a", "▁"], [[0], [0], [0]]), (["▁"], [[]]),
        (["▁", "<0xEA>", "<0xB0>", "<0x80>", "<0xFF>", "\u3000x"], [[0], [0], [0], [0], [0], [1]]), ([], []),
    ],
)  # fmt: skip
def test_words_are_those_of_split_whatever_the_white_space_and_the_pieces(pieces: list[str], words: list[list[int]]) -> None:
    assert [[*own] for own in words_of(pieces)] == words


def test_links_count_words_as_split_does() -> None:
    weights_TS = torch.tensor([[0.5, 0.4, 0.1], [0.1, 0.8, 0.1], [0.0, 0.0, 1.0]])
    assert word_links(weights_TS, ["I", "▁go\u3000on", "</s>"], ["▁a\u00a0b", "c", "</s>"]) == [0, 1]
    assert word_links(weights_TS[:2, :2], ["I", "</s>"], ["▁", "</s>"]) == []


def test_alignment_needs_attention() -> None:
    Path("bare.yaml").write_text(
        "data: copy\nmodel: {architecture: rnn, d_model: 16, encoder_layers: 1, decoder_layers: 1}\n"
        "training: {max_steps: 1, validate_sentences: 1}\ndecoding: {max_length_extra: 2}\n", encoding="utf-8",
    )  # fmt: skip
    assert run_mt("train", "--config", "bare.yaml", "--set", "data.test=[]").exit_code == 0
    outcome = run_mt("translate", "--model", "bare", "--alignment", "links", "ba be")
    assert outcome.exit_code == 2 and "attention" in outcome.stderr and not Path("links").exists()


def test_without_anything_to_translate_a_terminal_is_asked(trained_run: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "mt", "translate", "--model", str(trained_run), "--beam", "2"]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "dumb"})
    os.close(theirs)
    try:
        assert "an empty line ends" in (seen := read_until(ours, "> ")), seen
        os.write(ours, b"ba be bi\n")
        assert "\nba be bi\r\n" in (seen := read_until(ours, "> ")).replace("\r\r", "\r"), seen
        os.write(ours, b"\n")
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_until(terminal: int, end: str, seconds: float = 60.0) -> str:
    """What a process writes to its terminal until it has written `end` and pauses."""
    seen, deadline = b"", time.monotonic() + seconds
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.3)[0]:
            seen += os.read(terminal, 4096)
        elif seen.decode("utf-8", "replace").endswith(end):
            break
    return seen.decode("utf-8", "replace")


def test_an_ensemble_of_runs_between_other_languages_is_refused(trained_run: Path, tmp_path: Path) -> None:
    other = shutil.copytree(trained_run, tmp_path / "other")
    written = yaml.safe_load((other / "config.yaml").read_text(encoding="utf-8"))
    source, target = written["source"], written["target"]
    (other / "config.yaml").write_text(yaml.safe_dump(written | {"target": "vi"}, allow_unicode=True), encoding="utf-8")
    refused = f"other/model.safetensors translates {source} to vi, and .* {source} to {target}; an ensemble's runs must translate between"
    with pytest.raises(RunError, match=refused):
        Translator.load_all([trained_run, other])
    found = run_mt("translate", "--model", str(trained_run), "--model", str(other), "ba be bi")
    assert (found.exit_code, found.stdout) == (2, "") and "must translate between the same languages" in found.stderr


def test_the_python_api_loads_an_ensemble(trained_run: Path) -> None:
    assert Translator.load_all([trained_run, trained_run]).translate(["ba be bi"]) == ["ba be bi"]
