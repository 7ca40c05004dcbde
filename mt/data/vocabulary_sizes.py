"""Vocabularies of several sizes, trained on one corpus and compared, with what a published rule says of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from mt.config import Config
from mt.data.encode import Fit
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizer_report import SEEN, TokenizerReport, examine, often_seen
from mt.data.tokenizer_training import train_tokenizer
from mt.errors import TokenizerError

ENOUGH = 0.95
"""The share of pieces that the rule wants to see SEEN times."""


@dataclass(frozen=True)
class SizeReport:
    """A vocabulary of one size."""

    asked: int
    pieces: int
    """How many there are: of the target side, where each side has its own."""
    report: TokenizerReport
    seen: float
    """The share of the pieces (special ones and bytes aside) that occur SEEN times in the training text."""
    embedding: int
    """Parameters of the embeddings and the output at the configuration's d_model."""


def compare_sizes(
    config: Config, configs: Sequence[Config], sources: Sequence[str], targets: Sequence[str], most: int
) -> list[SizeReport]:
    """A report for each of `configs`, which differ from `config` in tokenizer.vocab_size, the smallest first; equal sizes once.

    TokenizerError, naming the size, for one that is too small for the corpus.
    """
    compared: list[SizeReport] = []
    fit = Fit(config.data.max_length, config.data.max_ratio)
    for one in sorted(configs, key=lambda one: one.tokenizer.vocab_size):
        try:
            tokenizer = train_tokenizer(one.tokenizer, sources, targets).tokenizer
        except TokenizerError as error:
            raise TokenizerError(f"--sizes {one.tokenizer.vocab_size}: {error}") from error
        pieces = len(tokenizer.target)
        if compared and pieces == compared[-1].pieces:
            continue  # the corpus gives no more
        report = examine(tokenizer, sources, targets, (config.source, config.target), fit, most)
        compared.append(SizeReport(one.tokenizer.vocab_size, pieces, report, seen_share(tokenizer, report),
                                   embedding_parameters(tokenizer, config)))
    return compared


def seen_share(tokenizer: Tokenizer, report: TokenizerReport) -> float:
    """The share of the target vocabulary's pieces that occur SEEN times: on both sides together where they share it."""
    sides = (report.source, report.target) if tokenizer.shared else (report.target,)
    counted = report.source.sentences
    # Where the counts are of a part of the corpus, a piece is expected to occur as many times more often in all of it.
    often, own = often_seen(tokenizer.target, [side.pieces for side in sides], max(1, round(SEEN * counted / report.pairs)))
    return often / own if own else 0.0


def embedding_parameters(tokenizer: Tokenizer, config: Config) -> int:
    """Parameters of source and target embedding and output projection, as model.tie_embeddings ties them."""
    rows = {"all": len(tokenizer.target), "decoder": len(tokenizer.source) + len(tokenizer.target)}
    both = rows["decoder"] + len(tokenizer.target)
    return rows.get(config.model.tie_embeddings, both) * config.model.d_model


def choose_size(sizes: Sequence[tuple[int, float]]) -> int | None:
    """The rule: the largest size of which at least ENOUGH of the pieces are seen SEEN times; None when there is none.

    sizes: (pieces, share seen). Gowda and May 2020, "Finding the Optimal Vocabulary Size for Neural Machine Translation".
    """
    return max((pieces for pieces, seen in sizes if seen >= ENOUGH), default=None)
