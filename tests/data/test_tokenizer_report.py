"""`mt tokenizer inspect`: the counts are those of the sentences themselves, counted another way, and the rule is the one that is stated."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from mt.config import TokenizerConfig
from mt.config_file import load_config, replace_fields
from mt.data.demo import demo_pairs
from mt.data.encode import Fit
from mt.data.special_ids import UNK
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizer_report import SEEN, examine, examine_side, often_seen
from mt.data.tokenizer_text import recommendation, report_text, sizes_text
from mt.data.tokenizer_training import train_tokenizer
from mt.data.vocabulary_sizes import choose_size, compare_sizes, embedding_parameters, seen_share
from mt.model.build import build_model
from mt.text_table import display_width
from mt.training.prepare import prepare_data
from tests.command_line import run_mt

KOREAN, ENGLISH = ([pair[side] for pair in demo_pairs("train")[:600]] for side in (0, 1))
LANGUAGES = ("ko", "en")
ANY = Fit(256, 0.0)


def trained(sources: list[str], targets: list[str], **settings: object) -> Tokenizer:
    return train_tokenizer(TokenizerConfig(**{"vocab_size": 700} | settings), sources, targets).tokenizer


@pytest.mark.parametrize("settings", [{}, {"model_type": "bpe"}, {"shared": False, "vocab_size": 660}, {"byte_fallback": False}], ids=str)
def test_counts_are_those_of_whole_sentences(settings: dict) -> None:
    tokenizer = trained(KOREAN, ENGLISH, **settings)
    report = examine(tokenizer, KOREAN, ENGLISH, LANGUAGES, ANY, 10_000)
    for side, encoded, lines, vocabulary in (
        (report.source, tokenizer.encode_source(KOREAN), KOREAN, tokenizer.source),
        (report.target, tokenizer.encode_target(ENGLISH), ENGLISH, tokenizer.target),
    ):
        assert side.lengths.tolist() == [len(ids) for ids in encoded]
        assert side.pieces == Counter(token for ids in encoded for token in ids[:-1])
        assert side.tokens == sum(len(ids) - 1 for ids in encoded)
        assert side.words == sum(len(line.split()) for line in lines)
        assert side.characters == sum(len(line.replace(" ", "")) for line in lines)
        texts = [vocabulary.processor.id_to_piece(token).replace("▁", "") for ids in encoded for token in ids[:-1]]
        assert side.single_tokens == sum(len(text) <= 1 for text in texts)
        assert side.syllables.running == sum("가" <= character <= "힣" for line in lines for character in line)
        assert side.syllables.distinct == len({character for line in lines for character in line if "가" <= character <= "힣"})
    assert report.target.syllables.distinct == 0


def test_characters_that_no_piece_holds_are_found_and_counted() -> None:
    """A vocabulary of other text: every character it was not trained on is spelled in bytes, three tokens for a syllable."""
    tokenizer = trained(KOREAN, ENGLISH)
    side = examine_side(tokenizer.source, ["뷁 책 뷁뷁 쀍", "é 책"], "ko")
    assert side.spelled == {"뷁": 3, "쀍": 1, "é": 1}
    assert side.byte_tokens == 3 * 3 + 3 + 2 and side.unknown_tokens == 0
    assert (side.syllables.distinct, side.syllables.running) == (3, 6)
    assert side.syllables.running - side.syllables.single - side.syllables.inside == 4


def test_without_byte_fallback_they_are_unknown() -> None:
    tokenizer = trained(KOREAN, ENGLISH, byte_fallback=False)
    side = examine_side(tokenizer.source, ["뷁 책 뷁뷁"], "ko")
    encoded = tokenizer.source.processor.encode("뷁 책 뷁뷁")
    assert side.unknown_tokens == encoded.count(UNK) > 0 and side.byte_tokens == 0
    assert side.spelled == {"뷁": 3}


def test_syllables_alone_and_inside_larger_pieces() -> None:
    """A corpus of two words: what its pieces hold can be read off them."""
    lines = ["한국어 한국어 한국 물"] * 50
    tokenizer = trained(lines, lines, vocab_size=12, byte_fallback=False, character_coverage=1.0)
    side = examine_side(tokenizer.source, lines, "ko")
    pieces = [piece.replace("▁", "") for piece in tokenizer.source.processor.encode(lines[0], out_type=str)]
    assert side.syllables.single == 50 * sum(len(piece) == 1 for piece in pieces)
    assert side.syllables.inside == 50 * sum(len(piece) for piece in pieces if len(piece) > 1)
    known = {tokenizer.source.processor.id_to_piece(number).replace("▁", "") for number in range(len(tokenizer.source))}
    assert side.syllables.distinct == 4 and side.syllables.distinct_single == len({"한", "국", "어", "물"} & known)


def test_pairs_left_out_are_those_that_training_leaves_out(tmp_path: Path) -> None:
    config = load_config("copy", ["data.max_length=12", "data.max_ratio=1.2", "data.train=demo", "source=ko", "tokenizer.vocab_size=800",
                                  "tokenizer.byte_fallback=true"])  # fmt: skip
    data = prepare_data(config)
    report = examine(data.tokenizer, *zip(*demo_pairs("train"), strict=True), LANGUAGES, Fit(12, 1.2), 10**6)
    [left_out] = data.left_out
    assert (report.pairs, report.too_long, report.lopsided) == (left_out.pairs, len(left_out.too_long), len(left_out.lopsided))
    assert report.too_long > 0 and report.lopsided > 0


def test_of_many_pairs_some_are_taken_evenly() -> None:
    tokenizer = trained(KOREAN, ENGLISH)
    report = examine(tokenizer, KOREAN, ENGLISH, LANGUAGES, ANY, 100)
    chosen = [int(place) for place in numpy.linspace(0, 599, 100)]
    assert report.pairs == 600 and report.source.sentences == 100
    assert report.target.lengths.tolist() == [len(ids) for ids in tokenizer.encode_target([ENGLISH[place] for place in chosen])]


# ── sizes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sizes", "choice"),
    [
        ([(1000, 0.99), (2000, 0.96), (4000, 0.80)], 2000),
        ([(1000, 0.99), (2000, 0.95)], 2000),
        ([(1000, 0.9499)], None),
        ([(1000, 0.90), (2000, 0.97)], 2000),
        ([], None),
    ],
)
def test_the_rule_takes_the_largest_size_whose_pieces_are_seen_often(sizes: list, choice: int | None) -> None:
    assert choose_size(sizes) == choice


def test_pieces_seen_often_are_counted() -> None:
    tokenizer = trained(KOREAN, ENGLISH)
    report = examine(tokenizer, KOREAN, ENGLISH, LANGUAGES, ANY, 10_000)
    every = Counter(token for ids in [*tokenizer.encode_source(KOREAN), *tokenizer.encode_target(ENGLISH)] for token in ids[:-1])
    own = range(4 + 256, len(tokenizer.source))  # after the special pieces and the bytes
    often = sum(every[token] >= SEEN for token in own)
    assert often_seen(tokenizer.source, [report.source.pieces, report.target.pieces]) == (often, len(own))
    assert seen_share(tokenizer, report) == often / len(own)


@pytest.mark.parametrize("tied", ["all", "decoder", "none"])
@pytest.mark.parametrize("architecture", ["transformer", "rnn"])
def test_the_parameters_of_the_embedding_are_those_of_the_model(tied: str, architecture: str) -> None:
    shape = ["model.num_heads=8"] if architecture == "rnn" else ["model.d_ff=16"]
    others = ["norm_position=post", "d_ff=2048"] if architecture == "rnn" else []
    config = load_config("copy", [f"model.architecture={architecture}", "model.d_model=16", f"model.tie_embeddings={tied}",
                                  *(f"model.{one}" for one in others), *shape])  # fmt: skip
    tokenizer = trained(KOREAN, ENGLISH, **{} if tied == "all" else {"shared": False, "vocab_size": 660})
    sizes = len(tokenizer.source), len(tokenizer.target)

    def parameters(source: int, target: int) -> int:
        return sum(parameter.numel() for parameter in build_model(config.model, source, target).parameters())

    rest = parameters(8, 8) - {"all": 1, "decoder": 2, "none": 3}[tied] * 8 * 16
    assert embedding_parameters(tokenizer, config) == parameters(*sizes) - rest


def test_sizes_are_compared_from_the_smallest_and_equal_ones_once() -> None:
    config = load_config("demo")
    configs = [replace_fields(config, {"tokenizer.vocab_size": size}) for size in (900, 90_000, 700, 100_000)]
    compared = compare_sizes(config, configs, KOREAN, ENGLISH, 10_000)
    assert [size.asked for size in compared] == [700, 900, 90_000]
    assert [size.pieces for size in compared][:2] == [700, 900] and compared[2].pieces < 90_000
    fertility = [size.report.source.tokens / size.report.source.words for size in compared]
    assert fertility == sorted(fertility, reverse=True), "more pieces, fewer tokens"
    assert [size.seen for size in compared] == sorted((size.seen for size in compared), reverse=True)
    for width in (80, 100, 140):
        assert all(display_width(line) <= width for line in sizes_text(compared, config, width).splitlines())
    words = " ".join(recommendation(compared))
    assert "Gowda and May 2020" in words and "rule of thumb" in words
    chosen = choose_size([(size.pieces, size.seen) for size in compared])
    assert ("none of these sizes" in words) == (chosen is None)
    for shares, advice in (((0.9, 0.8, 0.1), "Try smaller ones"), ((0.8, 0.9, 0.1), "900 pieces come nearest: 90.0 %"),
                           ((0.99, 0.96, 0.1), "vocab_size=900; 96.0 %"), ((0.99, 0.98, 0.97), "no size was larger")):  # fmt: skip
        sizes = [replace(size, seen=share) for size, share in zip(compared, shares, strict=True)]
        assert advice in " ".join(recommendation(sizes)), shares
        assert ("Smaller ones do not help" in " ".join(recommendation(sizes))) == (shares[0] < shares[1])


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_report_of_a_configuration(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    outcome = run_mt("tokenizer", "inspect", "--config", "demo", "--set", "tokenizer.vocab_size=900")
    assert outcome.exit_code == 0, outcome.stderr
    for part in ("training pairs", "900 pieces for both sides", "tokens for a word", "Hangul, ko:", "data.max_length=256", f"{SEEN} times"):
        assert part in " ".join(outcome.stdout.split())
    assert all(display_width(line) <= width for line in outcome.stdout.splitlines())


def test_the_report_of_a_run_is_of_its_own_tokenizer(trained_run: Path) -> None:
    outcome = run_mt("tokenizer", "inspect", "--model", str(trained_run))
    assert outcome.exit_code == 0, outcome.stderr
    assert f"{len(Tokenizer.load(trained_run).source)} pieces" in outcome.stdout and "Hangul" not in outcome.stdout


@pytest.mark.parametrize("sizes", [["--sizes", "800", "900"], ["--sizes", "800,900"], ["--sizes", "900", "--sizes", "800"]])
def test_sizes_may_be_written_in_any_way(sizes: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    outcome = run_mt("tokenizer", "inspect", "--config", "demo", *sizes)
    assert outcome.exit_code == 0, outcome.stderr
    first_cells = [line.split()[0] for line in outcome.stdout.splitlines() if line]
    assert [cell for cell in first_cells if cell in ("800", "900")] == ["800", "900"] * 2, "two tables at 100 columns"
    assert "Rule:" in outcome.stdout and "By this rule" in outcome.stdout


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--config", "demo", "--sizes", "many"], "--sizes: 'many' is not a whole number"),
        (["--config", "demo", "--sizes", "100"], "--sizes 100: tokenizer.vocab_size"),
        (["--config", "demo", "--sizes", "300"], "--sizes 300: tokenizer.vocab_size: 300 is too small"),
        (["--config", "demo", "4000"], "4000"),
        (["--config", "demo", "--model", "x"], "--config or --model, not both"),
        (["--model", "nonesuch"], "no run 'nonesuch'"),
        (["--config", "nonesuch"], "nonesuch"),
        ([], "there is no run"),
        (["--config", "copy", "--set", "data.train=nonesuch.tsv"], "nonesuch.tsv"),
    ],
)
def test_mistakes_are_told(arguments: list[str], part: str) -> None:
    outcome = run_mt("tokenizer", "inspect", *arguments)
    assert (outcome.exit_code, outcome.stdout) == (2, ""), outcome.stderr
    assert part in outcome.stderr and "Traceback" not in outcome.stderr


def test_a_run_whose_tokenizer_is_damaged_is_refused(trained_run: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.yaml").write_bytes((trained_run / "config.yaml").read_bytes())
    assert "there is no tokenizer here" in run_mt("tokenizer", "inspect", "--model", "run").stderr
    (tmp_path / "run/tokenizer.model").write_bytes(b"nothing")
    assert "not a SentencePiece model" in run_mt("tokenizer", "inspect", "--model", "run").stderr


def test_the_plain_command_still_trains(tmp_path: Path) -> None:
    outcome = run_mt("tokenizer")
    assert outcome.exit_code == 2 and "Missing option '--config' / '-c'" in outcome.stderr
    outcome = run_mt("tokenizer", "--config", "copy", "inspect")
    assert outcome.exit_code == 2 and "stand after it" in outcome.stderr
    outcome = run_mt("tokenizer", "-c", "copy", "--output", "made")
    assert outcome.exit_code == 0 and outcome.stdout.startswith("source: ▁") and Path("made/tokenizer.model").is_file()


def test_the_report_names_characters_that_cannot_be_seen_by_their_codes() -> None:
    tokenizer = trained(KOREAN, ENGLISH)
    report = examine(tokenizer, ["가\u200b나", "뷁"], ["a", "b"], LANGUAGES, ANY, 10)
    text = report_text(tokenizer, report, load_config("demo"), 200)
    assert "U+200B 1×" in text and "뷁 (U+BDC1) 1×" in text
