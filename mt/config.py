"""The configuration: typed, strict and explained; it is data and builds nothing.

Every field carries its explanation under it, which becomes the comment in written configurations and the description in
configs/schema.json. An unknown key, a wrong type, a value out of range and a combination that cannot work are
refused here; `mt.config_file` reads the YAML and turns the refusals into messages with file and line. Whether files
exist is not checked here: the corpus reader does that.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from mt.config_fields import (
    Builtin,
    ColumnName,
    Combination,
    Count,
    Encoding,
    Hypotheses,
    InputPath,
    Language,
    Layers,
    Positive,
    Probability,
    Rate,
    Section,
    Seed,
    TablePath,
    Width,
    check_device,
    check_name,
    expand_corpora,
    expand_data,
    list_to_tuple,
)


class CorpusConfig(Section):
    """One set of sentence pairs: built in, two parallel text files, a table, or a data set of the Hugging Face hub."""

    name: str | None = None
    """What reports call it. Default: the last folder and the stem of its file, or the name of the data set."""
    builtin: Builtin | None = None
    """A corpus made by the program: demo (Korean–English), or the toy tasks copy and reverse."""
    source: InputPath | None = None
    """The source side as a text file, one sentence a line, UTF-8 (.gz too). Needs `target`."""
    target: InputPath | None = None
    """The target side as a text file with as many lines as `source`."""
    file: TablePath | None = None
    """A table of pairs: .tsv, .csv, .jsonl, .json (also .gz) or .parquet."""
    dataset: Annotated[str, Field(min_length=1)] | None = None
    """The name of a data set on the Hugging Face hub, or the folder of one. Needs `split`."""
    subset: str | None = None
    """The configuration of the data set, where it has several. Default: the data set's own."""
    split: Annotated[str, Field(min_length=1)] | None = None
    """The split of the data set, such as train, validation or test."""
    source_column: ColumnName | None = None
    """The source side's column: its name, or its number from 1. Default: the one named as the language, then `source`; the first of two."""
    target_column: ColumnName | None = None
    """The target side's column, likewise. Default: the one named as the language, then `target`; the second of two without a header."""
    encoding: Encoding | None = None
    """The encoding of its text files, where it is not UTF-8: cp949 (Korean Windows), utf-16, shift_jis, … Not for Parquet."""
    weight: Annotated[float, Field(gt=0, le=1_000_000)] = 1.0
    """How many times an epoch shows each pair: 2.0 twice, 0.5 every second epoch on average. Training only."""

    @property
    def label(self) -> str:
        """What reports call this corpus: its name, or one derived from what it reads (`kss/train`, `demo`)."""
        if self.name is not None:
            return self.name
        path = self.source or self.file
        if path is None:
            return self.builtin or "/".join(part for part in (self.dataset, self.subset, self.split) if part)
        return "/".join(part for part in (path.parent.name, path.name.split(".")[0] or path.name) if part)

    def _is_parquet(self) -> bool:
        return self.file is not None and self.file.name.lower().endswith(".parquet")

    def combinations(self) -> Iterator[Combination]:
        """A corpus is exactly one of its kinds, with the keys of that kind."""
        kinds = [kind for kind in ("builtin", "file", "dataset") if getattr(self, kind) is not None]
        sides = [side for side in ("source", "target") if getattr(self, side) is not None]
        choices = "builtin, source and target, file, or dataset"
        if len(kinds) + bool(sides) > 1:
            given = tuple(kinds + sides)
            yield Combination(given, f"a corpus is one of {choices}; this one has {' and '.join(given)}: remove all but one")
        elif not kinds and not sides:
            yield Combination(
                ("builtin", "source", "target", "file", "dataset"), f"nothing says where the pairs are: give {choices}"
            )
        elif len(sides) == 1:
            other = "target" if sides == ["source"] else "source"
            yield Combination((sides[0], other), f"{sides[0]} without {other}: parallel text needs a file for each side")
        if self.dataset is not None and self.split is None:
            yield Combination(("dataset", "split"), "dataset without split: add one, such as `split: train`")
        for key in ("subset", "split"):
            if getattr(self, key) is not None and self.dataset is None:
                yield Combination((key, "dataset"), f"{key} belongs to a dataset, and this corpus has none")
        if self.encoding is not None and (self.builtin is not None or self.dataset is not None or self._is_parquet()):
            yield Combination(("encoding", "builtin", "dataset", "file"), "encoding is for text files; remove it from this corpus")
        for key in ("source_column", "target_column"):
            if getattr(self, key) is not None and self.file is None and self.dataset is None:
                yield Combination((key, "file", "dataset"), f"{key} belongs to a file or a dataset, and this corpus has none")


