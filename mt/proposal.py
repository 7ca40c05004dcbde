"""Which configuration to propose for a corpus and a machine, with the reason beside every value.

The rules are few, and each says where it comes from: the paper, a published setting, or this project's own measurements (docs/LOG.md). They
give a good beginning, not the best there is.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mt.config_file import yaml_scalar
from mt.visible import visible

_DENSE = (("\u1100", "\u11ff"), ("\u3040", "\u30ff"), ("\u3400", "\u9fff"), ("\uac00", "\ud7a3"), ("\uf900", "\ufaff"))
"""Scripts a letter of which says as much as two or three of an alphabet's: Hangul, kana, Chinese."""


@dataclass(frozen=True)
class CorpusFacts:
    """What was seen of the training pairs."""

    pairs: int
    source_tokens: int
    """Estimated (`estimated_tokens`), since there is no tokenizer yet; of all pairs together."""
    target_tokens: int
    longest: int
    """Estimated tokens that 99.9 % of the sides do not exceed."""
    dense: bool
    """Whether a side is mostly written in Hangul, kana or Chinese characters."""
    pieces: int | None = None
    """The most pieces a vocabulary of this text can have, where it is known to have fewer than are usual; then tokens were counted."""

    @property
    def model_type(self) -> str:
        """How a tokenizer should cut such text."""
        return "unigram" if self.dense else "bpe"


@dataclass(frozen=True)
class MachineFacts:
    """What was seen of the machine."""

    description: str
    speed: Callable[["Shape", int], float]
    """Target tokens a second that a network of a shape trains with here, given the vocabulary's size: measured."""


class Setting(NamedTuple):
    """One line of the proposal."""

    key: str
    """Section and name."""
    value: object
    reason: str


class Shape(NamedTuple):
    """A size of network, for corpora up to so many target tokens."""

    up_to: float
    d_model: int
    num_heads: int
    d_ff: int
    layers: int
    dropout: float
    epochs: int
    origin: str


SHAPES = (
    Shape(150_000, 192, 4, 768, 3, 0.2, 160, "in equal time better than one of 128 on three such corpora (docs/LOG.md, 2026-11-26)"),
    Shape(600_000, 128, 4, 256, 4, 0.2, 40, "the Transformer-Tiny of Wu et al. 2021, made for 29,000 short pairs"),
    Shape(2_500_000, 192, 4, 768, 3, 0.2, 20, "as in the shipped ko-en, for a million tokens"),
    Shape(15_000_000, 256, 4, 1024, 4, 0.15, 12, "between the shipped ko-en and the paper's base model"),
    Shape(60_000_000, 384, 6, 1536, 5, 0.1, 6, "between the shipped ko-en and the paper's base model"),
    Shape(math.inf, 512, 8, 2048, 6, 0.1, 4, "the base model of Vaswani et al. 2017"),
)
"""From little text to much. The second is narrower than the first because it was measured where parameters are few by rule."""
_TIME_FOR_TRAINING = 0.8
"""The share of the time that is left when pairs are read, and validation and the final scores are counted in."""
_LONG, _LONG_OF_LITTLE = 25, 15
"""Estimated target tokens of a sentence, on average: Multi30k has 20, gnome-help 32 and pydocs 41. The second where text is little: there
kss has 11 and korsts 18."""
_LEAST_EPOCHS = 5
"""A network that does not see its corpus so often in the time there is is too large for the machine …"""
_NARROWEST = 2
"""… down to this one of SHAPES: a narrower one learnt less even where there was time for two epochs (docs/LOG.md, 2026-11-26)."""


def estimated_tokens(text: str) -> float:
    """About how many subword tokens a text will have: 0.55 for a letter of Hangul, kana or Chinese, 0.27 for any other character."""
    dense = sum(map(_is_dense, text))
    return 0.55 * dense + 0.27 * (len(text) - dense) + 1


def _is_dense(letter: str) -> bool:
    """Whether it is one of those scripts'."""
    return letter >= _DENSE[0][0] and any(first <= letter <= last for first, last in _DENSE)


def corpus_facts(
    sources: Sequence[str], targets: Sequence[str], pairs: int, pieces: int | None = None, counted: Sequence[Sequence[int]] | None = None
) -> CorpusFacts:
    """Look at these sentences, some of a corpus of so many pairs, and reckon the rest from them.

    pieces: the most that a vocabulary of this text can have, and counted: the tokens of every source and target under that vocabulary.
    """
    tokens = counted or [[estimated_tokens(text) for text in side] for side in (sources, targets)]
    scale = pairs / len(sources)
    longest = sorted(max(pair) for pair in zip(*tokens, strict=True))[math.ceil(0.999 * len(sources)) - 1]
    shares = [sum(map(_is_dense, text)) / max(1, len(text)) for text in ("".join(side[:2000]) for side in (sources, targets))]
    return CorpusFacts(pairs, *(round(sum(side) * scale) for side in tokens), math.ceil(longest), max(shares) > 0.3, pieces)


