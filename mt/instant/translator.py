"""Text in, text out, at once: a run's model in numpy where that is enough, and torch, loaded only then, where it is not.

numpy translates only with weights and settings on which it has been compared with torch (check.py). A training compares at its end; with an
older run, with other settings, or after the engine has changed, torch translates once more, and the two are compared afterwards.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mt.config import DecodingConfig
from mt.config_file import replace_fields
from mt.data.encodings import normalise
from mt.data.special_ids import EOS
from mt.decoding.hypothesis import length_limit
from mt.engine_record import EngineCheck, allows, can_keep, read_checks
from mt.stored_files import find_stored
from mt.translation import NOTHING, Translation

if TYPE_CHECKING:
    from mt.instant.transformer import Transformer
    from mt.translator import Translator

WIDEST = 64
"""With a beam this wide torch is faster."""
SECONDS = 3.0
"""How long numpy is compared with torch at a time: the command does not end before."""
_MOST_WORK = 10**10
"""Parameters times source tokens up to which lines are translated one by one: about what takes as long as loading torch and its batches."""


class InstantTranslator:
    """A run's model with its tokenizer. It has all that Translator has; what is not here is asked of one that is made when it is needed.

    Translations are Translator's own: a line where rounding might decide (mt/instant/search.py) is given to it, and so is what the search
    in numpy has no counterpart of: several translations, a choice among candidates, sampling, rules, a shortlist, fewer bits, other
    architectures, very many lines; and everything until numpy has been compared with torch on these weights and settings. Both are made
    of the weights that were there when this was made, whatever a training has written since.
    """

    def __init__(self, directory: Path):
        """directory: a run's, or a checkpoint's. RunError as mt.stored_files.find_stored."""
        stored = find_stored(directory, hold=True)
        self._stored = stored
        self.path = stored.weights
        self.config = stored.config
        self.tokenizer = stored.tokenizer
        self.source_language, self.target_language = self.config.source, self.config.target
        self.max_source_tokens: int = self.config.data.max_length
        """The longest source that training has seen, in tokens with the end token."""
        self._model: Transformer | None = None
        self._suited = self.config.model.architecture == "transformer" and self.config.model.activation != "gelu"
        self._full: Translator | None = None
        self._checks: list[EngineCheck] | None = None
        self._not_compared: list[DecodingConfig] = []

    def __getattr__(self, name: str) -> Any:
        """What only Translator has."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.full(), name)

    def full(self) -> "Translator":
        """The same model in torch."""
        if self._full is None:
            from mt.translator import Translator

            self._full = Translator.of_stored(self._stored)
        return self._full

    def options(self, **overrides: object) -> DecodingConfig:
        """The run's decoding settings with some fields replaced."""
        return replace_fields(self.config, {f"decoding.{key}": value for key, value in overrides.items()}).decoding

    def translate(self, lines: Sequence[str], **overrides: object) -> list[str]:
        """The best translation of each line, in order; an empty line stays an empty line."""
        return [best[0].text for best in self.translate_nbest(lines, self.options(**overrides))]

    def translate_nbest(
        self,
        lines: Sequence[str],
        options: DecodingConfig | None = None,
        progress: Callable[[int], None] | None = None,
        constraints: Sequence[Any] | None = None,
    ) -> list[list[Translation]]:
        """As Translator.translate_nbest, with the same result; the scores may differ in their last digits."""
        if isinstance(lines, str):
            raise TypeError("translate takes a list of sentences, not one string: translate([sentence])")
        options = options or self.config.decoding
        sources = self.tokenizer.encode_source([normalise(line) for line in lines])
        if constraints is not None or not is_plain(options) or not self._is_little(sources) or not self._is_compared(options):
            return self.full().translate_nbest(lines, options, progress, constraints)
        found = []
        for line, source in zip(lines, sources, strict=True):
            best = self._search(source, options)
            found += [[best]] if best is not None else self.full().translate_nbest([line], options)
            if progress is not None:
                progress(1)
        return found

    def _is_little(self, sources: Sequence[Sequence[int]]) -> bool:
        """Whether these are worth translating one by one. With torch there already, a single one is."""
        if not self._suited or (self._full is not None and len(sources) > 1):
            return False
        return sum(map(len, sources)) * len(self._stored.content or b"") // 4 <= _MOST_WORK or len(sources) == 1

    def _is_compared(self, options: DecodingConfig) -> bool:
        """Whether numpy has been found equal to torch with these weights and settings. If it was never compared, `compare_engines` will."""
        if self._checks is None:
            self._checks = read_checks(self.path, self._stored.weights_hash)
        allowed = allows(self._checks, options)
        if allowed is None and options not in self._not_compared:
            self._not_compared.append(options)
        return bool(allowed)

    def relies_on(self, check: EngineCheck) -> bool:
        """Whether numpy will translate with the settings of this comparison: it passed, no other one differs, and it can be read again."""
        known = read_checks(self.path, self._stored.weights_hash)
        return not any(one.differs for one in known) and any(one.passed for one in known if one.settings == check.settings)

    def compare_engines(self) -> list[EngineCheck]:
        """Compare numpy with torch on the settings that torch has just translated with because they had not been compared.

        Each result is kept beside the weights, for the next time; so is what was compared within SECONDS, where that was not enough. What
        there is no time for at all is for the next time too. MtError as loading a model.
        """
        ends_at = time.monotonic() + SECONDS
        from mt.instant.layers import UnsuitedWeightsError

        found: list[EngineCheck] = []
        if not self._not_compared or not can_keep(self.path, self._stored.weights_hash):
            return found
        while self._not_compared and not any(one.differs for one in found) and (not found or time.monotonic() < ends_at):
            options = self._not_compared.pop()
            try:
                net = self._load()
            except UnsuitedWeightsError:
                self._suited = False
                return found
            from mt.instant.check import check_engine

            model = self.full().model
            found.append(check_engine(self._stored, net, model, options, seconds=ends_at - time.monotonic()))
        self._not_compared.clear()
        self._checks = None
        return found

    def _search(self, source: list[int], options: DecodingConfig) -> Translation | None:
        """The best translation; None where only torch can say."""
        from mt.instant.layers import UnsuitedWeightsError
        from mt.instant.search import UncertainError, search

        if source == [EOS]:
            return NOTHING
        if not self._suited:
            return None
        try:
            best = search(self._load(), source, options, length_limit(len(source) - 1, options))
        except UncertainError:
            return None
        except UnsuitedWeightsError:
            self._suited = False
            return None
        return Translation(self.tokenizer.decode_target(best.tokens), best.score, best.log_prob, best.finished)

    def _load(self) -> "Transformer":
        """The model in numpy. UnsuitedWeightsError when its weights are not what is computed here."""
        from mt.instant.stored import numpy_model

        if self._model is None:
            self._model = numpy_model(self._stored)
        return self._model


def is_plain(options: DecodingConfig) -> bool:
    """Whether one translation is wanted, by greedy or beam search with nothing more asked."""
    return (
        options.method in ("beam", "greedy")
        and options.nbest == 1
        and not options.mbr
        and not options.no_repeat_ngram
        and not options.coverage_penalty
        and not options.shortlist
        and options.precision == "fp32"
        and options.beam_size < WIDEST
    )