SplitInput = str | CorpusConfig | list[str | CorpusConfig]
Corpora = Annotated[tuple[CorpusConfig, ...], BeforeValidator(expand_corpora, json_schema_input_type=SplitInput)]


class DataConfig(Section):
    """Which sentence pairs to learn from and to measure on."""

    train: Corpora
    """The corpora to learn from: a built-in name, a file, a mapping, or a list of those."""
    valid: Corpora = ()
    """The corpora that are measured during training; may be empty."""
    test: Corpora = ()
    """The corpora for the final measurement; may be empty."""
    max_length: Positive = 256
    """The longest side of a training pair, in tokens with the end token; longer pairs are left out and reported."""
    max_ratio: Annotated[float, Field(ge=0, le=1_000_000)] = 0.0
    """The longer side divided by the shorter, in tokens; training pairs above it are left out. 0: no limit."""

    def combinations(self) -> Iterator[Combination]:
        """Training needs a corpus, weights are for training, and a ratio below one would leave out every pair."""
        for split, corpora in (("valid", self.valid), ("test", self.test)):
            for index, corpus in enumerate(corpora):
                if corpus.weight != 1.0:
                    yield Combination((f"{split}.{index}.weight",), "a weight is for training corpora: remove it")
        if not self.train:
            yield Combination(("train",), "no corpus to learn from: name a file, or take `train: demo`")
        if 0 < self.max_ratio < 1:
            yield Combination(("max_ratio",), "the longer side divided by the shorter is never below 1; 0 sets no limit")


RESERVED_PIECES = 4 + 256
"""The special pieces (padding, unknown, begin, end) and, with byte fallback, one piece for every byte."""


