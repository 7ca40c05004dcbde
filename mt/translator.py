"""The Python API: text in, text out.

    from mt import Translator
    Translator.load("runs/base").translate(["문장"])
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from mt.config import Config, DecodingConfig
from mt.config_file import replace_fields
from mt.data.encodings import normalise
from mt.data.pieces import piece_bytes
from mt.data.special_ids import UNK
from mt.data.tokenizer import Tokenizer
from mt.decoding.batches import translate_ids
from mt.decoding.constraints import Constraints
from mt.decoding.hypothesis import Hypothesis
from mt.decoding.phrases import Spelling, compile_phrase
from mt.decoding.shortlist import Shortlist
from mt.errors import DecodingError, RunError
from mt.memory import give_back_freed_memory, prepare_to_translate
from mt.minimum_bayes_risk import candidate_settings, rank_by_agreement
from mt.model.ensemble import Ensemble
from mt.model.interface import TranslationModel
from mt.runs import find_model, shown
from mt.stored_files import StoredModel, find_stored
from mt.stored_model import build_stored, load_model
from mt.stored_shortlist import read_shortlist, shortlist_file
from mt.translation import Translation

BLOCK_LINES = 8192
"""So many lines are searched at a time: what a search notes of every token is kept no longer than that."""


class Translator:
    """A trained model with its tokenizer. path: the weights file it was loaded from, if it was; others: those of an ensemble's others."""

    def __init__(
        self, model: TranslationModel, tokenizer: Tokenizer, config: Config, path: Path | None = None, others: tuple[Path, ...] = ()
    ):
        self.model = model
        self.tokenizer = tokenizer
        self.config = config
        self.path = path
        self.others = others
        self._spelling: Spelling | None = None
        self._shortlist: Shortlist | None = None
        prepare_to_translate()

    @classmethod
    def load(cls, model: str | Path | None = None, device: str = "cpu") -> "Translator":
        """Load a run, a run's name or a checkpoint; None: $MT_MODEL or the latest finished run. RunError when there is none."""
        return cls.of_stored(find_stored(find_model(None if model is None else str(model))), device)

    @classmethod
    def of_stored(cls, stored: StoredModel, device: str = "cpu") -> "Translator":
        """Load what was found of a run before. RunError as `load`."""
        loaded = build_stored(stored)
        return cls(loaded.model.to(device), loaded.tokenizer, loaded.config, loaded.path)

    @classmethod
    def load_all(cls, models: Sequence[str | Path], device: str = "cpu") -> "Translator":
        """Several runs that translate together (mt/model/ensemble.py), with the decoding settings of the first; one or none: as `load`.

        RunError when one is not there, or translates between other languages or with another vocabulary than the first.
        """
        if len(models) < 2:
            return cls.load(models[0] if models else None, device)
        loaded = [load_model(find_model(str(model))) for model in models]
        first = loaded[0]
        for other in loaded[1:]:
            pairs = [f"{one.config.source} to {one.config.target}" for one in (first, other)]
            if pairs[0] != pairs[1]:
                raise RunError(
                    f"--model: {shown(other.path)} translates {pairs[1]}, and {shown(first.path)} {pairs[0]}; an ensemble's runs must "
                    "translate between the same languages"
                )
            if other.tokenizer.fingerprint() != first.tokenizer.fingerprint():
                raise RunError(
                    f"--model: {shown(other.path)} has another vocabulary than {shown(first.path)}; an ensemble's runs need the same one: "
                    "train them on the same data with the same `tokenizer` settings, and other seeds or sizes"
                )
        ensemble = Ensemble([one.model for one in loaded]).eval()
        return cls(ensemble.to(device), first.tokenizer, first.config, first.path, tuple(other.path for other in loaded[1:]))

    @property
    def source_language(self) -> str:
        """The code of the language it translates from."""
        return self.config.source

    @property
    def target_language(self) -> str:
        """The code of the language it translates into."""
        return self.config.target

    @property
    def max_source_tokens(self) -> int:
        """The longest source that training has seen, in tokens with the end token (data.max_length)."""
        return self.config.data.max_length

    def translate(self, lines: Sequence[str], constraints: Constraints | None = None, **overrides: object) -> list[str]:
        """The best translation of each line, in order; an empty line stays an empty line.

        constraints: what `constraints` makes, for every line. overrides: fields of `decoding`, for example beam_size=1. ConfigError for
        an unknown field or an impossible value.
        """
        asked = None if constraints is None else [constraints] * len(lines)
        return [best[0].text for best in self.translate_nbest(lines, self.options(**overrides), constraints=asked)]

    def options(self, **overrides: object) -> DecodingConfig:
        """The run's decoding settings with some fields replaced."""
        changes = {f"decoding.{key}": value for key, value in overrides.items()}
        return replace_fields(self.config, changes).decoding

    def constraints(self, prefix: str = "", forbid: Sequence[str] = (), require: Sequence[str] = ()) -> Constraints:
        """What a translation must begin with, must not contain, and must contain, as text.

        prefix: whole words, since the tokenizer would cut the beginning of a word otherwise than the word. forbid and require: words or
        phrases, found where they are not a part of a longer word (mt/decoding/phrases.py), upper and lower case as given; with a star at
        the end anything may follow. DecodingError for a phrase without text and a prefix that cannot be written.
        """
        if self._spelling is None and (forbid or require):
            self._spelling = Spelling(piece_bytes(self.tokenizer.target))
        [tokens] = self.tokenizer.encode_target([normalise(prefix)])
        if UNK in tokens:
            raise DecodingError(f"the prefix '{prefix}' has a character that the model's vocabulary cannot write")
        phrases = [tuple(compile_phrase(normalise(text), self._spelling) for text in dict.fromkeys(texts)) for texts in (forbid, require)]
        return Constraints(tuple(tokens[:-1]), *phrases)

    def translate_nbest(
        self,
        lines: Sequence[str],
        options: DecodingConfig | None = None,
        progress: Callable[[int], None] | None = None,
        constraints: Sequence[Constraints] | None = None,
    ) -> list[list[Translation]]:
        """The n best translations of each line, best first; with options.mbr those most like the others.

        An empty line's is empty whatever is asked of it. progress: called with the number of lines done since its last call. constraints:
        of each line, if any.
        """
        if isinstance(lines, str):
            raise TypeError("translate takes a list of sentences, not one string: translate([sentence])")
        options = options or self.config.decoding
        search = options.model_copy(update=candidate_settings(options.beam_size, options.mbr)) if options.mbr else options
        found = []
        for first in range(0, len(lines), BLOCK_LINES):
            sources = self.tokenizer.encode_source([normalise(line) for line in lines[first : first + BLOCK_LINES]])
            # A line without text has nothing but its end token; the search answers an empty source with an empty translation.
            sources = [source if len(source) > 1 else [] for source in sources]
            own = None if constraints is None else constraints[first : first + BLOCK_LINES]
            nbest = translate_ids(self.model, sources, search, progress, own, self.shortlist() if options.shortlist else None)
            texts = [[self._to_text(hypothesis) for hypothesis in hypotheses] for hypotheses in nbest]
            if options.mbr:
                texts = [rank_by_agreement(candidates, options.method == "beam")[: options.nbest] for candidates in texts]
            found += texts
            give_back_freed_memory()
        return found

    def best_hypothesis(self, line: str, options: DecodingConfig | None = None) -> Hypothesis:
        """The tokens of the translation that `translate` gives for one line. DecodingError as there."""
        options = options or self.config.decoding
        search = options.model_copy(update=candidate_settings(options.beam_size, options.mbr)) if options.mbr else options
        source = self.tokenizer.encode_source([normalise(line)])
        [found] = translate_ids(self.model, source, search, None, None, self.shortlist() if options.shortlist else None)
        if not options.mbr:
            return found[0]
        texts = [self._to_text(hypothesis) for hypothesis in found]
        chosen = rank_by_agreement(texts, options.method == "beam")[0].text
        return found[[one.text for one in texts].index(chosen)]

    def shortlist(self) -> Shortlist:
        """The run's shortlist. RunError when `mt shortlist` has not made it, or its vocabulary is another."""
        if self._shortlist is None:
            if self.path is None:
                raise RunError("decoding.shortlist needs a run's folder, where its shortlist lies: turn it off")
            self._shortlist = read_shortlist(shortlist_file(self.path), self.tokenizer)
        return self._shortlist

    def _to_text(self, hypothesis: Hypothesis) -> Translation:
        """A hypothesis with its tokens joined to text."""
        text = self.tokenizer.decode_target(hypothesis.tokens)
        return Translation(text, hypothesis.score, hypothesis.log_prob, hypothesis.finished)
