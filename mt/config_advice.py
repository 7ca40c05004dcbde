"""What is known of single settings beyond their docstrings: usual values, each with its source, and what is refused together.

For `mt config explain`. A setting has a line here only where the literature or this project's own record (docs/LOG.md) supports one; most
have none. That the refusals are those of mt/config.py is held by a test.
"""

from typing import NamedTuple

PAPER = "Vaswani et al. 2017"
LOG = "docs/LOG.md"


class Usual(NamedTuple):
    """Values that are usual for a setting."""

    words: str
    """The values, and for what."""
    source: str
    """Where that stands: a paper with its section, or a day of this project's log."""


USUAL: dict[str, tuple[Usual, ...]] = {
    "data.max_ratio": (Usual("9, counted in words", "the default of Moses' clean-corpus-n.perl"),),
    "tokenizer.vocab_size": (
        Usual("about 37000, shared, for 4.5 million English–German pairs", f"{PAPER}, section 5.1"),
        Usual("the largest at which 95 % of the pieces occur 100 times or more in the training text; `mt tokenizer inspect --sizes` counts",
              "Gowda and May 2020"),
        Usual("10000 for the 29,000 short pairs of Multi30k; 4000 and a wider model had 1.9 BLEU less in equal time", f"{LOG}, 2026-11-24"),
    ),
    "tokenizer.character_coverage": (
        Usual("0.9995 for scripts of thousands of characters, such as Japanese or Chinese; 1.0 for small ones", "SentencePiece's README"),
    ),
    "tokenizer.sampling": (
        Usual("0.1 with bpe", "Provilkov et al. 2020"),
        Usual("0.1 with bpe was far behind on Multi30k in two runs that were stopped after 800 and 3700 updates", f"{LOG}, 2026-11-24"),
    ),
    "model.d_model": (
        Usual("512 (base), 1024 (big)", f"{PAPER}, table 3"),
        Usual("128 for the 29,000 pairs of Multi30k", "Wu et al. 2021 (Transformer-Tiny)"),
    ),
    "model.num_heads": (
        Usual("8 (base), 16 (big): heads of width 64", f"{PAPER}, table 3"),
        Usual("4", "Wu et al. 2021 (Transformer-Tiny)"),
    ),
    "model.d_ff": (
        Usual("2048 (base), 4096 (big): four times d_model", f"{PAPER}, table 3"),
        Usual("256: twice d_model", "Wu et al. 2021 (Transformer-Tiny)"),
    ),
    "model.encoder_layers": (Usual("6", f"{PAPER}, table 3"), Usual("4", "Wu et al. 2021 (Transformer-Tiny)")),
    "model.decoder_layers": (Usual("6", f"{PAPER}, table 3"), Usual("4", "Wu et al. 2021 (Transformer-Tiny)")),
    "model.dropout": (
        Usual("0.1 (base), 0.3 (big, English–German)", f"{PAPER}, table 3"),
        Usual("0.2 with 0.1 on the attention weights, on Multi30k; 0.3 alone was a little worse in 4000 updates", f"{LOG}, 2026-11-24"),
    ),
    "model.attention_dropout": (Usual("0.1 beside a dropout of 0.2, on Multi30k", f"{LOG}, 2026-11-24"),),
    "model.word_dropout": (Usual("0.1 was too much noise for 3400 updates on Multi30k", f"{LOG}, 2026-11-24"),),
    "model.norm_position": (
        Usual("post, as printed, which needs its warm-up", f"{PAPER}, section 3.1"),
        Usual("pre trains without one", "Xiong et al. 2020"),
        Usual("post with a peak rate of 0.005 and a warm-up of 300 did not leave the first plateau in 1000 updates", f"{LOG}, 2026-11-24"),
    ),
    "model.tie_embeddings": (Usual("all", f"{PAPER}, section 3.4"),),
    "training.max_steps": (Usual("100000 (base), 300000 (big), for millions of pairs", f"{PAPER}, section 5.2"),),
    "training.max_tokens": (
        Usual("about 25000 source and 25000 target tokens an update, on eight GPUs", f"{PAPER}, section 5.1"),
        Usual("2048 to 4096 on a CPU; batches of 1024 ran at 7.2 k target tokens/s where 2048 had 11.6 k", f"{LOG}, 2026-11-24"),
    ),
    "training.learning_rate": (
        Usual("0.0007, the peak of the paper's schedule for a d_model of 512 and a warm-up of 4000", f"{PAPER}, section 5.3"),
        Usual("0.003 for Adam, and for what Muon leaves to AdamW 0.003 to 0.006, with a d_model of 128, pre-norm", f"{LOG}, 2026-11-24"),
    ),
    "training.muon_learning_rate": (
        Usual("0.02 to 0.03 on Multi30k; 0.05 was worse", f"{LOG}, 2026-11-24"),
    ),
    "training.muon_momentum": (Usual("0.95", "Jordan et al. 2024"),),
    "training.warmup_steps": (
        Usual("4000", f"{PAPER}, section 5.3"),
        Usual("150 to 300 with pre-norm in runs of 1500 to 7500 updates", f"{LOG}, 2026-11-24"),
    ),
    "training.schedule": (Usual("inverse_sqrt", f"{PAPER}, section 5.3"),),
    "training.betas": (Usual("[0.9, 0.98]", f"{PAPER}, section 5.3"), Usual("[0.9, 0.999]", "Kingma and Ba 2015")),
    "training.epsilon": (Usual("1e-9", f"{PAPER}, section 5.3"), Usual("1e-8", "Kingma and Ba 2015")),
    "training.weight_decay": (Usual("0.05 with Muon: about one BLEU on Multi30k in 22 minutes", f"{LOG}, 2026-11-24"),),
    "training.label_smoothing": (Usual("0.1", f"{PAPER}, section 5.4"),),
    "training.r_drop": (
        Usual("5", "Liang et al. 2021"),
        Usual("3 on Multi30k: paid in runs of 46 minutes and more, not in 22", f"{LOG}, 2026-11-24"),
    ),
    "training.average_checkpoints": (Usual("5 (base), 20 (big)", f"{PAPER}, section 6.1"),),
    "decoding.beam_size": (
        Usual("4", f"{PAPER}, section 6.1"),
        Usual("wider beams make translations worse again, because they find ever shorter ones", "Koehn and Knowles 2017, section 3.6"),
    ),
    "decoding.length_penalty": (
        Usual("0.6", f"{PAPER}, section 6.1"),
        Usual("1.4 on Multi30k, chosen on its validation pairs; 3.0 ruined the translations", f"{LOG}, 2026-11-24"),
    ),
    "decoding.mbr": (
        Usual("0; 12 with beam search lowered TER by 0.4 to 1.0 on Multi30k's test pairs and left BLEU where it was", f"{LOG}, 2026-11-27"),
        Usual("16 draws at a temperature of 1 lost 7 BLEU there, and at 0.6 one", f"{LOG}, 2026-11-27"),
    ),
}
"""By key. A log's figures are of small corpora on a CPU; a paper's of millions of pairs."""


