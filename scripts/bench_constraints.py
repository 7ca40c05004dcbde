"""What forbidden and required phrases cost: CPU seconds of a beam search on one thread, over a random model with byte pieces.

    python scripts/bench_constraints.py [--rounds 3]
"""

import argparse
import random
import time

import torch

from mt.config import DecodingConfig, ModelConfig
from mt.decoding.batches import translate_ids
from mt.decoding.constraints import Constraints
from mt.decoding.phrases import Spelling, compile_phrase
from mt.model.build import build_model

VOCABULARY = 8000
SYLLABLES = [
    "ka", "ki", "ku", "ba", "be", "bi", "mo", "ma", "te", "to", "sa", "su", "ra", "ri", "an",
    "en", "in", "가", "나", "다", "라", "고", "양", "이",
]  # fmt: skip
WORDS = ["kaba", "bimo te", "고양이*", "sara", "toka", "가나다", "moma", "riteen ka", "suba*", "inan"]


def made_up_pieces(draw: random.Random) -> list[bytes]:
    """Control pieces, all bytes, and words of syllables."""
    pieces = [b"", " \u2047 ".encode(), b"", b"", *(bytes([byte]) for byte in range(256))]
    words: dict[bytes, None] = {}
    while len(pieces) + len(words) < VOCABULARY:
        words[(draw.choice(["", " "]) + "".join(draw.choices(SYLLABLES, k=draw.randint(1, 4)))).encode()] = None
    return [*pieces, *words]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="The fastest of so many counts.")
    rounds = parser.parse_args().rounds
    draw = random.Random(1)
    torch.manual_seed(1)
    torch.set_num_threads(1)
    begin = time.process_time()
    spelling = Spelling(made_up_pieces(draw))
    between = time.process_time()
    phrases = tuple(compile_phrase(word, spelling) for word in WORDS)
    print(f"vocabulary {between - begin:.2f} s, {len(phrases)} phrases {time.process_time() - between:.2f} s")
    shape = {"d_model": 128, "num_heads": 4, "d_ff": 512, "encoder_layers": 2, "decoder_layers": 2}
    model = build_model(ModelConfig(**shape), VOCABULARY, VOCABULARY).eval()
    sources = [[*(draw.randrange(300, VOCABULARY) for _ in range(draw.randint(5, 20))), 3] for _ in range(96)]
    cases = {
        "none": Constraints(), "1 forbidden": Constraints(forbidden=phrases[:1]), "10 forbidden": Constraints(forbidden=phrases),
        "2 required": Constraints(required=phrases[:2]),
    }  # fmt: skip
    for name, asked in cases.items():
        seconds = []
        for _ in range(rounds):
            begin = time.process_time()
            translate_ids(model, sources, DecodingConfig(), constraints=[asked] * len(sources))
            seconds.append(time.process_time() - begin)
        print(f"{name:<14} {min(seconds):.2f} s")


if __name__ == "__main__":
    main()
