"""An export for CTranslate2 as a translator: text in, text out, without torch, so that it is there at once.

The search is CTranslate2's own: with a beam of one it finds what mt finds, with a wider one it refills the beam after a hypothesis has
ended and divides by a power of the length, so that it may find another translation than mt.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from mt.data.encodings import normalise
from mt.data.special_ids import BOS, EOS, PAD
from mt.data.tokenizer import Tokenizer, Vocabulary
from mt.errors import DecodingError, ExportError
from mt.export.manifest import read_manifest
from mt.runs import shown
from mt.translation import NOTHING, Translation

_BLOCK_LINES = 8192
_BATCH = 32


@dataclass(frozen=True)
class EngineOptions:
    """What CTranslate2 can be asked for; the names and meanings of DecodingConfig."""

    beam_size: int = 5
    nbest: int = 1
    mbr: int = 0
    length_penalty: float = 1.0
    """The power of the length that a log-probability is divided by: not GNMT's formula, but of like effect."""
    max_length_ratio: float = 2.0
    max_length_extra: int = 10
    no_repeat_ngram: int = 0

    def limit(self, num_source_tokens: int) -> int:
        """The most tokens, end included, of a translation of a source of so many tokens, end not counted."""
        return max(1, int(self.max_length_ratio * num_source_tokens + self.max_length_extra))