class TokenizerConfig(Section):
    """How text becomes tokens: one SentencePiece model, or one for each side."""

    vocab_size: Annotated[int, Field(ge=8, le=10_000_000)] = 8000
    """Pieces in the vocabulary; where the training text is too small for so many, the largest number that fits."""
    model_type: Literal["unigram", "bpe"] = "unigram"
    """The algorithm that chooses the pieces."""
    shared: bool = True
    """One vocabulary for both sides, which lets the embeddings be tied; false: one for each side."""
    byte_fallback: bool = True
    """Spell characters outside the vocabulary as bytes, so that nothing is unknown; takes 256 of the pieces."""
    character_coverage: Annotated[float, Field(ge=0.98, le=1)] = 0.9995
    """Share of the characters in the training text that get a piece of their own; SentencePiece takes 0.98 and above."""
    sampling: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Subword regularisation in training: unigram: alpha of the sampling; bpe: the share of merges dropped. 0: off."""
    max_sentences: Positive = 500_000
    """How many training lines the tokenizer learns from, taken evenly over the corpus; unigram takes about 1.5 KB of memory for each."""

    def combinations(self) -> Iterator[Combination]:
        """Byte fallback must leave room for other pieces."""
        if self.byte_fallback and self.vocab_size <= RESERVED_PIECES:
            yield Combination(
                ("vocab_size", "byte_fallback"),
                f"byte_fallback and the special pieces alone take {RESERVED_PIECES} pieces: "
                f"use more than {RESERVED_PIECES}, or `byte_fallback: false`",
            )


class ModelConfig(Section):
    """The network; the defaults are the base model of "Attention Is All You Need" (Vaswani et al. 2017, table 3)."""

    architecture: Literal["transformer", "rnn", "rnn-attention"] = "transformer"
    """The family of the network: the Transformer, or one of its ancestors: a recurrent encoder–decoder with one context vector
    (Sutskever et al. 2014, Cho et al. 2014), or with additive attention (Bahdanau et al. 2015)."""
    cell: Literal["lstm", "gru"] = "lstm"
    """The cells of a recurrent network."""
    d_model: Width = 512
    """Width of the embeddings and of every layer's input and output."""
    num_heads: Width = 8
    """Attention heads in every layer; each has the width d_model / num_heads."""
    d_ff: Width = 2048
    """Width inside the feed-forward blocks."""
    encoder_layers: Layers = 6
    """Layers of the encoder."""
    decoder_layers: Layers = 6
    """Layers of the decoder."""
    dropout: Probability = 0.1
    """Dropout on the embeddings and on every sub-layer's output."""
    attention_dropout: Probability = 0.0
    """Dropout on the attention weights."""
    activation_dropout: Probability = 0.0
    """Dropout inside the feed-forward blocks, after the activation."""
    word_dropout: Probability = 0.0
    """The probability that a whole token's embedding is zero in training, on both sides (Gal and Ghahramani 2016): against
    learning short sentences by heart."""
    activation: Literal["relu", "gelu", "swiglu"] = "relu"
    """The activation of the feed-forward blocks; swiglu has a third weight matrix (Shazeer 2020)."""
    positions: Literal["sinusoidal", "learned", "rotary", "none"] = "sinusoidal"
    """How a layer knows the order of the tokens; rotary turns queries and keys (Su et al. 2021); none, for comparison: not at all,
    so that the encoder sees its source as a bag of words."""
    max_positions: Width = 1024
    """Positions in the table of learned positions; the other kinds have no limit."""
    norm: Literal["layernorm", "rmsnorm"] = "layernorm"
    """The normalisation around sub-layers."""
    norm_position: Literal["post", "pre"] = "post"
    """Normalise after adding the residual (post, as in the paper) or before each sub-layer (pre, easier to train)."""
    tie_embeddings: Literal["all", "decoder", "none"] = "all"
    """Which matrices are one: source, target and output (all; needs a shared vocabulary), the last two, or none."""

    def combinations(self) -> Iterator[Combination]:
        """A recurrent network has no heads; heads divide the width; sines come in pairs with cosines."""
        if self.architecture != "transformer":
            yield from self._not_recurrent()
            return
        if self.cell != "lstm":
            yield Combination(("cell", "architecture"), "a transformer has no cells: remove it, or choose an rnn")
        if self.d_model % self.num_heads:
            yield Combination(
                ("num_heads", "d_model"),
                f"d_model ({self.d_model}) is not a multiple of num_heads ({self.num_heads}): all heads have one width",
            )
        elif self.positions == "rotary" and self.d_model // self.num_heads % 2:
            yield Combination(
                ("num_heads", "d_model", "positions"),
                f"rotary positions need an even head width; d_model / num_heads is {self.d_model // self.num_heads}",
            )
        if self.positions == "sinusoidal" and self.d_model % 2:
            yield Combination(("d_model", "positions"), f"sinusoidal positions need an even d_model, not {self.d_model}")


    def _not_recurrent(self) -> Iterator[Combination]:
        """Settings that a recurrent network would ignore."""
        for name in ("num_heads", "d_ff", "attention_dropout", "activation_dropout", "activation", "positions", "max_positions",
                     "norm", "norm_position"):  # fmt: skip
            if getattr(self, name) != ModelConfig.model_fields[name].default:
                yield Combination((name, "architecture"), f"architecture: {self.architecture} has no {name}: remove it")
        if self.architecture == "rnn-attention" and self.d_model % 2:
            yield Combination(
                ("d_model", "architecture"), f"the encoder reads in two directions of half the width: d_model ({self.d_model}) must be even"
            )


