"""Markup inside a sentence: put back where its words have gone, or the sentence is broken up around it.

A sentence is translated whole, without its markup. Code is then looked for as it is; the words of a link or of emphasis are translated
alone as well and looked for in the translation. Where code or a link cannot be placed, the text between the markers is translated piece by
piece, so that nothing is lost. Emphasis is put where its words probably are instead, since a whole sentence is worth more.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from mt.documents.parts import Part, Span
from mt.translation import Translation

_MOST_SPANS = 100
"""Of one sentence. One with more is always broken up: a search for each among all others would take long."""


def has_words(text: str) -> bool:
    """Whether there is a letter in it, of any script."""
    return any(map(str.isalpha, text))


class Inline:
    """The markup of one part."""

    def __init__(self, part: Part):
        self._text, self._spans, self._escape = part.text, part.spans, part.escape or str
        self._estimated = False

    def phrases(self) -> list[str]:
        """What is to be translated alone as well, to be found in the whole translation."""
        return [text for text in map(self._covered, self._spans_with_place()) if has_words(text)]

    def placed(self, translation: str, found: Mapping[str, Translation]) -> str | None:
        """A translation with its markup; as it is when it equals the text (the part is then written raw); None: no place for something.

        found: the translations of `phrases`.
        """
        if translation == self._text:
            return translation
        if len(self._spans) > _MOST_SPANS:
            return None
        taken: list[tuple[int, int, Span]] = []
        missing: list[Span] = []
        for span in self._spans:
            place = self._place(span, translation, found, taken)
            if place is not None:
                taken.append((*place, span))
            elif span.optional:
                missing.append(span)
            else:
                return None
        for span in missing:
            place = self._estimate(span, translation, taken)
            if place is None:
                return None
            taken.append((*place, span))
            self._estimated = True
        return _marked(translation, taken, self._escape)

    def original(self) -> str:
        """The text with its markup."""
        return _marked(self._text, [(span.start, span.end, span) for span in self._spans], self._escape)

    def lost(self, translation: str) -> str:
        """What `placed` was not sure of, in words."""
        return "markup where its words probably are" if self._estimated and translation != self._text else ""

    def segments(self) -> list[str]:
        """The texts between the markers, without white space at their ends; those that are code are not among them."""
        return [text.strip() for text, literal in self._runs() if not literal and text.strip()]

    def joined(self, translations: Mapping[str, str], between: str = " ") -> str:
        """The text with the segments replaced by their translations, the markers around them. One without a translation stays; if all
        stay, the text as it is (the part is then written raw).

        between: what separates words in the target language. A Korean particle stands close to what is before it, its translation does not.
        """
        runs = self._runs()
        if all(literal or translations.get(text.strip(), "").strip() in ("", text.strip()) for text, literal in runs):
            return self._text
        written = ""
        spans = [None, *self._spans, None]
        for number, (text, literal) in enumerate(runs):
            core = text.strip()
            own = text if literal or not core else text.replace(core, translations[core].strip() or core)
            inside, before = number % 2, spans[(number + 1) // 2]
            if own != text and own and not inside:
                after = spans[number // 2 + 1]
                own = between * (before is not None and _parts_after(before) and _is_syllable(text[0]) and own[0].isalnum()) + own
                own += between * (after is not None and _parts_before(after) and _is_syllable(text[-1]) and own[-1].isalnum())
            own = own if literal else self._escape(own)
            written += before.before + own + before.after if inside and before is not None else own
        return written

    def _place(
        self, span: Span, translation: str, found: Mapping[str, Translation], taken: Sequence[tuple[int, int, Span]]
    ) -> tuple[int, int] | None:
        """Where a span's words are in the translation; None: nowhere."""
        if span.start == span.end and span.start in (0, len(self._text)):  # a marker before or after all words
            at = len(translation) if span.start else 0
            return at, at
        text = self._covered(span)
        sought = text if span.literal or text not in found else found[text].text
        place = _find(translation, sought, span.literal, taken) if sought.strip() else None
        if place is None and not span.literal and (place := _find_words(translation, sought, taken)) is not None:
            self._estimated = True
        return _trimmed(translation, *place) if place is not None and span.optional else place

    def _estimate(self, span: Span, translation: str, taken: Sequence[tuple[int, int, Span]]) -> tuple[int, int] | None:
        """The words of the translation about as far from its beginning, and about as many, as those of the span."""
        words = [
            match.span() for match in re.finditer(r"\w+(?:['’-]\w+)*", translation)
            if all(match.end() <= start or match.start() >= end for start, end, _ in taken)
        ]  # fmt: skip
        if not words:
            return None
        scale = len(translation) / max(len(self._text), 1)
        start, end = span.start * scale, span.end * scale
        first = min(range(len(words)), key=lambda number: abs(words[number][0] - start))
        last = min(range(first, len(words)), key=lambda number: abs(words[number][1] - end))
        while any(words[first][0] < place < words[last][1] for place, _, _ in taken):
            last -= 1
        return words[first][0], words[last][1]

    def _runs(self) -> list[tuple[str, bool]]:
        """The text outside and inside the spans in turn, and whether it is code; outside first, outside last."""
        runs, start = [], 0
        for span in self._spans:
            runs += [(self._text[start : span.start], False), (self._covered(span), span.literal)]
            start = span.end
        return [*runs, (self._text[start:], False)]

    def _covered(self, span: Span) -> str:
        """The characters of the text that a span covers."""
        return self._text[span.start : span.end]

    def _spans_with_place(self) -> list[Span]:
        """Those whose words are looked for."""
        return [span for span in self._spans if not span.literal and span.end > span.start]