def vocabulary_size(facts: CorpusFacts) -> tuple[int, str]:
    """How many pieces, and why."""
    usual, reason = _usual_vocabulary(facts.pairs)
    if facts.pieces is not None and facts.pieces < usual:
        return facts.pieces, f"{facts.pairs:,} pairs: their text gives no more pieces"
    return usual, reason


def _usual_vocabulary(pairs: int) -> tuple[int, str]:
    """How many pieces for so many pairs, and why."""
    for up_to, size in ((5_000, 4000), (25_000, 8000)):
        if pairs < up_to:
            return size, f"{pairs:,} pairs: rarer pieces would be seen too seldom to be learned"
    if pairs < 100_000:
        return 10_000, "what is published for 29,000 pairs of Multi30k; 4000 scored 1.9 BLEU less there (docs/LOG.md, 2026-11-24)"
    return (16_000, f"{pairs:,} pairs") if pairs < 1_000_000 else (32_000, "near the paper's 37,000 (section 5.1)")


def choose_shape(facts: CorpusFacts, vocabulary: int, machine: MachineFacts, hours: float) -> tuple[Shape, float, str]:
    """The shape for so much text, or the largest smaller one that this machine can show the corpus often enough in the time.

    With its target tokens a second, and why it was chosen.
    """
    number = next(at for at, shape in enumerate(SHAPES) if facts.target_tokens <= shape.up_to)
    chosen, seconds = number, hours * 3600 * _TIME_FOR_TRAINING
    while (speed := machine.speed(SHAPES[chosen], vocabulary)) * seconds < _LEAST_EPOCHS * facts.target_tokens and chosen > _NARROWEST:
        chosen -= 1
    reason = f"about {facts.target_tokens:,} target tokens: {SHAPES[chosen].origin}"
    if chosen < number:
        reason += f"; {SHAPES[number].d_model} would suit the text, but this machine would not show it {_LEAST_EPOCHS} times in {hours:g} h"
    return SHAPES[chosen], speed, reason


def propose(facts: CorpusFacts, machine: MachineFacts, hours: float, export: str | None = None) -> list[Setting]:
    """The settings beside data and languages. hours: how long training may take. export: the program the model must be exportable to."""
    vocabulary, vocabulary_reason = vocabulary_size(facts)
    shape, speed, shape_reason = choose_shape(facts, vocabulary, machine, hours)
    often = 150_000 < facts.target_tokens <= 600_000
    max_tokens = 2048 if often else 4096 if facts.target_tokens <= 15_000_000 else 8192
    updates_an_epoch = max(1.0, max(facts.target_tokens, facts.source_tokens) / (0.85 * max_tokens))
    steps = max(300, 100 * round(shape.epochs * updates_an_epoch / 100))
    seconds = shape.epochs * facts.target_tokens / speed
    at_hand = hours * 3600 * _TIME_FOR_TRAINING
    twice = often and 2 * seconds < at_hand
    limited = seconds > at_hand
    settings = [
        Setting("data.max_length", _max_length(facts), f"99.9 % of the pairs have at most about {facts.longest} tokens on a side"),
        Setting(
            "tokenizer.model_type",
            facts.model_type,
            "cuts Korean, Japanese and Chinese more evenly" if facts.dense else "the usual choice for alphabets (Sennrich et al. 2016)",
        ),
        Setting("tokenizer.vocab_size", vocabulary, vocabulary_reason),
        Setting("tokenizer.shared", True, "names, numbers and code are the same on both sides, and the embeddings can be one matrix"),
        Setting("model.d_model", shape.d_model, shape_reason),
        Setting("model.num_heads", shape.num_heads, f"heads of width {shape.d_model // shape.num_heads}"),
        Setting("model.d_ff", shape.d_ff, f"{shape.d_ff // shape.d_model} times d_model"),
        Setting("model.encoder_layers", shape.layers, "as many as the decoder's"),
        Setting("model.decoder_layers", shape.layers, "fewer would translate faster"),
        Setting("model.dropout", shape.dropout, "the less text, the more"),
        Setting("model.attention_dropout", 0.1 if shape.dropout >= 0.15 else 0.0, "on the attention weights as well, where text is short"),
        _norm_position(export),
        Setting("training.optimizer", "muon", "reached a quality in fewer steps than Adam on Multi30k (docs/LOG.md, 2026-11-24)"),
        Setting("training.muon_learning_rate", 0.021, "measured at d_model 128 and 192" + _untried(shape)),
        Setting(
            "training.learning_rate",
            0.0045 if shape.d_model < 192 else 0.004 if shape.d_model < 256 else 0.002,
            "of embeddings, biases and norms" + _untried(shape),
        ),
        Setting("training.weight_decay", 0.05, "+1 BLEU on Multi30k (docs/LOG.md, 2026-11-24)"),
        Setting(
            "training.max_tokens",
            max_tokens,
            "small batches, so that few sentences give enough updates" if often else "target or source tokens in a batch",
        ),
        Setting(
            "training.max_steps",
            steps,
            f"about {shape.epochs} times through the pairs, {_time(seconds * (2 if twice else 1))} on {machine.description} "
            f"({_rounded(speed)} target tokens/s)",
        ),
    ]
    if limited:
        settings.append(
            Setting("training.max_hours", hours, "the schedule is fitted into this time, since all of the steps would take longer")
        )
    if twice:
        settings.append(
            Setting("training.r_drop", 3, "each batch twice with other dropout (Liang et al. 2021): little text, and there is time")
        )
    settings += [
        _warmup(export, steps),
        Setting("training.schedule", "linear", "to zero at the end"),
        _validate_every(steps),
        Setting("training.save_every", max(20, 10 * round(steps / 750)), "the last five checkpoints, close to the end, are averaged"),
        Setting("training.average_checkpoints", 5, "as the paper does (section 6.1)"),
        Setting("decoding.beam_size", 5, "the usual choice"),
        Setting("decoding.length_penalty", *_length_penalty(facts)),
    ]  # fmt: skip
    return settings


