"""The path of one batch through a model: what it reads, every tensor on its way, what is hidden from whom, and what it costs.

The model is run once under the shape tracer (shapes.py). A configuration's model is built on torch's `meta` device, which knows every
size and holds no number, so that a model of any size is shown in a moment. text_view.py and page.py show what is found here.

Code that serves both sides has letters of its own for positions: in attention Q asks and M is asked, and a feed-forward layer calls its
positions T in the encoder too. Here every position is written as what it is in this batch, S or T, so that a letter has one meaning.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mt.config import ModelConfig
from mt.data.batching import Batch, pad
from mt.data.special_ids import PAD
from mt.data.tokenizer import Tokenizer
from mt.inspection.attention import explicit_attention
from mt.inspection.shapes import ShapeRecord, trace_shapes
from mt.model.attention import causal_mask, padding_mask
from mt.model.build import build_model, count_parameters
from mt.model.interface import TranslationModel
from mt.training.loss import shift_right

LETTERS = {
    "B": "sentences in the batch", "S": "source positions", "T": "target positions", "D": "d_model, the width", "H": "attention heads",
    "K": "width of one head, D / H", "F": "d_ff, inside the feed-forward", "V": "pieces in the vocabulary",
    "R": "decoder rows", "W": "beam width", "1": "a dimension that is broadcast",
}  # fmt: skip
"""What each letter of a tensor's name means."""
LETTERS_IN_CODE = (
    "In the code, attention calls the positions that ask Q and those that are asked M, and layers that serve both sides say T for either. "
    "Here each is shown as what it is in this batch, S or T."
)
"""How the names here differ from those in the code."""
_POSITIONS = "STQM"


@dataclass(frozen=True)
class Sentence:
    """One pair of the batch, as the model gets it."""

    source: tuple[str, ...]
    """The pieces, padding included."""
    decoder_input: tuple[str, ...]
    """What the decoder reads: the target shifted right."""
    target: tuple[str, ...]
    """What it is to predict at the same positions."""
    sees_source: tuple[bool, ...]
    """Which source positions may be looked at; padding is hidden."""
    sees_target: tuple[tuple[bool, ...], ...]
    """For each target position (row), which decoder inputs it may look at: itself and earlier ones."""


@dataclass(frozen=True)
class Line:
    """One tensor on the way, as one line of a table."""

    module: str
    """Such as encoder.*.self_attention, the star for every layer; "" for the model itself."""
    function: str
    """Where it is made; "" for what the module is given."""
    name: str
    shape: tuple[int, ...]
    times: int
    """How many calls had exactly this."""


@dataclass(frozen=True)
class Part:
    """A part of the model and what it costs."""

    name: str
    parameters: int
    flops: int
    """Floating-point operations of the forward pass over this batch; backward takes about twice as many more."""


@dataclass(frozen=True)
class BatchPath:
    """All that is shown."""

    sizes: dict[str, tuple[int, ...]]
    """The sizes that each letter stood for, in this batch: one."""
    sentences: tuple[Sentence, ...]
    lines: tuple[Line, ...]
    parts: tuple[Part, ...]
    parameters: int

    @property
    def flops(self) -> int:
        """Of all parts."""
        return sum(part.flops for part in self.parts)

    def dominant(self) -> str:
        """What takes the most parameters and the most arithmetic, as a sentence."""
        most, dearest = max(self.parts, key=lambda part: part.parameters), max(self.parts, key=lambda part: part.flops)
        return (
            f"Most parameters: {most.name} ({most.parameters / self.parameters:.0%} of {self.parameters:,}). "
            f"Most arithmetic: {dearest.name} ({dearest.flops / max(1, self.flops):.0%} of {self.flops / 1e9:.2f} GFLOP for this batch; "
            "training takes three times as much, since the backward pass costs two forward passes)."
        )


def model_without_weights(config: ModelConfig, tokenizer: Tokenizer) -> TranslationModel:
    """The configuration's model; a Transformer on the meta device, a recurrent network, whose cells cannot be there, for real."""
    with torch.device("meta" if config.architecture == "transformer" else "cpu"):
        return build_model(config, len(tokenizer.source), len(tokenizer.target)).eval()


