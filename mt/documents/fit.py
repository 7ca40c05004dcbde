"""Texts of any length through a translator of sentences: cut where it hurts least, translated, and joined again.

A text within the model's limit goes through as it is. A longer one is cut at the ends of sentences, then behind clause marks, then at
spaces; what has none of them (an address, a hash) is like nothing the model has ever seen: it is not translated but kept, and that is told.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, NamedTuple

from mt.data.language_codes import short_code
from mt.documents.inline import Inline, has_words
from mt.documents.parts import Part
from mt.documents.placeholders import with_placeholders
from mt.documents.sentences import split_sentences
from mt.documents.tags import with_tags
from mt.documents.words import has_source_words
from mt.translation import Translation

Search = Callable[[Sequence[str], Callable[[int], None]], list[Translation]]
"""The best translation of each line; the function is told how many are done."""

_CLAUSE = re.compile(r"(?<=[,;:،])\s+|(?<=[、，；：])\s*|(?<=[)\]」』”])\s+|\s+(?=[(\[「『“–—])")
_SPACE = re.compile(r"\s+")
_UNSPACED = ("zh", "yue", "ja", "th", "lo", "km", "my", "bo", "dz")
"""Languages that write no space between sentences."""


class Fate(Enum):
    """What becomes of a piece of text."""

    TRANSLATED = 0
    WORDLESS = 1
    """Without a letter of the source language: a bullet, a number, an address, a name in another script. It stays as it is."""
    TOO_LONG = 2
    """Longer than the model takes, and not to be cut. It stays as it is, and that is told."""


class Piece(NamedTuple):
    """A text that is translated on its own, or kept."""

    text: str
    behind: str
    """The white space behind it."""
    fate: Fate


@dataclass(frozen=True)
class Translated:
    """What became of a text."""

    text: str
    """The translation, joined."""
    score: float = 0.0
    """The lowest of its pieces' scores."""
    log_prob: float = 0.0
    """The sum of its pieces' natural log-probabilities."""
    finished: bool = True
    """False when the length limit cut a piece off."""
    pieces: int = 1
    """How many pieces it was cut into."""
    kept: int = 0
    """How many pieces were too long for the model and could not be cut: they stand as they were."""
    markup: str = ""
    """What was lost of inline markup, in words; "" when nothing was."""


