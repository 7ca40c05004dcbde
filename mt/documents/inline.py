"""Markup inside a sentence: put back where its words have gone, or the sentence is broken up around it.

A sentence is translated whole, without its markup. Code is then looked for as it is; the words of a link or of emphasis are translated
alone as well and looked for in the translation. Where code or a link cannot be placed, the text between the markers is translated piece by
piece, so that nothing is lost; emphasis is left out instead, since a whole sentence is worth more.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from mt.documents.parts import Part, Span
from mt.translation import Translation


def has_words(text: str) -> bool:
    """Whether there is a letter in it, of any script."""
    return any(map(str.isalpha, text))


class Inline:
    """The markup of one part."""

    def __init__(self, part: Part):
        self._text, self._spans = part.text, part.spans

    def phrases(self) -> list[str]:
        """What is to be translated alone as well, to be found in the whole translation."""
        return [text for text in map(self._covered, self._spans_with_place()) if has_words(text)]

    def placed(self, translation: str, found: Mapping[str, Translation]) -> str | None:
        """A translation with its markup; as it is when it equals the text (the part is then written raw); None: no place for something.

        found: the translations of `phrases`.
        """
        if not self._spans or translation == self._text:
            return translation
        taken: list[tuple[int, int, Span]] = []
        for span in self._spans:
            text = self._covered(span)
            sought = text if span.literal or text not in found else found[text].text
            place = _find(translation, sought, span.literal, taken) if sought.strip() else None
            if place is not None:
                taken.append((*place, span))
            elif not span.optional:
                return None
        return _marked(translation, taken)

    def original(self) -> str:
        """The text with its markup."""
        return _marked(self._text, [(span.start, span.end, span) for span in self._spans])

    def lost(self, translation: str) -> str:
        """What `placed` left out, in words."""
        lost = [span for span in self._spans if span.optional and span.before not in translation]
        return "emphasis left out" if lost and translation != self._text else ""

    def segments(self) -> list[str]:
        """The texts between the markers, without white space at their ends; those that are code are not among them."""
        return [text.strip() for text, literal in self._runs() if not literal and text.strip()]

    def joined(self, translations: Mapping[str, str], between: str = " ") -> str:
        """The text with the segments replaced by their translations, the markers around them.

        between: what separates words in the target language. A Korean particle stands close to what is before it, its translation does not.
        """
        written = ""
        spans = iter([*self._spans, None])
        inside = False
        span = next(spans)
        for text, literal in self._runs():
            core = text.strip()
            own = text if literal or not core else text.replace(core, translations[core])
            if own != text and own and not inside:
                own = between * (bool(written) and _is_syllable(text[0]) and own[0].isalnum()) + own
                own += between * (span is not None and _is_syllable(text[-1]) and own[-1].isalnum())
            if inside and span is not None:
                written += span.before + own + span.after
                span = next(spans)
            else:
                written += own
            inside = not inside
        return written

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


def _marked(text: str, places: Sequence[tuple[int, int, Span]]) -> str:
    """A text with markers put around places."""
    for start, end, span in reversed(sorted(places, key=lambda place: place[:2])):
        text = text[:start] + span.before + text[start:end] + span.after + text[end:]
    return text


def inline_part(
    raw: str, text: str, spans: Sequence[Span], line: int, kept: str = "", write: Callable[[str], str] | None = None
) -> Part:
    """The part of a text with markup; only kept when it has no words.

    raw: as it stands in the file. text: NFC, without its markers. write: see Part; it is given the markers too. White space and markers
    around the whole text are not shown to the model.
    """
    head, core, own, tail = _peeled(text, list(spans))
    if not has_words(core) or (len(own) == 1 and own[0].literal and own[0].start == 0 and own[0].end == len(core)):
        return Part(kept=kept + raw)

    def written(translation: str) -> str:
        whole = head + translation + tail
        return whole if write is None else write(whole)

    return Part(kept, raw, core, line, True, tuple(own), written)


def _peeled(text: str, spans: list[Span]) -> tuple[str, str, list[Span], str]:
    """White space and markers before the whole text, the text, the spans in it, and what is behind the whole text."""
    head = tail = ""
    while True:
        core = text.strip()
        first = len(text) - len(text.lstrip())
        head, tail = head + text[:first], text[first + len(core) :] + tail
        text = core
        spans = [replace(span, start=max(0, span.start - first), end=max(0, min(len(core), span.end - first))) for span in spans]
        if spans and spans[0].end == 0:
            head += spans[0].before + spans[0].after
            spans = spans[1:]
        elif spans and spans[-1].start == len(core):
            tail = spans[-1].before + spans[-1].after + tail
            spans = spans[:-1]
        elif len(spans) == 1 and not spans[0].literal and (spans[0].start, spans[0].end) == (0, len(core)):
            head, tail, spans = head + spans[0].before, spans[0].after + tail, []
        else:
            return head, core, spans, tail