def make_path(model: TranslationModel, tokenizer: Tokenizer, sources: Sequence[str], targets: Sequence[str]) -> BatchPath:
    """Run the pairs through the model as one batch under teacher forcing, and note everything."""
    batch = _batch(tokenizer, sources, targets)
    device = next(model.parameters()).device
    source_BS, decoder_input_BT = batch.source_BS.to(device), shift_right(batch.target_BT).to(device)
    with torch.no_grad(), explicit_attention():
        records = _position_letters(_trace(model, source_BS, decoder_input_BT), model, source_BS, decoder_input_BT)
        with _without_onednn(), FlopCounterMode(display=False) as counter:
            model(source_BS, decoder_input_BT)
    counts = {name: sum(operations.values()) for name, operations in counter.get_flop_counts().items()}
    return BatchPath(_sizes(records), _sentences(tokenizer, batch), _lines(records), _parts(model, counts), count_parameters(model))


def _trace(model: TranslationModel, source_BS: Tensor, decoder_input_BT: Tensor) -> list[ShapeRecord]:
    """Every tensor of one forward pass."""
    with trace_shapes(model=model) as trace:
        model(source_BS, decoder_input_BT)
    return trace.records


def _position_letters(
    records: list[ShapeRecord], model: TranslationModel, source_BS: Tensor, decoder_input_BT: Tensor
) -> list[ShapeRecord]:
    """The records with every position named S or T, and 1 where it is broadcast.

    Sizes tell which. Where both sides are equally long, the same pass with a longer source tells.
    """
    S, T = source_BS.shape[1], decoder_input_BT.shape[1]
    told = records
    if S == T:
        longer = _trace(model, torch.nn.functional.pad(source_BS, (0, 1), value=PAD), decoder_input_BT)
        if [record.name for record in longer] == [record.name for record in records]:
            S, told = S + 1, longer
    found = []
    for record, sized in zip(records, told, strict=True):
        letters = "".join(
            ("S" if size == S else "T" if size == T else "1" if size == 1 else letter) if letter in _POSITIONS else letter
            for letter, size in zip(sized.letters, sized.shape, strict=True)
        )
        found.append(replace(record, name=record.name.removesuffix(record.letters) + letters, letters=letters))
    return found


@contextmanager
def _without_onednn() -> Iterator[None]:
    """Recurrent layers would go through one of its operations, whose arithmetic the counter does not know."""
    before = torch.backends.mkldnn.set_flags(False)
    try:
        yield
    finally:
        torch.backends.mkldnn.set_flags(before[0])


def _batch(tokenizer: Tokenizer, sources: Sequence[str], targets: Sequence[str]) -> Batch:
    source_BS, target_BT = pad(tokenizer.encode_source(sources)), pad(tokenizer.encode_target(targets))
    num_target_tokens = int((target_BT != PAD).sum())
    return Batch(source_BS, target_BT, num_target_tokens, 0.0)


def _pieces(processor: object, ids: Tensor) -> tuple[str, ...]:
    return tuple(processor.id_to_piece(ids.tolist()))


def _sentences(tokenizer: Tokenizer, batch: Batch) -> tuple[Sentence, ...]:
    decoder_input_BT = shift_right(batch.target_BT)
    source_mask_BS = padding_mask(batch.source_BS)[:, 0, 0]
    target_mask_BTT = (causal_mask(decoder_input_BT.shape[1], decoder_input_BT.device) & padding_mask(decoder_input_BT))[:, 0]
    source, target = tokenizer.source.processor, tokenizer.target.processor
    return tuple(
        Sentence(
            _pieces(source, batch.source_BS[row]), _pieces(target, decoder_input_BT[row]), _pieces(target, batch.target_BT[row]),
            tuple(source_mask_BS[row].tolist()), tuple(map(tuple, target_mask_BTT[row].tolist())),
        )
        for row in range(len(batch.source_BS))
    )  # fmt: skip


