"""`mt translate` with what is asked of the translations, as a person types it; with a model that has learned to copy."""

from pathlib import Path

import pytest

from tests.command_line import run_mt


def translated(run: Path, *arguments: str) -> list[str]:
    outcome = run_mt("translate", "--model", str(run), *arguments)
    assert outcome.exit_code == 0 and "note" not in outcome.stderr, outcome.stderr
    return outcome.stdout.splitlines()


def test_forbidden_and_required_words_and_a_beginning(trained_run: Path) -> None:
    [free] = translated(trained_run, "ba be bi")
    assert free == "ba be bi"
    assert "be" not in translated(trained_run, "ba be bi", "--forbid", "be")[0].split()
    assert not any(word.startswith("b") for word in translated(trained_run, "ba be bi", "--forbid", "b*", "--forbid", "ko")[0].split())
    for beam in ("1", "2", "5"):
        [both] = translated(trained_run, "ba be bi", "--require", "mu", "--require", "ko", "--beam", beam, "--method", "beam")
        assert {"mu", "ko"} <= set(both.split())
    assert translated(trained_run, "ba be bi", "", "da", "--prefix", "mu ko")[1] == ""
    for method in ("beam", "greedy", "sampling"):
        for line in translated(trained_run, "ba be bi", "da", "--prefix", "mu ko", "--method", method):
            assert line.startswith("mu ko")


def test_nothing_repeats(trained_run: Path) -> None:
    words = translated(trained_run, "ba be ba be ba be", "--no-repeat-ngram", "2")[0].split()
    assert translated(trained_run, "ba be ba be ba be", "--no-repeat-ngram", "0") == ["ba be ba be ba be"]
    pairs = [*zip(words, words[1:], strict=False)]
    assert len(pairs) == len(set(pairs))


def test_coverage_ranks_anew_and_changes_scores(trained_run: Path) -> None:
    plain = translated(trained_run, "ba be bi", "--scores", "--nbest", "3", "--beam", "4")
    covered = translated(trained_run, "ba be bi", "--scores", "--nbest", "3", "--beam", "4", "--coverage-penalty", "0.5")
    assert covered[0].split("\t")[1] == "ba be bi"
    scores = [float(line.split("\t")[0]) for line in covered]
    assert scores == sorted(scores, reverse=True) and scores[0] <= float(plain[0].split("\t")[0])
    assert translated(trained_run, "ba be bi", "--scores", "--nbest", "3", "--beam", "4", "--coverage-penalty", "0") == plain


def test_what_other_rules_keep_out_is_said(trained_run: Path) -> None:
    outcome = run_mt("translate", "--model", str(trained_run), "ba", "", "--require", "be be be", "--no-repeat-ngram", "1")
    assert outcome.exit_code == 0
    assert "note: 1 translations lack a required word (line 1)" in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--require", "be", "--method", "greedy"], ["required words ('be') need beam search", "use --method beam"]),
        (["--require", "be", "--beam", "1"], ["the method is greedy", "use --method beam"]),
        (["--require", "be", "--temperature", "0.5"], ["the method is sampling"]),
        (["--require", "ba be", "--forbid", "b*"], ["the required 'ba be' contains 'b*', which is forbidden"]),
        (["--prefix", "ba be", "--forbid", "be"], ["the prefix contains 'be', which is forbidden"]),
        (["--forbid", " "], ["is no word or phrase"]),
        (["--require", "*"], ["'*' is no word or phrase"]),
        (["--coverage-penalty", "0.2", "--method", "greedy"], ["--coverage-penalty", "the method is greedy", "--method beam"]),
        (["--coverage-penalty", "-1"], ["--coverage-penalty"]),
        (["--no-repeat-ngram", "-1"], ["--no-repeat-ngram"]),
    ],
)
def test_what_cannot_be_asked_is_told_in_one_message(trained_run: Path, arguments: list[str], parts: list[str]) -> None:
    outcome = run_mt("translate", "--model", str(trained_run), "ba be", *arguments)
    assert outcome.exit_code == 2 and outcome.stdout == "" and "Traceback" not in outcome.stderr
    for part in parts:
        assert part in outcome.stderr, outcome.stderr


def test_an_explanation_says_that_it_leaves_coverage_out(trained_run: Path) -> None:
    assert "coverage" not in run_mt("explain", "ba be", "--model", str(trained_run)).stderr