class TrainingConfig(Section):
    """How the weights are learned, how often they are measured and saved, and when it ends."""

    max_steps: Positive = 100_000
    """Updates of the weights after which training ends."""
    max_epochs: Count = 0
    """Passes over the training pairs after which training ends, if that comes first. 0: no limit."""
    max_hours: Annotated[float, Field(ge=0, le=100_000)] = 0.0
    """Hours after which `mt train` has ended, its final scores included; the whole schedule, written in steps, is fitted into them.
    0: steps and epochs decide."""
    max_tokens: Positive = 4096
    """Tokens in a batch, padding included, on the larger of the two sides."""
    accumulation: Width = 1
    """Batches whose gradients are summed for one update."""
    learning_rate: Rate = 0.0007
    """The peak learning rate, reached at the end of the warm-up."""
    min_learning_rate: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """The learning rate that the schedule does not go below after the warm-up."""
    warmup_steps: Count = 4000
    """Updates over which the learning rate rises from zero to its peak."""
    schedule: Literal["inverse_sqrt", "cosine", "linear", "constant"] = "inverse_sqrt"
    """How the learning rate falls after the warm-up; cosine and linear end at max_steps."""
    optimizer: Literal["adam", "adamw", "muon"] = "adam"
    """Adam (Kingma and Ba 2015), AdamW with its weight decay apart (Loshchilov and Hutter 2019), or Muon (Jordan et al. 2024)
    for the matrices inside the layers, with AdamW for embeddings, biases and norms."""
    muon_learning_rate: Rate = 0.02
    """Muon's peak learning rate for the matrices inside the layers; it follows the same schedule as learning_rate."""
    muon_momentum: Probability = 0.95
    """How slowly Muon's average of the gradient forgets."""
    betas: Annotated[
        tuple[Probability, Probability],
        BeforeValidator(list_to_tuple, json_schema_input_type=tuple[Probability, Probability]),
    ] = (0.9, 0.98)
    """How slowly Adam's averages of the gradient and of its square forget."""
    epsilon: Annotated[float, Field(ge=1e-38, le=1)] = 1e-9
    """What Adam adds to the denominator."""
    weight_decay: Annotated[float, Field(ge=0, le=100)] = 0.0
    """How strongly the weights are pulled towards zero; with muon, those of the matrices inside the layers."""
    label_smoothing: Probability = 0.1
    """Share of the probability that the loss spreads over the whole vocabulary (the paper, section 5.4)."""
    r_drop: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Alpha of R-Drop (Liang et al. 2021): each batch is computed twice with other dropout, and the two predictions are drawn together;
    the paper uses 5. Takes twice the time and memory. 0: off."""
    clip_norm: Annotated[float, Field(ge=0, le=1_000_000)] = 1.0
    """The largest norm of the gradient; longer ones are scaled down. 0: off."""
    seed: Seed = 1
    """What all randomness starts from; the same seed on the same machine gives the same numbers."""
    validate_every: Positive = 1000
    """Updates between two measurements on the validation pairs."""
    save_every: Positive = 1000
    """Updates between two checkpoints."""
    log_every: Positive = 50
    """Updates between two lines of the log."""
    validate_sentences: Count = 1000
    """How many validation sentences each measurement translates. 0: all."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """The arithmetic of the matrix products; auto: bf16 on a GPU that has it, and on a CPU that
    multiplies over 1.3 times as fast in it, which is measured; fp32 elsewhere."""
    device: Annotated[
        str,
        AfterValidator(check_device),
        WithJsonSchema({"type": "string", "pattern": "^(auto|cpu|mps|cuda(:[0-9]+)?)$"}),
    ] = "auto"
    """Where to compute: auto (a GPU if there is one), cpu, cuda, cuda:N or mps."""
    threads: Annotated[int, Field(ge=0, le=4096)] = 0
    """Processor threads to compute with. 0: PyTorch's own choice."""
    compile: bool = False
    """Compile every layer with torch.compile before the first step, which takes a minute or more."""
    shard: bool = False
    """With several processes: divide weights, gradients and the optimizer's memory among them (FSDP2), for models that do not fit
    on one. Slower where they do fit. No effect on the results, nor on the checkpoints."""
    record: bool = True
    """Note at some steps how the projections of attention change, for `mt inspect projections`; takes under 2 % of the time."""
    metric: Literal["bleu", "chrf", "loss"] = "bleu"
    """The validation measure that says which checkpoint is the best."""
    patience: Count = 0
    """Measurements without improvement after which training ends. 0: never."""
    average: Literal["last", "best", "none"] = "last"
    """Which saved checkpoints are averaged into the final model."""
    average_checkpoints: Positive = 5
    """How many checkpoints are averaged."""
    ema_decay: Probability = 0.0
    """How slowly a running average of the weights forgets, such as 0.999. 0: no running average."""
    max_bad_steps: Positive = 20
    """Losses in a row that are not finite before training stops."""

    def combinations(self) -> Iterator[Combination]:
        """The floor of the learning rate lies below its peak; a layer is compiled or divided."""
        if self.min_learning_rate > self.learning_rate:
            yield Combination(
                ("min_learning_rate", "learning_rate"),
                f"min_learning_rate ({self.min_learning_rate:g}) is above learning_rate ({self.learning_rate:g})",
            )
        if self.compile and self.shard:
            yield Combination(("compile", "shard"), "divided layers are not compiled: choose one of the two")


