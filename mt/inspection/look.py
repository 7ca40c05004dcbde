"""What a model looks at while it translates one sentence: all attention weights, and the probabilities of every step.

The sentence is translated as `mt translate` does, or the given translation is taken; then it goes through the model once more under
teacher forcing, on the explicit path (attention.py), which gives the same as the search did. look_text.py and look_page.py show it.
"""

from dataclasses import dataclass

import torch

from mt.config import DecodingConfig
from mt.data.special_ids import EOS
from mt.data.tokenizer import Tokenizer
from mt.decoding.batches import translate_ids
from mt.decoding.hypothesis import Hypothesis
from mt.decoding.next_tokens import next_log_probs
from mt.errors import DataError
from mt.inspection.attention import joined_weights, kind_and_layer, recorded_attention
from mt.model.interface import TranslationModel
from mt.training.loss import shift_right
from mt.translator import Translator

ALTERNATIVES = 5
"""The most probable pieces listed at each step."""
KINDS = {"cross": "cross-attention: the decoder asks, the encoder answers", "encoder": "the encoder's self-attention",
         "decoder": "the decoder's self-attention"}  # fmt: skip
"""The three places of attention, by the name the command line has for them."""


@dataclass(frozen=True)
class AttentionMap:
    """One attention's weights."""

    kind: str
    """A key of KINDS."""
    layer: int
    """From 1."""
    weights: tuple[tuple[tuple[float, ...], ...], ...]
    """For each head, for each asking position, the share of each position that is looked at; each row adds up to 1."""

    def mean(self) -> tuple[tuple[float, ...], ...]:
        """Over the heads."""
        heads = len(self.weights)
        return tuple(tuple(sum(cells) / heads for cells in zip(*rows, strict=True)) for rows in zip(*self.weights, strict=True))


@dataclass(frozen=True)
class Step:
    """One target position."""

    piece: str
    """What was written."""
    probability: float
    alternatives: tuple[tuple[str, float], ...]
    """The most probable pieces and their probabilities."""


@dataclass(frozen=True)
class Look:
    """All that is shown of one sentence."""

    source: str
    translation: str
    given: bool
    """Whether the translation was given, not the model's own."""
    source_pieces: tuple[str, ...]
    reads: tuple[str, ...]
    """What the decoder reads at each position."""
    steps: tuple[Step, ...]
    maps: tuple[AttentionMap, ...]

    @property
    def log_prob(self) -> float:
        """The natural logarithm of the translation's probability."""
        return sum(torch.tensor([step.probability for step in self.steps], dtype=torch.float64).log().tolist())

    def pieces_of(self, kind: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Who asks and who is looked at, in a kind of attention.

        A decoder position asks in order to write: it is named by what it reads and, behind an arrow, what it writes.
        """
        if kind == "encoder":
            return (self.source_pieces,) * 2
        askers = tuple(f"{reads} → {step.piece}" for reads, step in zip(self.reads, self.steps, strict=True))
        return askers, self.source_pieces if kind == "cross" else self.reads

    def map_of(self, kind: str, layer: int | None) -> AttentionMap:
        """The map of that layer, None for the last one. DataError when there is none."""
        layers = [found for found in self.maps if found.kind == kind]
        if not layers:
            there = ", ".join(sorted({found.kind for found in self.maps})) or "none at all"
            raise DataError(f"--kind {kind}: this model has no such attention; it has {there}")
        if layer is None:
            return layers[-1]
        if not 1 <= layer <= len(layers):
            raise DataError(f"--layer {layer}: there are {len(layers)} layers, from 1")
        return layers[layer - 1]


@torch.inference_mode()
def look_at(model: TranslationModel, tokenizer: Tokenizer, source: str, target: str | None, options: DecodingConfig) -> Look:
    """Translate the sentence, or take the given translation, and note every weight and probability on its way."""
    model.eval()
    source_ids = source_tokens(tokenizer, source)
    if target is None:
        best = translate_ids(model, [source_ids], options)[0][0]
        return look_at_tokens(model, tokenizer, source, source_ids, all_tokens(best), given=False)
    [target_ids] = tokenizer.encode_target([target])
    return look_at_tokens(model, tokenizer, source, source_ids, target_ids, given=True)


def look_at_translation(translator: Translator, source: str) -> Look:
    """The same of the translation that `mt translate` gives, with all of the run's decoding settings."""
    translator.model.eval()
    source_ids = source_tokens(translator.tokenizer, source)
    best = translator.best_hypothesis(source)
    return look_at_tokens(translator.model, translator.tokenizer, source, source_ids, all_tokens(best), given=False)


def all_tokens(hypothesis: Hypothesis) -> list[int]:
    """With EOS, where it has ended."""
    return [*hypothesis.tokens, *([EOS] if hypothesis.finished else [])]


def source_tokens(tokenizer: Tokenizer, source: str) -> list[int]:
    """The token ids of a source sentence, EOS at the end. DataError when there is no text in it."""
    [source_ids] = tokenizer.encode_source([source])
    if len(source_ids) < 2:
        raise DataError("there is no text in the sentence to look at")
    return source_ids


@torch.inference_mode()
def look_at_tokens(
    model: TranslationModel, tokenizer: Tokenizer, source: str, source_ids: list[int], target_ids: list[int], given: bool
) -> Look:
    """Note every weight and probability on the way of this translation. given: whether it is not the model's own."""
    device = model.output_weight_VD.device
    source_BS, target_BT = torch.tensor([source_ids], device=device), torch.tensor([target_ids], device=device)
    decoder_input_BT = shift_right(target_BT)
    with recorded_attention(model) as found:
        logits_BTV = model(source_BS, decoder_input_BT)
    target_piece = tokenizer.target.processor.id_to_piece
    probs_TV = next_log_probs(logits_BTV[0]).exp()
    steps = []
    for token, probs_V in zip(target_ids, probs_TV, strict=True):
        best_probs, best_ids = probs_V.topk(ALTERNATIVES)
        alternatives = tuple(zip(map(target_piece, best_ids.tolist()), best_probs.tolist(), strict=True))
        steps.append(Step(target_piece(token), probs_V[token].item(), alternatives))
    return Look(
        source, tokenizer.decode_target(target_ids), given,
        tuple(map(tokenizer.source.processor.id_to_piece, source_ids)), tuple(map(target_piece, decoder_input_BT[0].tolist())),
        tuple(steps), _maps(found),
    )  # fmt: skip


def _maps(found: dict[str, list[torch.Tensor]]) -> tuple[AttentionMap, ...]:
    """The recorded weights by kind and layer."""
    maps = []
    for name, weights_BHQM in joined_weights(found).items():
        weights = tuple(tuple(map(tuple, head)) for head in weights_BHQM[0].float().tolist())
        maps.append(AttentionMap(*kind_and_layer(name), weights))
    return tuple(maps)