def _parts_before(span: Span) -> bool:
    """Whether a space may be put before its marker: not where it only ends something, or stands for itself (a footnote, a tag)."""
    return span.end > span.start or span.before.endswith(("*", "_", "~", "["))


def _parts_after(span: Span) -> bool:
    """Whether a space may be put after its marker."""
    return span.end > span.start or bool(span.after)


def _is_syllable(character: str) -> bool:
    """Whether it is of a script that writes words close together, or particles to words: Hangul, kana, Chinese characters."""
    return "\u3040" <= character <= "\u30ff" or "\u4e00" <= character <= "\u9fff" or "가" <= character <= "힣"


def _find(text: str, sought: str, literal: bool, taken: Sequence[tuple[int, int, Span]]) -> tuple[int, int] | None:
    """Where something stands that nothing else has taken: between the borders of words, and, unless literal, in upper or lower case."""
    sought = sought if literal else sought.strip().rstrip(".。!?")
    left = r"(?<!\w)" if sought[:1].isalnum() else ""
    right = r"(?!\w)" if sought[-1:].isalnum() and sought[-1:].isascii() and not literal else ""
    if literal and sought[-1:].isalnum():
        right = r"(?![A-Za-z0-9_])"  # a Korean particle may follow
    if not any(map(str.isalnum, sought)):
        return None  # `, ` would be found in the wrong place
    for match in re.finditer(left + re.escape(sought) + right, text, 0 if literal else re.IGNORECASE):
        if all(match.end() <= start or match.start() >= end for start, end, _ in taken):
            return match.span()
    return None


def _find_words(text: str, sought: str, taken: Sequence[tuple[int, int, Span]]) -> tuple[int, int] | None:
    """The longest run of words that what is sought has too, and that nothing else has taken; short words alone are none.

    A phrase translated alone is often a sentence of its own: "The book." for what is "a book" in the whole.
    """
    known = {word.casefold() for word in re.findall(r"\w+", sought)}
    runs: list[tuple[int, int]] = []
    last = -1
    for match in re.finditer(r"\w+", text):
        free = all(match.end() <= start or match.start() >= end for start, end, _ in taken)
        if free and match[0].casefold() in known:
            joined = runs and last == runs[-1][1] and not text[last : match.start()].strip()
            runs[-1:] = [(runs[-1][0], match.end())] if joined else [*runs[-1:], match.span()]
            last = match.end()
    runs = [run for run in runs if any(len(word) > 3 or not word.isascii() for word in re.findall(r"\w+", text[slice(*run)]))]
    return max(runs, key=lambda run: run[1] - run[0], default=None)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    """A place without punctuation at an end that a word touches: emphasis cannot begin or end there in Markdown. None: nothing is left."""
    while start < end and start and text[start - 1].isalnum() and not text[start].isalnum():
        start += 1
    while start < end < len(text) and text[end].isalnum() and not text[end - 1].isalnum():
        end -= 1
    return (start, end) if start < end else None


def _marked(text: str, places: Sequence[tuple[int, int, Span]], escape: Callable[[str], str]) -> str:
    """A text with markers put around places. escape: from words to what is written of them."""
    written, at = "", 0
    for start, end, span in sorted(places, key=lambda place: place[:2]):
        words = text[start:end] if span.literal else escape(text[start:end])
        written += escape(text[at:start]) + span.before + words + span.after
        at = end
    return written + escape(text[at:])


def inline_part(
    raw: str, text: str, spans: Sequence[Span], line: int, kept: str = "", write: Callable[[str], str] | None = None,
    escape: Callable[[str], str] | None = None,
) -> Part:  # fmt: skip
    """The part of a text with markup; only kept when it has no words.

    raw: as it stands in the file. text: NFC, without its markers. write, escape: see Part; write is given the markers too. White space and
    markers around the whole text are not shown to the model.
    """
    head, core, own, tail = peeled(text, list(spans))
    words, at = "", 0
    for span in own:
        words += core[at : span.start] + ("" if span.literal else core[span.start : span.end])
        at = span.end
    if not has_words(words + core[at:]):
        return Part(kept=kept + raw)

    def written(translation: str) -> str:
        whole = head + translation + tail
        return whole if write is None else write(whole)

    return Part(kept, raw, core, line, True, tuple(own), written, escape)


def peeled(text: str, spans: list[Span]) -> tuple[str, str, list[Span], str]:
    """White space and markers before the whole text, the text, the spans in it, and what is after the whole text; all in their order."""
    head = tail = ""
    while True:
        if spans and spans[0].end == 0:
            head += spans[0].before + spans[0].after
            spans = spans[1:]
        elif spans and spans[-1].start == len(text):
            tail = spans[-1].before + spans[-1].after + tail
            spans = spans[:-1]
        elif len(spans) == 1 and not spans[0].literal and (spans[0].start, spans[0].end) == (0, len(text)):
            head, tail, spans = head + spans[0].before, spans[0].after + tail, []
        else:
            first = len(text) - len(text.lstrip())
            last = len(text.rstrip())
            if spans:
                first, last = min(first, spans[0].start), max(last, spans[-1].end)
            if (first, last) == (0, len(text)) or first > last:
                return head, text, spans, tail
            head, tail, text = head + text[:first], text[last:] + tail, text[first:last]
            spans = [replace(span, start=span.start - first, end=span.end - first) for span in spans]
