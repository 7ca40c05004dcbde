"""The Python API: text in, text out.

    from mt import Translator
    Translator.load("runs/base").translate(["문장"])
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mt.config import Config, DecodingConfig
from mt.config_file import replace_fields
from mt.data.encodings import normalise
from mt.data.tokenizer import Tokenizer
from mt.decoding.batches import translate_ids
from mt.decoding.hypothesis import Hypothesis
from mt.model.interface import TranslationModel
from mt.runs import find_model, load_model

BLOCK_LINES = 8192
"""So many lines are searched at a time: what a search notes of every token is kept no longer than that."""


@dataclass(frozen=True)
class Translation:
    """One translation of one sentence."""

    text: str
    """Detokenised."""
    score: float
    """Log-probability divided by the length penalty; what the beam ranks by."""
    log_prob: float
    """The natural logarithm of the translation's probability under the model."""
    finished: bool
    """False when the length limit cut it off."""


class Translator:
    """A trained model with its tokenizer. path: the weights file it was loaded from, if it was."""

    def __init__(self, model: TranslationModel, tokenizer: Tokenizer, config: Config, path: Path | None = None):
        self.model = model
        self.tokenizer = tokenizer
        self.config = config
        self.path = path

    @classmethod
    def load(cls, model: str | Path | None = None, device: str = "cpu") -> "Translator":
        """Load a run, a run's name or a checkpoint; None: $MT_MODEL or the latest finished run. RunError when there is none."""
        loaded = load_model(find_model(None if model is None else str(model)))
        return cls(loaded.model.to(device), loaded.tokenizer, loaded.config, loaded.path)

    def translate(self, lines: Sequence[str], **overrides: object) -> list[str]:
        """The best translation of each line, in order; an empty line stays an empty line.

        overrides: fields of `decoding`, for example beam_size=1. ConfigError for an unknown field or an impossible value.
        """
        return [best[0].text for best in self.translate_nbest(lines, self.options(**overrides))]

    def options(self, **overrides: object) -> DecodingConfig:
        """The run's decoding settings with some fields replaced."""
        changes = {f"decoding.{key}": value for key, value in overrides.items()}
        return replace_fields(self.config, changes).decoding

    def translate_nbest(
        self, lines: Sequence[str], options: DecodingConfig | None = None, progress: Callable[[int], None] | None = None
    ) -> list[list[Translation]]:
        """The n best translations of each line, best first. progress: called with the number of lines done since its last call."""
        if isinstance(lines, str):
            raise TypeError("translate takes a list of sentences, not one string: translate([sentence])")
        found = []
        for first in range(0, len(lines), BLOCK_LINES):
            sources = self.tokenizer.encode_source([normalise(line) for line in lines[first : first + BLOCK_LINES]])
            # A line without text has nothing but its end token; the search answers an empty source with an empty translation.
            sources = [source if len(source) > 1 else [] for source in sources]
            nbest = translate_ids(self.model, sources, options or self.config.decoding, progress)
            found += [[self._to_text(hypothesis) for hypothesis in hypotheses] for hypotheses in nbest]
        return found

    def _to_text(self, hypothesis: Hypothesis) -> Translation:
        """A hypothesis with its tokens joined to text."""
        text = self.tokenizer.decode_target(hypothesis.tokens)
        return Translation(text, hypothesis.score, hypothesis.log_prob, hypothesis.finished)