class FittingTranslator:
    """Translates texts of any length.

    search: translates lines. count: tokens of each line, end included. limit: the most tokens of a line the model takes. target: the
    code of the target language. source: that of the source language; what has none of its letters is kept, and "" means any letter.
    """

    def __init__(self, search: Search, count: Callable[[Sequence[str]], list[int]], limit: int, target: str, source: str = ""):
        self._search, self._count, self._limit, self._source = search, count, limit, source
        self._between = "" if short_code(target) in _UNSPACED else " "

    def lines(self, lines: Sequence[str], progress: Callable[[int], None]) -> list[Translated]:
        """Lines of plain text, cut only when they are too long."""
        parts = [with_placeholders(with_tags(Part(raw=line, text=line))) for line in lines]
        found = self.parts(parts, progress)
        return [replace(result, text=part.written(result.text)) for part, result in zip(parts, found, strict=True)]

    def parts(self, parts: Sequence[Part], progress: Callable[[int], None]) -> list[Translated]:
        """The texts of parts. progress: called with the number of parts done since its last call."""
        units = [self._units(part) for part in parts]
        found = iter(self._translated([part for own in units for part, _ in own], progress, len(parts)))
        return [self._together([(part, behind, next(found)) for part, behind in own]) for own in units]

    def _units(self, part: Part) -> list[tuple[Part, str]]:
        """A part in units whose markup is put back on its own: sentences, or what one marker joins; and what is behind each."""
        if not part.spans:
            return [(part, "")]
        units: list[tuple[Part, str]] = []
        start = end = first = 0
        sentences = split_sentences(part.text)
        for number, (sentence, behind) in enumerate(sentences, 1):
            end += len(sentence)
            if number == len(sentences):  # white space at the end may be inside a marker
                end, behind = len(part.text), ""
            if not any(span.start < end < span.end for span in part.spans):
                last = first + sum(span.end <= end for span in part.spans[first:])
                own = [replace(span, start=max(span.start - start, 0), end=max(span.end - start, 0)) for span in part.spans[first:last]]
                own_part = Part(text=part.text[start:end], sentences=True, spans=tuple(own), escape=part.escape)
                start, first = end + len(behind), last
                if first < len(part.spans):  # a marker in the white space: what is behind the marker stays behind it
                    start = min(start, max(part.spans[first].start, end))
                units.append((own_part, part.text[end:start]))
            end += len(behind)
        return units

    def _together(self, units: Sequence[tuple[Part, str, Translated]]) -> Translated:
        """The results of a part's units as that of the part."""
        if len(units) == 1:
            return units[0][2]
        same = all(result.text == part.text for part, _, result in units)
        between = "" if same else self._between
        text = ""
        for number, (part, behind, result) in enumerate(units, 1):
            own = result.text if same or result.text != part.text else Inline(part).original()
            text += own + (behind or between * (number < len(units)))
        results = [result for _, _, result in units]
        lost = [result.markup for result in results if result.markup]
        return Translated(
            text, min(result.score for result in results), sum(result.log_prob for result in results),
            all(result.finished for result in results), sum(result.pieces for result in results),
            sum(result.kept for result in results), lost[0] if lost else "",
        )  # fmt: skip

    def _translated(self, parts: Sequence[Part], progress: Callable[[int], None], total: int) -> list[Translated]:
        """Units translated. progress: told of `total` in proportion."""
        cut = [self.cut(part.text, part.sentences) for part in parts]
        inline = [Inline(part) for part in parts]
        wanted = {piece.text for pieces in cut for piece in pieces if piece.fate is Fate.TRANSLATED}
        phrases = list(dict.fromkeys(phrase for part in inline for phrase in part.phrases() if self._has_words(phrase)))
        wanted |= {phrase for phrase, fits in zip(phrases, self._fits(phrases), strict=True) if fits}
        found = self._translate(sorted(wanted), total, progress)
        return self._with_markup(inline, [self._joined(pieces, found) for pieces in cut], found)

    def cut(self, text: str, sentences: bool) -> list[Piece]:
        """The pieces of a text. Joined, with what stands behind each, they are the text, character for character.

        sentences: cut at every sentence, not only where it is too long.
        """
        if text.strip() and not self._has_words(text):
            return [Piece(text, "", Fate.WORDLESS)]
        if not sentences and "\n" not in text and self._fits([text])[0]:
            return [Piece(text, "", Fate.TRANSLATED)]
        pieces: list[Piece] = []
        found = split_sentences(text)
        for (sentence, behind), fits in zip(found, self._fits([sentence for sentence, _ in found]), strict=True):
            if not self._has_words(sentence):
                pieces.append(Piece(sentence, behind, Fate.WORDLESS))
            elif fits:
                pieces.append(Piece(sentence, behind, Fate.TRANSLATED))
            else:
                pieces += _followed(self._cut_at(sentence, (_CLAUSE, _SPACE)), behind)
        return pieces

    def _cut_at(self, text: str, marks: Sequence[re.Pattern[str]]) -> list[Piece]:
        """A text that is too long, cut at the first kind of mark into as few pieces as fit; what still does not, at the next kind."""
        if not marks:
            return [Piece(text, "", Fate.TOO_LONG if has_words(text) else Fate.WORDLESS)]
        units = _split(text, marks[0])
        sizes = self._count([unit for unit, _ in units])
        pieces: list[Piece] = []
        start = 0
        while start < len(units):
            end, size = start + 1, sizes[start]
            while end < len(units) and size + sizes[end] - 1 <= self._limit:  # each counts an end token, and the whole has one
                size += sizes[end] - 1
                end += 1
            while not (fits := self._fits([joined := _text(units[start:end])])[0]) and end - start > 1:
                end -= 1  # together they can take more tokens than apart, though hardly ever
            behind = units[end - 1][1]
            fate = Fate.TRANSLATED if self._has_words(joined) else Fate.WORDLESS
            own = [Piece(joined, "", fate)] if fits else self._cut_at(joined, marks[1:])
            pieces += _followed(own, behind)
            start = end
        return pieces

    def _has_words(self, text: str) -> bool:
        """Whether there is anything in it for the model."""
        return has_source_words(text, self._source)

    def _fits(self, texts: Sequence[str]) -> list[bool]:
        """Whether each text is within the limit. A text has at most a token for each byte, and two more."""
        long = [text for text in texts if len(text.encode("utf-8")) + 2 > self._limit]
        sizes = dict(zip(long, self._count(long), strict=True)) if long else {}
        return [sizes.get(text, 0) <= self._limit for text in texts]

    def _translate(self, texts: Sequence[str], total: int, progress: Callable[[int], None]) -> dict[str, Translation]:
        """Each text's translation. progress: told of `total` parts in proportion."""
        done = told = 0

        def tell(count: int) -> None:
            nonlocal done, told
            done += count
            now = total * done // max(1, len(texts))
            progress(now - told)
            told = now

        found = dict(zip(texts, map(_on_one_line, self._search(texts, tell)), strict=True))
        progress(total - told)
        return found

    def _joined(self, pieces: Sequence[Piece], found: dict[str, Translation]) -> Translated:
        """A text put together from its pieces' translations, with the white space that stood between them."""
        results = [found[piece.text] if piece.fate is Fate.TRANSLATED else None for piece in pieces]
        texts = [piece.text if result is None else result.text for piece, result in zip(pieces, results, strict=True)]
        same = texts == [piece.text for piece in pieces]
        joined = ""
        for piece, text in zip(pieces, texts, strict=True):
            between = "" if same or not piece.text or piece is pieces[-1] else self._between
            joined += text + (piece.behind or between)
        own = [result for result in results if result is not None]
        return Translated(
            joined, min((result.score for result in own), default=0.0), sum(result.log_prob for result in own),
            all(result.finished for result in own), len(pieces), sum(piece.fate is Fate.TOO_LONG for piece in pieces),
        )  # fmt: skip

    def _with_markup(self, inline: Sequence[Inline], results: list[Translated], found: dict[str, Translation]) -> list[Translated]:
        """The translations with their markup put back; where a place for it is not found, the text is translated in segments around it."""
        placed = [part.placed(result.text, found) for part, result in zip(inline, results, strict=True)]
        broken = {number: inline[number].segments() for number, text in enumerate(placed) if text is None}
        cut = {segment: self.cut(segment, True) for segments in broken.values() for segment in segments}
        missing = {piece.text for pieces in cut.values() for piece in pieces if piece.fate is Fate.TRANSLATED} - found.keys()
        if missing:
            found |= self._translate(sorted(missing), 0, lambda count: None)
        final = []
        for number, (result, text) in enumerate(zip(results, placed, strict=True)):
            if number in broken:
                segments = {segment: self._joined(cut[segment], found) for segment in broken[number]}
                text = inline[number].joined({segment: _unstopped(segment, own.text) for segment, own in segments.items()}, self._between)
                markup = "in segments" if len(segments) > 1 else ""
                final.append(replace(result, text=text, markup=markup, finished=all(own.finished for own in segments.values())))
            else:
                final.append(replace(result, text=text, markup=inline[number].lost(text)))
        return final


