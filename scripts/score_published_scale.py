"""Score translations of Multi30k's test_2016_flickr on the scale of published figures: tokenised, lower-cased BLEU.

    python scripts/score_published_scale.py HYPOTHESES REFERENCE.tok-lc.de [--raw-reference REFERENCE.de | --tokenised]

HYPOTHESES: detokenised German, one sentence a line, as `mt eval --output` writes it. REFERENCE: the corpus authors' tokenised,
lower-cased German side. The recipe: lower-case, Moses punctuation normalisation, Moses tokenisation with XML escapes, then
sacreBLEU without a tokenizer. With --raw-reference it first checks that the same recipe turns the raw reference into the
tokenised one, line for line.
--tokenised: of a model that was trained on such text; nothing is done to its lines. Needs the `dev` extra (sacremoses).
"""

import argparse
from pathlib import Path

from sacrebleu.metrics import BLEU
from sacremoses import MosesPunctNormalizer, MosesTokenizer


def tokenise(lines: list[str]) -> list[str]:
    """German as the published references are prepared."""
    normalizer, tokenizer = MosesPunctNormalizer("de"), MosesTokenizer("de")
    return [
        " ".join(tokenizer.tokenize(normalizer.normalize(line.lower()), escape=True, aggressive_dash_splits=False))
        for line in lines
    ]


def read(path: Path) -> list[str]:
    """The lines of a file."""
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def main() -> None:
    """Read both sides, check the recipe when asked, print the score and its signature."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hypotheses", type=Path)
    parser.add_argument("reference", type=Path)
    parser.add_argument("--raw-reference", type=Path)
    parser.add_argument("--tokenised", action="store_true", help="the hypotheses are tokenised and lower-cased already")
    arguments = parser.parse_args()
    reference = read(arguments.reference)
    if arguments.raw_reference:
        prepared = tokenise(read(arguments.raw_reference))
        different = sum(ours != theirs for ours, theirs in zip(prepared, reference, strict=True))
        print(f"recipe check: {different} of {len(reference)} reference lines differ")
    metric = BLEU(tokenize="none", force=True)
    hypotheses = read(arguments.hypotheses)
    result = metric.corpus_score(hypotheses if arguments.tokenised else tokenise(hypotheses), [reference])
    print(f"BLEU {result.score:.2f}  {metric.get_signature()}")


if __name__ == "__main__":
    main()