class DecodingConfig(Section):
    """How translations are searched for; the translate command can override each of these."""

    method: Literal["beam", "greedy", "sampling"] = "beam"
    """Beam search, the most probable token at each step, or a random draw."""
    beam_size: Hypotheses = 5
    """Hypotheses that beam search keeps for a sentence."""
    length_penalty: Annotated[float, Field(ge=0, le=10)] = 1.0
    """Alpha of the length penalty (Wu et al. 2016, equation 14). 0: no normalisation by length."""
    max_length_ratio: Annotated[float, Field(ge=0, le=100)] = 2.0
    """A hypothesis has at most this many tokens for each source token, plus max_length_extra."""
    max_length_extra: Annotated[int, Field(ge=1, le=100_000)] = 10
    """Tokens added to the limit on a hypothesis' length."""
    nbest: Annotated[int, Field(ge=1, le=100_000)] = 1
    """Hypotheses returned for a sentence."""
    mbr: Annotated[int, Field(ge=0, le=5000)] = 0
    """Of so many candidates the one most like the others, by chrF, instead of the most probable one (minimum Bayes risk): the best that
    beam search finds, with a beam of so many at least, or as many draws. 0: off. Takes longer; validation during training does without."""
    no_repeat_ngram: Count = 0
    """No n-gram of so many target tokens occurs twice in a hypothesis (Paulus et al. 2018). 0: off."""
    coverage_penalty: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Beta of the coverage penalty (Wu et al. 2016, equation 14), by which what beam search has found is ranked anew: the more of the
    source the cross-attention of the last decoder layer passed over, the lower the score. 0: off."""
    temperature: Annotated[float, Field(ge=1e-30, le=1000)] = 1.0
    """What sampling divides the logits by: below 1 is safer, above 1 more varied."""
    top_k: Count = 0
    """Sampling draws from this many most probable tokens. 0: from all."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Sampling draws from the fewest tokens that together have this probability."""
    seed: Seed = 1
    """What sampling's randomness starts from."""
    max_tokens: Positive = 4096
    """Source tokens times beam size in one batch."""
    shortlist: bool = False
    """Translate a sentence with the pieces that its own are likely to become, and some frequent ones, instead of the whole vocabulary:
    faster, with a few other translations. `mt shortlist` learns it from the training pairs; training and validation do without."""
    precision: Literal["fp32", "bf16", "int8"] = "fp32"
    """What translating calculates in. fp32: the same translation whatever is translated beside it. bf16 and int8 (weights of 8 bits, on
    CPUs with VNNI or AMX): faster for wide models, with a few other translations. Validation during training does without."""

    def combinations(self) -> Iterator[Combination]:
        """A search returns no more hypotheses than it keeps."""
        if self.mbr == 1:
            yield Combination(("mbr",), "1 leaves nothing to choose among; give at least 2, or 0 for the most probable one")
        if self.mbr and self.method == "greedy":
            yield Combination(("mbr", "method"), "greedy search has one candidate, and mbr chooses among several: use method: beam")
        if self.mbr and self.nbest > self.mbr:
            yield Combination(("nbest", "mbr"), f"nbest ({self.nbest}) is above mbr ({self.mbr}): there are no more candidates")
        if self.method == "beam" and not self.mbr and self.nbest > self.beam_size:
            yield Combination(
                ("nbest", "beam_size"),
                f"nbest ({self.nbest}) is above beam_size ({self.beam_size}): a beam holds no more",
            )
        if self.method == "greedy" and self.nbest > 1:
            yield Combination(("nbest", "method"), f"greedy search has one hypothesis, not {self.nbest}: use method: beam")


