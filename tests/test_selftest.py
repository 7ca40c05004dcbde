"""`mt selftest` and `mt score`: they see what is the same, and what is not."""

from pathlib import Path

import pytest
import torch

from mt import selftest
from mt.config import DecodingConfig, ModelConfig
from mt.decoding.hypothesis import Hypothesis, make_hypothesis
from mt.instant import search as numpy_search
from mt.instant.search import UncertainError
from mt.model.build import build_model
from mt.selftest import IN_NUMPY, Check, compare, run_checks
from mt.translator import Translator
from tests.command_line import run_mt

LINES = ["ba be bi bo", "da", "ma ka di di mu do bi ki ke", "", "me du mi"]


def test_a_healthy_model_passes_every_check_and_most_to_the_last_bit(trained_run: Path) -> None:
    translator = Translator.load(trained_run)
    told: list[str] = []
    checks = run_checks(translator.model, translator.tokenizer, DecodingConfig(beam_size=4), LINES, told.append)
    assert all(check.passed and check.compared == 4 for check in checks if check.name != IN_NUMPY)
    assert next(check for check in checks if check.name == IN_NUMPY).compared >= 3
    assert [check.name for check in checks] == told
    exact = {check.name for check in checks if check.verdict == "the same to the last bit"}
    rounded = {"step by step – read as a whole", "fp32 – bf16", "fp32 – int8", IN_NUMPY}
    assert exact >= {check.name for check in checks} - rounded
    assert torch.get_num_threads() == 1


def test_what_differs_is_said() -> None:
    one, other, far = (make_hypothesis([4, 3], [-0.5, log_prob], 1.0) for log_prob in (-1.0, -1.00001, -2.0))
    rest = make_hypothesis([5, 3], [-0.5, -1.0], 1.0)
    assert compare("", [[one], [one]], [[one], [one]]).verdict == "the same to the last bit"
    near = compare("", [[one], [one]], [[one], [other]])
    assert (near.verdict, near.other_scores, near.passed) == ("the same tokens, scores within rounding", 1, True)
    assert compare("", [[one]], [[far]]).verdict == "OTHER SCORES" and not compare("", [[one]], [[far]]).passed
    different = compare("", [[one], [one]], [[one], [rest]])
    assert (different.verdict, different.other_tokens, different.passed) == ("DIFFERENT TRANSLATIONS", (2,), False)
    nearly = compare("", [[one]] * 4, [[one], [other], [other], [rest]], allowed=0.25)
    assert (nearly.verdict, nearly.passed) == ("nearly the same", True)
    assert not compare("", [[one]] * 4, [[rest], [one], [one], [rest]], allowed=0.25).passed
    assert not compare("", [[one]], [[make_hypothesis([4, 3], [-0.5, -2.5], 1.0)]], allowed=0.25).passed


