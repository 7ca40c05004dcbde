"""An export for CTranslate2 as a translator: text in, text out, without torch, so that it is there at once.

The search is CTranslate2's own: with a beam of one it finds what mt finds, with a wider one it refills the beam after a hypothesis has
ended and divides by a power of the length, so that it may find a different translation than mt.
"""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from mt.config import DecodingConfig
from mt.config_file import replace_fields
from mt.data.encodings import normalise
from mt.data.special_ids import BOS, EOS, PAD
from mt.data.tokenizer import Tokenizer, Vocabulary
from mt.decoding.hypothesis import length_limit
from mt.errors import DecodingError, ExportError
from mt.export.decoding import TAKEN, exported_config
from mt.export.manifest import MANIFEST, read_manifest
from mt.install_hint import install_packages
from mt.runs import shown
from mt.translation import NOTHING, Translation

LEAST_VERSION = (4, 8, 1)
"""Of CTranslate2. Earlier versions write beyond their memory when they load a model that was made to do harm."""
_BLOCK_LINES = 8192
_BATCH = 32


class ExportedTranslator:
    """A CTranslate2 model with its tokenizer. The same methods as Translator, as far as CTranslate2 has a counterpart.

    decoding.length_penalty is a power of the length here: not GNMT's formula, but of like effect. Scores and log-probabilities are
    CTranslate2's, which leaves PAD and BOS out of the softmax: a log-probability is some thousandths above the model's own.
    """

    def __init__(self, folder: Path, device: str = "cpu"):
        """device: auto, cpu, cuda or cuda:N. ExportError when the folder is not whole, or CTranslate2 is missing."""
        self.path = folder
        manifest = read_manifest(folder)
        if manifest["to"] != "ctranslate2":
            raise ExportError(
                f"{shown(folder)}: this was exported to {manifest['to']}, which mt does not translate with; give the run itself"
            )
        self.source_language, self.target_language = manifest["source"], manifest["target"]
        self.max_source_tokens: int = manifest.get("max_length", 256)
        """The longest source that training has seen, in tokens with the end token; an export of an earlier version does not say it."""
        self._positions: int | None = manifest.get("positions")
        """The most tokens of a side, end included; None: no limit, or not known."""
        self.config = exported_config(manifest, shown(folder / MANIFEST))
        """Its languages and decoding settings; the rest is empty."""
        self.tokenizer = Tokenizer.load(folder)
        if self.tokenizer.fingerprint() != manifest["tokenizer"]:
            raise ExportError(f"{shown(folder)}: the tokenizer is not the one it was exported with; export the run again")
        self._source_pieces, self._target_pieces = pieces(self.tokenizer.source), pieces(self.tokenizer.target)
        self._target_ids = {piece: token for token, piece in enumerate(self._target_pieces)}
        self._translator = open_model(folder, device)

    def options(self, **overrides: object) -> DecodingConfig:
        """The exported decoding settings with some replaced, checked as a run's are (ConfigError).

        DecodingError for what CTranslate2 has no counterpart of.
        """
        if overrides.get("method") == "sampling":
            raise DecodingError("an exported model is searched with beam or greedy; for sampling give the run itself, or --engine torch")
        unknown = [key for key in overrides if key not in TAKEN["ctranslate2"] and key != "method"]
        if unknown:
            raise DecodingError(f"decoding.{unknown[0]} cannot be asked of an exported model; give the run itself, or --engine torch")
        return replace_fields(self.config, {f"decoding.{key}": value for key, value in overrides.items()}).decoding

    def translate(self, lines: Sequence[str], **overrides: object) -> list[str]:
        """The best translation of each line, in order; an empty line stays an empty line."""
        return [best[0].text for best in self.translate_nbest(lines, self.options(**overrides))]

    def translate_nbest(
        self, lines: Sequence[str], options: DecodingConfig | None = None, progress: Callable[[int], None] | None = None
    ) -> list[list[Translation]]:
        """The n best translations of each line, best first; with options.mbr those most like the others.

        progress: called with the number of lines done since its last call.
        """
        if isinstance(lines, str):
            raise TypeError("translate takes a list of sentences, not one string: translate([sentence])")
        options = options or self.config.decoding
        if options.mbr:
            return self._most_alike(lines, options, progress)
        found = []
        for first in range(0, len(lines), _BLOCK_LINES):
            block = [normalise(line) for line in lines[first : first + _BLOCK_LINES]]
            found += self._translate_block(block, options, progress or (lambda count: None))
        return found

    def _most_alike(self, lines: Sequence[str], options: DecodingConfig, progress: Callable[[int], None] | None) -> list[list[Translation]]:
        """The translations of each line that are most like the other candidates, block by block."""
        from mt.minimum_bayes_risk import candidate_settings, rank_by_agreement  # numpy, which nothing else here needs

        search = options.model_copy(update=candidate_settings(options.beam_size, options.mbr))
        return [
            rank_by_agreement(candidates, by_probability=True)[: options.nbest]
            for first in range(0, len(lines), _BLOCK_LINES)
            for candidates in self.translate_nbest(lines[first : first + _BLOCK_LINES], search, progress)
        ]

    def _translate_block(self, lines: Sequence[str], options: DecodingConfig, progress: Callable[[int], None]) -> list[list[Translation]]:
        """Some lines, all in one call; one that became longer than its own limit is searched again with that limit."""
        sources = [[token for token in source if token != EOS] for source in self.tokenizer.encode_source(lines)]
        found: list[list[Translation]] = [[NOTHING] for _ in sources]
        asked = [number for number, source in enumerate(sources) if source]
        progress(len(sources) - len(asked))
        if not asked:
            return found
        limits = {number: self._limit(sources[number], options) for number in asked}
        longest = max(limits.values())
        for number, pending in zip(asked, self._search([sources[number] for number in asked], options, longest), strict=True):
            limit = limits[number]
            hypotheses = _result(pending)
            if any(len(tokens) >= limit for tokens in hypotheses.hypotheses) and limit < longest:
                hypotheses = _result(self._search([sources[number]], options, limit)[0])
            found[number] = [
                self._to_text(tokens, score, options, limit)
                for tokens, score in zip(hypotheses.hypotheses, hypotheses.scores, strict=True)
            ]
            progress(1)
        return found

    def _limit(self, source: Sequence[int], options: DecodingConfig) -> int:
        """The most tokens, end included, of a translation of this source. DecodingError when the source itself is too long."""
        limit = length_limit(len(source), options)
        if self._positions is None:
            return limit
        if len(source) + 1 > self._positions:
            raise DecodingError(
                f"a text of {len(source) + 1} tokens is longer than the {self._positions} positions of this export; drop "
                "--nbest, so that mt cuts long text, or translate with the run itself (--engine torch)"
            )
        return min(limit, self._positions)

    def _search(self, sources: Sequence[Sequence[int]], options: DecodingConfig, limit: int) -> list:
        """CTranslate2's results, which are waited for one by one. limit: of every translation."""
        return self._translator.translate_batch(
            [[self._source_pieces[token] for token in source] for source in sources],
            max_batch_size=_BATCH, beam_size=1 if options.method == "greedy" else options.beam_size, num_hypotheses=options.nbest,
            length_penalty=options.length_penalty, max_input_length=0,
            max_decoding_length=limit, min_decoding_length=0, no_repeat_ngram_size=options.no_repeat_ngram, return_scores=True,
            suppress_sequences=[[self._target_pieces[token]] for token in (PAD, BOS)], asynchronous=True,
        )  # fmt: skip

    def _to_text(self, tokens: Sequence[str], score: float, options: DecodingConfig, limit: int) -> Translation:
        """A hypothesis with its tokens joined to text. CTranslate2 says nothing of the end: what is as long as the limit was cut off."""
        finished = len(tokens) < limit
        log_prob = score * (len(tokens) + finished) ** options.length_penalty
        text = self.tokenizer.decode_target([self._target_ids[piece] for piece in tokens])
        return Translation(text, score, log_prob, finished)


