"""Random Transformers whose translations are varied: of different lengths, with many tokens, and mostly without ties.

A freshly initialised model finds everything nearly as probable as everything else, so that its translations are decided by rounding, and
seldom end. So these have learnt a little. `scripts/measure_engines.py` draws many, the tests a few.
"""

import random
from collections.abc import Sequence
from typing import Any

import torch

from mt.config import DecodingConfig, ModelConfig
from mt.data.batching import pad
from mt.data.special_ids import BOS, EOS, PAD, SPECIAL_IDS
from mt.model.build import build_model
from mt.model.interface import TranslationModel

VOCABULARIES = (8, 40, 63, 64, 65, 100, 127, 128, 129, 192, 256, 300, 512, 640, 1000, 1024, 2000, 2048)
"""Sizes to draw from: multiples of 64, their neighbours, tiny ones, others."""


def draw_model(draw: random.Random, **fixed: Any) -> ModelConfig:
    """A small model with random parts, all of which numpy computes."""
    head, heads = draw.choice((4, 8, 16, 32)), draw.choice((1, 2, 4))
    drawn: dict[str, Any] = {
        "num_heads": heads, "d_model": heads * head, "d_ff": draw.choice((8, 100, 128, 1600)),
        "encoder_layers": draw.randint(1, 3), "decoder_layers": draw.randint(1, 3), "max_positions": draw.choice((8, 64)),
        "positions": draw.choice(("sinusoidal", "learned", "rotary", "none")), "activation": draw.choice(("relu", "swiglu")),
        "norm": draw.choice(("layernorm", "rmsnorm")), "norm_position": draw.choice(("post", "pre")),
        "tie_embeddings": draw.choice(("all", "decoder", "none")),
    }  # fmt: skip
    return ModelConfig(**drawn | fixed)


def draw_options(draw: random.Random, **fixed: Any) -> DecodingConfig:
    """Decoding settings, all of which the search in numpy has."""
    drawn: dict[str, Any] = {
        "method": draw.choice(("beam", "beam", "beam", "greedy")), "beam_size": draw.choice((1, 2, 3, 4, 5, 5, 5, 8, 12, 16)),
        "length_penalty": draw.choice((0.0, 0.6, 1.0, 1.0, 1.0, 2.0)), "max_length_ratio": draw.choice((1.0, 2.0, 2.0, 3.0)),
        "max_length_extra": draw.choice((5, 10, 10, 30)),
    }  # fmt: skip
    return DecodingConfig(**drawn | fixed)


def draw_sources(draw: random.Random, tokens: Sequence[int], count: int, longest: int = 12) -> list[list[int]]:
    """Sources of 1 to `longest` of these tokens, and EOS."""
    return [[*draw.choices(tokens, k=draw.randint(1, longest)), EOS] for _ in range(count)]


def taught_model(
    config: ModelConfig, vocabularies: tuple[int, int], draw: random.Random, updates: int = 120
) -> tuple[TranslationModel, list[int]]:
    """A model that has begun to learn to replace tokens one by one, and the source tokens it knows.

    A few dozen tokens from all over both vocabularies, their ends included; some target tokens are left out, some are doubled and some
    have two translations, so that no translation is certain.
    """
    torch.manual_seed(draw.randrange(2**31))
    model = build_model(config, *vocabularies)
    first = len(SPECIAL_IDS)
    known = _spread(draw, first, vocabularies[0])
    written = {token: draw.choices(_spread(draw, first, vocabularies[1]), k=2) for token in known}
    optimizer = torch.optim.Adam(model.parameters(), lr=draw.choice((3e-3, 6e-3, 1e-2)))
    warm_up = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda update: min(1.0, (update + 1) / 30))
    for _ in range(updates):
        sources = [draw.choices(known, k=draw.randint(1, 8)) for _ in range(32)]
        times = lambda: draw.choices((0, 1, 2), (1, 10, 1))[0]  # noqa: E731
        targets = [[token for word in source for token in draw.choices(written[word], (4, 1), k=times())] for source in sources]
        source_BS, target_BT = pad([[*row, EOS] for row in sources]), pad([[*row, EOS] for row in targets])
        logits_BTV = model(source_BS, torch.cat([torch.full((len(targets), 1), BOS), target_BT[:, :-1]], dim=1))
        loss = torch.nn.functional.cross_entropy(logits_BTV.flatten(0, 1), target_BT.flatten(), ignore_index=PAD)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        warm_up.step()
    return model.eval(), known


def _spread(draw: random.Random, first: int, end: int) -> list[int]:
    """Up to 24 token ids from the beginning, the middle and the end of a vocabulary."""
    ids = [*range(first, end)]
    return ids if len(ids) <= 24 else [*ids[:4], *draw.sample(ids[4:-8], 12), *ids[-8:]]
