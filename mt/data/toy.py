"""The toy corpora 'copy' and 'reverse': made by the program, learnable in a minute, the same on every machine.

They are for learning and for testing: a model that cannot copy or reverse is wired wrongly, and the attention of one that
can is a diagonal, or the other diagonal. They say nothing about translation quality.
"""

import random

from mt.errors import DataError

_WORDS = tuple(consonant + vowel for consonant in "bdkm" for vowel in "aeiou")  # 20 short words: a tiny vocabulary
_SHORTEST, _LONGEST = 3, 10
_SPLIT_SIZES = {"test": 100, "valid": 100, "train": 4000}


def toy_pairs(kind: str, split: str) -> list[tuple[str, str]]:
    """The (source, target) pairs of one split of a toy corpus.

    kind: 'copy' (target = source) or 'reverse' (target = the source's words backwards). split: 'train' (4000 pairs),
    'valid' or 'test' (100 each). Sources have 3 to 10 words and are all different, so no valid or test source occurs in
    train. Raises DataError for another kind or split.
    """
    if kind not in ("copy", "reverse"):
        raise DataError(f"builtin: {kind!r} is not a toy corpus. Choose 'copy' or 'reverse'.")
    if split not in _SPLIT_SIZES:
        raise DataError(f"builtin {kind!r}: there is no split {split!r}. Choose 'train', 'valid' or 'test'.")
    sources = _distinct_sources(sum(_SPLIT_SIZES.values()))
    start = 0
    for name, size in _SPLIT_SIZES.items():
        if name == split:
            break
        start += size
    chosen = sources[start : start + _SPLIT_SIZES[split]]
    return [(" ".join(words), " ".join(words if kind == "copy" else reversed(words))) for words in chosen]


def _distinct_sources(count: int) -> list[tuple[str, ...]]:
    """`count` different word sequences, lengths and words uniform.

    Only Random.random() is used: Python promises its numbers for a seed on every version, but not those of choice().
    """
    generator = random.Random(20170612)
    sources: dict[tuple[str, ...], None] = {}  # a dict keeps the order in which they were drawn
    while len(sources) < count:
        length = _SHORTEST + int(generator.random() * (_LONGEST - _SHORTEST + 1))
        sources[tuple(_WORDS[int(generator.random() * len(_WORDS))] for _ in range(length))] = None
    return list(sources)