def pieces(vocabulary: Vocabulary) -> list[str]:
    """Every piece of a vocabulary, by id: what CTranslate2 reads and writes."""
    return vocabulary.processor.id_to_piece(list(range(len(vocabulary))))


def _result(pending):
    """What CTranslate2 found, once it has. DecodingError where it cannot translate."""
    try:
        return pending.result()
    except (RuntimeError, ValueError) as error:
        raise DecodingError(f"CTranslate2 cannot translate this: {error}; give the run itself, or --engine torch") from error


def require_ctranslate2():
    """The package. ExportError when it is not installed, or is older than LEAST_VERSION."""
    wanted = ".".join(map(str, LEAST_VERSION))
    try:
        import ctranslate2
    except ImportError as error:
        raise ExportError(f"ctranslate2 is not installed; run: {install_packages(f'ctranslate2>={wanted}')}") from error
    if tuple(int(number) for number in re.findall(r"\d+", ctranslate2.__version__)[:3]) < LEAST_VERSION:
        raise ExportError(
            f"ctranslate2 {ctranslate2.__version__} is installed, and mt needs {wanted} or newer, which is safe against damaged models; "
            f"run: {install_packages(f'ctranslate2>={wanted}', upgrade=True)}"
        )
    return ctranslate2


def open_model(folder: Path, device: str):
    """CTranslate2's translator, one sentence or batch on each core. ExportError when the package is missing or the folder damaged."""
    ctranslate2 = require_ctranslate2()
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda"):
        raise ExportError(f"--device: CTranslate2 runs on cpu or cuda, not on '{device}'")
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        return ctranslate2.Translator(str(folder), device=kind, device_index=int(number or 0), inter_threads=threads, intra_threads=1)
    except (RuntimeError, ValueError) as error:
        raise ExportError(f"{shown(folder)}: CTranslate2 cannot load this: {error}") from error