class ExportedTranslator:
    """A CTranslate2 model with its tokenizer. The same methods as Translator, as far as CTranslate2 has a counterpart."""

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
        known = {field.name for field in fields(EngineOptions)}
        self._defaults = EngineOptions(**{key: value for key, value in manifest["decoding"].items() if key in known})
        self.tokenizer = Tokenizer.load(folder)
        if self.tokenizer.fingerprint() != manifest["tokenizer"]:
            raise ExportError(f"{shown(folder)}: the tokenizer is not the one it was exported with; export the run again")
        self._source_pieces, self._target_pieces = pieces(self.tokenizer.source), pieces(self.tokenizer.target)
        self._target_ids = {piece: token for token, piece in enumerate(self._target_pieces)}
        self._translator = open_model(folder, device)

    def options(self, **overrides: object) -> EngineOptions:
        """The exported decoding settings with some replaced. DecodingError for what CTranslate2 has no counterpart of."""
        changes = dict(overrides)
        if changes.get("method") == "greedy":
            changes["beam_size"] = 1
        if changes.pop("method", "beam") not in ("beam", "greedy"):
            raise DecodingError("an exported model is searched with beam or greedy; for sampling give the run itself, or --engine torch")
        unknown = [key for key in changes if key not in {field.name for field in fields(EngineOptions)}]
        if unknown:
            raise DecodingError(f"decoding.{unknown[0]} cannot be asked of an exported model; give the run itself, or --engine torch")
        options = replace(self._defaults, **changes)
        if options.mbr and changes.get("beam_size") == 1:
            raise DecodingError("decoding.mbr chooses among several candidates, and greedy search has one; set mbr to 0")
        most = "mbr" if options.mbr else "beam_size"
        if options.nbest > getattr(options, most):
            raise DecodingError(f"decoding.nbest is {options.nbest}; it must be at most {most}, {getattr(options, most)}.")
        return options

    def translate(self, lines: Sequence[str], **overrides: object) -> list[str]:
        """The best translation of each line, in order; an empty line stays an empty line."""
        return [best[0].text for best in self.translate_nbest(lines, self.options(**overrides))]

    def translate_nbest(
        self, lines: Sequence[str], options: EngineOptions | None = None, progress: Callable[[int], None] | None = None
    ) -> list[list[Translation]]:
        """The n best translations of each line, best first; with options.mbr those most like the others.

        progress: called with the number of lines done since its last call.
        """
        if isinstance(lines, str):
            raise TypeError("translate takes a list of sentences, not one string: translate([sentence])")
        options = options or self._defaults
        if options.mbr:
            return self._most_alike(lines, options, progress)
        found = []
        for first in range(0, len(lines), _BLOCK_LINES):
            block = [normalise(line) for line in lines[first : first + _BLOCK_LINES]]
            found += self._translate_block(block, options, progress or (lambda count: None))
        return found

    def _most_alike(self, lines: Sequence[str], options: EngineOptions, progress: Callable[[int], None] | None) -> list[list[Translation]]:
        """The translations of each line that are most like the other candidates, block by block."""
        from mt.minimum_bayes_risk import candidate_settings, rank_by_agreement  # numpy, which nothing else here needs

        search = replace(options, **candidate_settings(options.beam_size, options.mbr))
        return [
            rank_by_agreement(candidates, by_probability=True)[: options.nbest]
            for first in range(0, len(lines), _BLOCK_LINES)
            for candidates in self.translate_nbest(lines[first : first + _BLOCK_LINES], search, progress)
        ]

    def _translate_block(self, lines: Sequence[str], options: EngineOptions, progress: Callable[[int], None]) -> list[list[Translation]]:
        """Some lines, all in one call; one that became longer than its own limit is searched again with that limit."""
        sources = [[token for token in source if token != EOS] for source in self.tokenizer.encode_source(lines)]
        found: list[list[Translation]] = [[NOTHING] for _ in sources]
        asked = [number for number, source in enumerate(sources) if source]
        progress(len(sources) - len(asked))
        if not asked:
            return found
        longest = max(options.limit(len(sources[number])) for number in asked)
        for number, pending in zip(asked, self._search([sources[number] for number in asked], options, longest), strict=True):
            limit = options.limit(len(sources[number]))
            hypotheses = pending.result()
            if any(len(tokens) >= limit for tokens in hypotheses.hypotheses) and limit < longest:
                hypotheses = self._search([sources[number]], options, limit)[0].result()
            found[number] = [
                self._to_text(tokens, score, options, limit)
                for tokens, score in zip(hypotheses.hypotheses, hypotheses.scores, strict=True)
            ]
            progress(1)
        return found

    def _search(self, sources: Sequence[Sequence[int]], options: EngineOptions, limit: int) -> list:
        """CTranslate2's results, which are waited for one by one. limit: of every translation."""
        return self._translator.translate_batch(
            [[self._source_pieces[token] for token in source] for source in sources],
            max_batch_size=_BATCH, beam_size=options.beam_size, num_hypotheses=options.nbest, length_penalty=options.length_penalty,
            max_decoding_length=limit, min_decoding_length=0, no_repeat_ngram_size=options.no_repeat_ngram, return_scores=True,
            suppress_sequences=[[self._target_pieces[token]] for token in (PAD, BOS)], asynchronous=True,
        )  # fmt: skip

    def _to_text(self, tokens: Sequence[str], score: float, options: EngineOptions, limit: int) -> Translation:
        """A hypothesis with its tokens joined to text. CTranslate2 says nothing of the end: what is as long as the limit was cut off."""
        finished = len(tokens) < limit
        log_prob = score * (len(tokens) + finished) ** options.length_penalty
        text = self.tokenizer.decode_target([self._target_ids[piece] for piece in tokens])
        return Translation(text, score, log_prob, finished)


def pieces(vocabulary: Vocabulary) -> list[str]:
    """Every piece of a vocabulary, by id: what CTranslate2 reads and writes."""
    return vocabulary.processor.id_to_piece(list(range(len(vocabulary))))


def open_model(folder: Path, device: str):
    """CTranslate2's translator, one sentence or batch on each core. ExportError when the package is missing or the folder damaged."""
    try:
        import ctranslate2
    except ImportError as error:
        raise ExportError("ctranslate2 is not installed; pip install 'mt-trainer[export]', or pip install ctranslate2") from error
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda"):
        raise ExportError(f"--device: CTranslate2 runs on cpu or cuda, not on '{device}'")
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        return ctranslate2.Translator(str(folder), device=kind, device_index=int(number or 0), inter_threads=threads, intra_threads=1)
    except (RuntimeError, ValueError) as error:
        raise ExportError(f"{shown(folder)}: CTranslate2 cannot load this: {error}") from error