def _on_one_line(translation: Translation) -> Translation:
    """A translation without line ends: a model that spells bytes can write them, and they would be new lines, rows or cues."""
    if "\n" not in translation.text and "\r" not in translation.text:
        return translation
    return replace(translation, text=" ".join(re.split(r"[\r\n]+", translation.text)))


def _unstopped(source: str, text: str) -> str:
    """A piece of a sentence without the full stop that a model of sentences gives it."""
    return text if source[-1:] in ".。!?…:" else text.rstrip().removesuffix(".").removesuffix("。") or text


def _followed(pieces: Sequence[Piece], behind: str) -> list[Piece]:
    """The pieces, the last with the white space behind it."""
    return [*pieces[:-1], pieces[-1]._replace(behind=pieces[-1].behind + behind)]


def _text(units: Sequence[tuple[str, str]]) -> str:
    """What was cut, put together again, without the white space behind the last."""
    return "".join(unit + space for unit, space in units[:-1]) + units[-1][0]


def _split(text: str, mark: re.Pattern[str]) -> list[tuple[str, str]]:
    """A text cut at a pattern: pieces, each with the white space that the pattern took behind it."""
    found, start = [], 0
    for match in mark.finditer(text):
        if match.start() > start:
            found.append((text[start : match.start()], match[0]))
            start = match.end()
    return [*found, (text[start:], "")] if start < len(text) else found