def _validate_every(steps: int) -> Setting:
    """About fifteen validations, at least 50 steps apart."""
    every = max(50, 10 * round(steps / 150))
    return Setting("training.validate_every", every, f"about {max(1, round(steps / every))} validations during the training")


def _norm_position(export: str | None) -> Setting:
    """Pre-norm, unless the model is for MarianMT."""
    if export == "marian":
        cost = "pre had 5 BLEU more after 500 updates on Multi30k (docs/LOG.md, 2026-11-24)"
        return Setting("model.norm_position", "post", f"MarianMT requires it; {cost}")
    reason = "learns from the first steps, without a long warm-up (Xiong et al. 2020)"
    return Setting("model.norm_position", "pre", f"{reason}; mt export --to marian requires post (mt init --export marian)")


def _warmup(export: str | None, steps: int) -> Setting:
    """Updates until the learning rate is at its peak."""
    if export == "marian":
        return Setting("training.warmup_steps", min(1000, max(100, steps // 8)), "longer, as post-norm needs (Xiong et al. 2020)")
    return Setting("training.warmup_steps", min(300, max(50, steps // 20)), "short: pre-norm and Muon need little")


def _length_penalty(facts: CorpusFacts) -> tuple[float, str]:
    """What the amount of text and the length of its sentences ask for, and why."""
    long = _LONG_OF_LITTLE if facts.target_tokens <= SHAPES[0].up_to else _LONG
    if facts.target_tokens < long * facts.pairs:
        return 1.4, "better than 1.0 on the validation pairs of Multi30k and kss, whose sentences are short (docs/LOG.md, 2026-11-26)"
    return 1.0, "1.4 made translations of longer sentences too long, above all where text is little (docs/LOG.md, 2026-11-26)"


def _untried(shape: Shape) -> str:
    """A warning, where nothing was measured at this width."""
    return "" if shape.d_model <= 192 else f"; not tried at {shape.d_model} here: halve it if the loss jumps"


def _max_length(facts: CorpusFacts) -> int:
    """A round number above nearly all pairs."""
    return min(512, max(64, 64 * math.ceil(1.3 * facts.longest / 64)))


def _rounded(speed: float) -> str:
    """Two digits of it: more were not the same again."""
    return f"{float(f'{speed:.2g}'):,.0f}"


def _time(seconds: float) -> str:
    """'about 40 min', 'about 3 h'."""
    return f"about {max(1, round(seconds / 60))} min" if seconds < 5400 else f"about {seconds / 3600:.0f} h"


def as_yaml(head: Sequence[str], first: Sequence[tuple[str, str]], data: Sequence[str], settings: Sequence[Setting]) -> str:
    """The configuration file: comment lines, name and languages, the data section, then every setting with its reason beside it."""
    lines = [f"# {visible(line)}".rstrip() for line in head]
    lines += [f"{key}: {value}" for key, value in first]
    sections: dict[str, list[Setting]] = {}
    for setting in settings:
        sections.setdefault(setting.key.split(".")[0], []).append(setting)
    lines += ["", "data:", *(f"  {line}" for line in data), *_section(sections.pop("data", []))]
    for name, members in sections.items():
        lines += ["", f"{name}:", *_section(members)]
    return "\n".join(lines) + "\n"


def _section(settings: Sequence[Setting]) -> list[str]:
    """The lines of a section, reasons in a column."""
    texts = [f"  {setting.key.split('.', 1)[1]}: {yaml_scalar(setting.value)}" for setting in settings]
    width = max(map(len, texts), default=0)
    return [f"{text:<{width}}  # {setting.reason}" for text, setting in zip(texts, settings, strict=True)]