def _sizes(records: Sequence[ShapeRecord]) -> dict[str, tuple[int, ...]]:
    """Each letter with all the sizes it had, smallest first, in the legend's order."""
    seen: dict[str, set[int]] = {}
    for record in records:
        for letter, size in zip(record.letters, record.shape, strict=True):
            seen.setdefault(letter, set()).add(size)
    return {letter: tuple(sorted(seen[letter])) for letter in LETTERS if letter in seen and letter != "1"}


def _lines(records: Sequence[ShapeRecord]) -> tuple[Line, ...]:
    """For each kind of module, in the order in which they are entered, what it is given and then what it makes, as it is made.

    A tensor that goes through several functions stands where it was made. The layers of a stack are counted, not listed.
    """
    modules: dict[str, list[ShapeRecord]] = {}
    for record in records:
        if not record.function.startswith("mt.inspection"):
            modules.setdefault(_first_layer(record.module), []).append(record)
    lines = []
    for module, own in modules.items():
        times = Counter((record.name, record.shape, record.function) for record in own)
        entered = [record for record in own if record.function == own[0].function and record.given]
        made = sorted((record for record in own if module or not record.given), key=lambda record: record.returned)
        found: dict[tuple[str, tuple[int, ...]], Line] = {}
        for record in (*entered, *made):
            function = record.function.rpartition(".")[2] if not record.given or record.function != own[0].function else ""
            line = Line(module, function, record.name, record.shape, times[record.name, record.shape, record.function])
            found.setdefault((record.name, record.shape), line)
        lines += found.values()
    return tuple(lines)


def _first_layer(module: str) -> str:
    """'encoder.3.self_attention' as 'encoder.*.self_attention': all layers of a stack compute alike."""
    return ".".join("*" if part.isdigit() else part for part in module.split("."))


def _parts(model: TranslationModel, counts: dict[str, int]) -> tuple[Part, ...]:
    """Parameters and FLOPs of the embeddings, of each kind of sub-layer in each stack, of what else there is, and of the output."""
    root = type(model).__name__
    groups: dict[str, list[nn.Module]] = {}
    names: dict[str, list[str]] = {}
    for name, module in model.named_modules():
        part = _part_name(name, bool(list(module.children())))
        if part:
            groups.setdefault(part, []).append(module)
            names.setdefault(part, []).append(name)
    seen: set[int] = set()
    parts = []
    for part, modules in groups.items():
        parameters = 0
        for parameter in (parameter for module in modules for parameter in module.parameters()):
            parameters += 0 if id(parameter) in seen else parameter.numel()
            seen.add(id(parameter))
        parts.append(Part(part, parameters, sum(counts.get(f"{root}.{name}", 0) for name in names[part])))
    rest = sum(parameter.numel() for parameter in model.parameters() if id(parameter) not in seen)
    output = counts.get(root, counts.get("Global", 0)) - sum(part.flops for part in parts)
    parts.append(Part("output projection" + (" (its weights are the embeddings')" if not rest else ""), rest, output))
    return tuple(part for part in parts if part.parameters or part.flops)


def _part_name(name: str, holds_others: bool) -> str:
    """The part that a module is counted under; "" for what is inside another one, or holds others."""
    if name == "attention.key_proj":  # additive attention's keys are made once for a sentence, outside its forward pass
        return "attention"
    steps = name.split(".")
    if len(steps) == 1:
        return "embeddings" if name.endswith("embedding") else "" if name in ("", "encoder", "decoder", "output") else name
    if steps[0] in ("encoder", "decoder") and len(steps) == 2 and steps[1].isdigit():
        return "" if holds_others else f"{steps[0]}: cells"
    if steps[0] in ("encoder", "decoder") and len(steps) == 3:
        kind = steps[2].removesuffix("_residual") if steps[1].isdigit() else steps[1]
        return f"{steps[0]}: {kind.replace('_', ' ')}" + (", norms" if steps[2].endswith("_residual") else "")
    return ""