def fitting(search: Callable[..., list[list[Translation]]], translator: Any) -> FittingTranslator:
    """A translator of texts of any length. search: finds the translations of lines, best first, with a function that is told how many."""

    def best(lines: Sequence[str], progress: Callable[[int], None]) -> list[Translation]:
        return [found[0] for found in search(lines, progress)]

    def count(lines: Sequence[str]) -> list[int]:
        return [len(tokens) for tokens in translator.tokenizer.encode_source(lines)]

    return FittingTranslator(best, count, translator.max_source_tokens, translator.target_language, translator.source_language)


@dataclass(frozen=True)
class Measured:
    """Translations of lines that are to be scored."""

    texts: list[str]
    cut: list[int]
    """The lines, from 1, that were longer than the model takes and therefore cut, as `mt translate` cuts them."""
    kept: list[int]
    """Those of them with a part that could not be cut, and stands there untranslated."""


def translate_to_measure(
    translator: Any, lines: Sequence[str], options: Any, progress: Callable[[int], None] | None = None
) -> Measured:
    """The best translation of each line, of any length, by a Translator. options: its decoding settings."""

    def search(some: Sequence[str], done: Callable[[int], None] | None) -> list[list[Translation]]:
        return translator.translate_nbest(some, options, done)

    limit = translator.max_source_tokens
    long = [number for number, tokens in enumerate(translator.tokenizer.encode_source(lines), 1) if len(tokens) > limit]
    others = sorted({*range(1, len(lines) + 1)} - {*long})
    texts = dict(zip(others, (best.text for best, *_ in search([lines[number - 1] for number in others], progress)), strict=True))
    cut = fitting(search, translator).lines([lines[number - 1] for number in long], progress or (lambda count: None)) if long else []
    texts |= {number: one.text for number, one in zip(long, cut, strict=True)}
    return Measured([texts[number] for number in sorted(texts)], long, [number for number, one in zip(long, cut, strict=True) if one.kept])


def cut_notes(measured: Measured, corpora: Sequence[tuple[str, int]], limit: int) -> list[str]:
    """What was done to lines that are too long, a sentence for each corpus. corpora: name and number of lines. limit: data.max_length."""
    notes, first = [], 0
    for name, count in corpora:
        own, kept = ([number - first for number in numbers if first < number <= first + count] for numbers in (measured.cut, measured.kept))
        if own:
            verb = ("is", "was") if len(own) == 1 else ("are", "were")
            note = f"{name}: {_numbered(own)} {verb[0]} longer than data.max_length={limit} tokens and {verb[1]} cut for translation, "
            note += "as mt translate does"
            notes.append(note + (f"; a part of {_numbered(kept)} has no space to cut at and stays untranslated" if kept else ""))
        first += count
    return notes


def _numbered(numbers: Sequence[int], most: int = 3) -> str:
    """'line 7', or 'lines 7, 9, 12, … (20 in all)'."""
    listed = ", ".join(map(str, numbers[:most]))
    return f"line{'s' * (len(numbers) > 1)} {listed}" + (f", … ({len(numbers)} in all)" if len(numbers) > most else "")