def test_the_command_prints_a_table_and_a_model_whose_cache_lies_fails(trained_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("some.txt").write_text("\n".join(LINES), encoding="utf-8")
    monkeypatch.setenv("COLUMNS", "160")  # a line for each check
    outcome = run_mt("selftest", "--model", str(trained_run), "--source", "some.txt", "--lines", "3", "--beam", "3")
    assert outcome.exit_code == 0, outcome.stderr
    table = [line for line in outcome.stdout.splitlines() if not line.startswith("engine of short inputs")]
    assert "3 sentences, beam 3" in table[0] and sum("the same" in line for line in table) == len(table) - 2
    assert "all equal" in outcome.stdout, "what the training found is shown"
    from mt.model.transformer_state import Position

    remember = Position.remember
    monkeypatch.setattr(Position, "remember", lambda self, layer, new_PBHWK: remember(self, layer, new_PBHWK * 0.3))
    broken = run_mt("selftest", "--model", str(trained_run))
    assert broken.exit_code == 1
    assert "OTHER SCORES" in broken.stdout or "DIFFERENT TRANSLATIONS" in broken.stdout


def in_numpy(run: Path, lines: list[str] = LINES, **options: object) -> Check:
    """The check of numpy's translations."""
    translator = Translator.load(run)
    checks = run_checks(translator.model, translator.tokenizer, DecodingConfig(**options), lines)
    assert all(check.passed for check in checks)
    return next(check for check in checks if check.name == IN_NUMPY)


@pytest.mark.parametrize("options", [{"no_repeat_ngram": 1}, {"coverage_penalty": 2.0}, {"mbr": 6}, {"precision": "bf16"}],
                         ids=lambda options: next(iter(options)))  # fmt: skip
def test_numpy_is_compared_with_the_settings_that_it_has(trained_run: Path, options: dict) -> None:
    check = in_numpy(trained_run, **options)
    assert check.compared >= 3 and f"compared without decoding.{next(iter(options))}" in check.note
    assert in_numpy(trained_run).note == ""


@pytest.mark.parametrize("beam", [63, 64, 100])
def test_wide_beams_are_compared_too(trained_run: Path, beam: int) -> None:
    """The vocabulary has fewer pieces than the widest has places."""
    assert ("a beam of 64 or more" in in_numpy(trained_run, LINES[:2], beam_size=beam).note) == (beam >= 64)


def test_what_numpy_translates_otherwise_is_named_by_its_own_number(trained_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Line 4 of the five is empty, and numpy is certain of the third and the fifth alone."""
    tokenizer = Translator.load(trained_run).tokenizer
    certain = [*map(tuple, tokenizer.encode_source([LINES[2], LINES[4]]))]

    def search(net: object, source: list[int], options: DecodingConfig, limit: int) -> Hypothesis:
        if tuple(source) not in certain:
            raise UncertainError
        return make_hypothesis([5, 3], [-0.5, -1.0], 1.0)

    monkeypatch.setattr(selftest, "search", search)
    translator = Translator.load(trained_run)
    checks = run_checks(translator.model, translator.tokenizer, DecodingConfig(), LINES)
    check = next(check for check in checks if check.name == IN_NUMPY)
    assert (check.compared, check.other_tokens, check.passed) == (2, (3, 5), False)
    Path("some.txt").write_text("\n".join(LINES), encoding="utf-8")
    outcome = run_mt("selftest", "--model", str(trained_run), "--source", "some.txt", "--lines", "4")
    assert outcome.exit_code == 1 and f"other translations of sentence 3, 4; the first is: {LINES[2]}" in outcome.stdout


def test_a_check_that_proved_nothing_says_so(trained_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_search, "MARGIN", 1e9)
    check = in_numpy(trained_run)
    assert (check.compared, check.verdict) == (0, "nothing was compared")
    assert check.note == "numpy was certain of none of 4 sentences, and leaves them to torch"
    tokenizer = Translator.load(trained_run).tokenizer
    for settings, told in (({"activation": "gelu"}, "no counterpart of this model (activation gelu)"),
                           ({"architecture": "rnn"}, "only a Transformer is also translated in numpy")):  # fmt: skip
        config = ModelConfig(d_model=16, encoder_layers=1, decoder_layers=1, **settings)
        model = build_model(config, len(tokenizer.source), len(tokenizer.target)).eval()
        [check] = [check for check in run_checks(model, tokenizer, DecodingConfig(beam_size=2), LINES) if check.name == IN_NUMPY]
        assert check.compared == 0 and told in check.note


def test_score_gives_a_line_for_each_pair_and_refuses_unequal_files(trained_run: Path) -> None:
    Path("s.txt").write_text("ba be\nda\n\n", encoding="utf-8")
    Path("t.txt").write_text("ba be\nba ba ba\n\n", encoding="utf-8")
    outcome = run_mt("score", "s.txt", "t.txt", "--model", str(trained_run))
    assert outcome.exit_code == 0, outcome.stderr
    header, right, wrong, empty = (line.split("\t") for line in outcome.stdout.splitlines())
    assert header == ["score", "log_prob", "tokens"]
    assert float(right[1]) > float(wrong[1]) and float(empty[1]) < 0
    assert "3 pairs" in outcome.stderr and "perplexity" in outcome.stderr
    Path("t.txt").write_text("ba be\n", encoding="utf-8")
    refused = run_mt("score", "s.txt", "t.txt", "--model", str(trained_run))
    assert refused.exit_code == 2 and "s.txt has 3 lines, but t.txt has 1" in refused.stderr