class Config(Section):
    """Everything that decides a run: languages, data, tokenizer, model, training and decoding."""

    name: Annotated[str, AfterValidator(check_name)] | None = None
    """The name of the run, and of its directory under runs/. Default: the configuration file's, without its ending."""
    source: Language = "ko"
    """The language to translate from."""
    target: Language = "en"
    """The language to translate into."""
    data: Annotated[DataConfig, BeforeValidator(expand_data, json_schema_input_type=Builtin | DataConfig)]
    """The sentence pairs; `demo`, `copy` or `reverse` takes all three splits from that built-in corpus."""
    tokenizer: TokenizerConfig = TokenizerConfig()
    """How text becomes tokens."""
    model: ModelConfig = ModelConfig()
    """The network."""
    training: TrainingConfig = TrainingConfig()
    """How the weights are learned."""
    decoding: DecodingConfig = DecodingConfig()
    """How translations are searched for."""

    def combinations(self) -> Iterator[Combination]:
        """What must fit across sections."""
        if self.model.tie_embeddings == "all" and not self.tokenizer.shared:
            yield Combination(
                ("model.tie_embeddings", "tokenizer.shared"),
                "tie_embeddings: all needs one vocabulary for both sides: set tokenizer.shared to true, "
                "or model.tie_embeddings to decoder",
            )
        if self.model.positions == "learned" and self.data.max_length > self.model.max_positions:
            yield Combination(
                ("model.max_positions", "data.max_length", "model.positions"),
                f"pairs of up to data.max_length ({self.data.max_length}) tokens do not fit into "
                f"{self.model.max_positions} learned positions: raise max_positions or lower max_length",
            )
        if self.model.architecture != "transformer" and self.decoding.precision == "int8":
            yield Combination(("decoding.precision", "model.architecture"), "decoding.precision: int8 is for the transformer: take fp32")
        if self.model.architecture != "transformer" and (self.training.compile or self.training.shard):
            key = "training.compile" if self.training.compile else "training.shard"
            yield Combination((key, "model.architecture"), f"{key} is for the transformer: remove it")
        if not self.data.valid and self.training.average == "best":
            yield Combination(("training.average", "data.valid"), "the best checkpoints need validation pairs: give data.valid")
        if not self.data.valid and self.training.patience:
            yield Combination(("training.patience", "data.valid"), "patience needs validation pairs: give data.valid")