class Refusal(NamedTuple):
    """Values that are fine one by one and refused together."""

    keys: tuple[str, ...]
    """The keys it concerns, those of a corpus as `corpus.weight`."""
    words: str
    """What does not go together."""
    example: tuple[str, ...]
    """Settings, as --set takes them, that are refused for this on top of a configuration with `data: demo`."""


RECURRENT_HAS_NO = ("num_heads", "d_ff", "attention_dropout", "activation_dropout", "activation", "positions", "max_positions", "norm",
                    "norm_position")  # fmt: skip
_KINDS = ("corpus.builtin", "corpus.source", "corpus.target", "corpus.file", "corpus.dataset")

REFUSALS = (
    Refusal(_KINDS, "a corpus of two kinds: it is built in, or source and target, or a file, or a dataset",
            ("data.train={builtin: demo, file: a.tsv}",)),
    Refusal(_KINDS, "a corpus that says nothing of where its pairs are", ("data.train={name: x}",)),
    Refusal(("corpus.source", "corpus.target"), "source without target, or target without source", ("data.train={source: a}",)),
    Refusal(("corpus.dataset", "corpus.split"), "dataset without split", ("data.train={dataset: a}",)),
    Refusal(("corpus.subset", "corpus.split", "corpus.dataset"), "subset or split without dataset",
            ("data.train={file: a.tsv, split: b}",)),  # fmt: skip
    Refusal(("corpus.source_column", "corpus.target_column", "corpus.file", "corpus.dataset"),
            "source_column or target_column without file or dataset", ("data.train={builtin: demo, source_column: a}",)),
    Refusal(("corpus.encoding", "corpus.builtin", "corpus.dataset", "corpus.file"),
            "encoding with builtin, dataset or a Parquet file, whose encoding is known", ("data.train={builtin: demo, encoding: cp949}",)),
    Refusal(("corpus.weight",), "a weight other than 1 in data.valid or data.test", ("data.valid={builtin: demo, weight: 2}",)),
    Refusal(("data.train",), "an empty list: there must be a corpus to learn from", ("data.train=[]",)),
    Refusal(("data.max_ratio",), "a ratio between 0 and 1: the longer side divided by the shorter is never below 1",
            ("data.max_ratio=0.5",)),  # fmt: skip
    Refusal(("tokenizer.vocab_size", "tokenizer.byte_fallback"), "byte_fallback with a vocab_size of 260 or less: the bytes alone fill it",
            ("tokenizer.vocab_size=260",)),
    Refusal(("model.tie_embeddings", "tokenizer.shared"), "tie_embeddings: all with shared: false", ("tokenizer.shared=false",)),
    Refusal(("model.num_heads", "model.d_model"), "a d_model that is not a multiple of num_heads", ("model.num_heads=7",)),
    Refusal(("model.positions", "model.num_heads", "model.d_model"), "positions: rotary with an odd head width (d_model / num_heads)",
            ("model.positions=rotary", "model.d_model=24")),
    Refusal(("model.positions", "model.d_model"), "positions: sinusoidal with an odd d_model", ("model={d_model: 9, num_heads: 3}",)),
    Refusal(("model.positions", "model.max_positions", "data.max_length"),
            "positions: learned with a data.max_length above max_positions", ("model.positions=learned", "data.max_length=2000")),
    Refusal(("model.cell", "model.architecture"), "a cell with architecture: transformer, which has none", ("model.cell=gru",)),
    *(Refusal((f"model.{name}", "model.architecture"), f"a {name} other than the default with architecture: rnn or rnn-attention",
              ("model.architecture=rnn", f"model.{name}={value}"))
      for name, value in zip(RECURRENT_HAS_NO, ("4", "64", "0.1", "0.1", "gelu", "none", "99", "rmsnorm", "pre"), strict=True)),
    Refusal(("model.architecture", "model.d_model"), "architecture: rnn-attention with an odd d_model",
            ("model.architecture=rnn-attention", "model.d_model=33")),
    Refusal(("training.compile", "model.architecture"), "compile: true with architecture: rnn or rnn-attention",
            ("training.compile=true", "model.architecture=rnn")),
    Refusal(("training.shard", "model.architecture"), "shard: true with architecture: rnn or rnn-attention",
            ("training.shard=true", "model.architecture=rnn")),
    Refusal(("training.compile", "training.shard"), "compile: true with shard: true", ("training.compile=true", "training.shard=true")),
    Refusal(("training.min_learning_rate", "training.learning_rate"), "a min_learning_rate above learning_rate",
            ("training.min_learning_rate=1",)),
    Refusal(("training.average", "data.valid"), "average: best without data.valid", ("training.average=best", "data.valid=[]")),
    Refusal(("training.patience", "data.valid"), "a patience without data.valid", ("training.patience=3", "data.valid=[]")),
    Refusal(("decoding.nbest", "decoding.beam_size", "decoding.method"), "method: beam with an nbest above beam_size",
            ("decoding.nbest=6",)),
    Refusal(("decoding.nbest", "decoding.method"), "method: greedy with an nbest above 1", ("decoding.method=greedy", "decoding.nbest=2")),
    Refusal(("decoding.mbr",), "an mbr of 1", ("decoding.mbr=1",)),
    Refusal(("decoding.mbr", "decoding.method"), "an mbr with method: greedy", ("decoding.mbr=8", "decoding.method=greedy")),
    Refusal(("decoding.nbest", "decoding.mbr"), "an nbest above mbr", ("decoding.nbest=4", "decoding.mbr=3")),
    Refusal(("decoding.precision", "model.architecture"), "precision: int8 with architecture: rnn or rnn-attention",
            ("decoding.precision=int8", "model.architecture=rnn")),
)
"""All of them."""


def refusals_of(key: str) -> list[Refusal]:
    """The refusals that a key takes part in."""
    return [refusal for refusal in REFUSALS if key in refusal.keys]
