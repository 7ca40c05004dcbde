"""Where sentences end: by rule, without a model, and without losing a character.

A mark that could be something else (3.14, "Dr.", "1." at the head of a list, a lower-case word behind it) ends no sentence: two sentences
that stay together are translated as well as the model can, half a sentence is not.
"""

import re

_ENDS = ".!?…。！？｡‼⁇⁈⁉؟۔।"
_WIDE_ENDS = "。！？｡"
"""Full-width marks, behind which no space is written."""
_CLOSERS = "\"'”’»›)]}）］｝」』》〉】〕"
_OPENERS = "\"'“‘«‹([{（［｛「『《〈【〔¿¡—–-"
_MARK = re.compile(f"([{_ENDS}]+)([{re.escape(_CLOSERS)}]*)(\\s*)")
_LOOK = 80
"""So many characters on both sides decide."""
_KOREAN_ENDERS = "다요죠까네"
"""Last syllables of Korean predicates: only behind one of these does an ellipsis end a sentence, or a full stop without a space."""
_KOREAN_LISTS = "가나다라마바사아자차카타파하"
_QUOTING = ("라고", "이라고", "라는", "이라는", "라며", "하고", "하며", "하는", "고 ", "라면서", "하면서")
"""What follows a quotation inside a Korean sentence."""
_ENGLISH = """mr mrs ms dr prof rev hon sr jr st mt gen col capt lt sgt gov sen rep pres vs etc e.g i.e cf al approx dept est no nos vol
vols pp p fig figs eq eqs sec ch ed eds inc ltd co corp bros jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun
a.m p.m ca viz"""
_EUROPEAN = """z.b d.h u.a usw bzw nr str evtl ggf inkl zzgl vgl abs art hrsg bd tel o.ä s.o s.u mme mlle mgr av p.ex sra srta dra ud uds
ee.uu sig dott avv ing bijv enz mw dhr"""
_ABBREVIATIONS = frozenset(f"{_ENGLISH} {_EUROPEAN}".split())


def split_sentences(text: str) -> list[tuple[str, str]]:
    """The sentences of a text, each with the white space behind it; all of them joined are the text, character for character.

    Line feeds always separate. White space at the beginning stands behind an empty sentence.
    """
    found: list[tuple[str, str]] = []
    head = len(text) - len(text.lstrip())
    if head:
        found.append(("", text[:head]))
    start = head
    for match in re.finditer(r"\s*\n\s*", text):
        if match.start() >= start:
            found += _sentences_of_line(text[start : match.start()], match[0])
            start = match.end()
    return found + (_sentences_of_line(text[start:], "") if start < len(text) else [])


def _sentences_of_line(line: str, behind: str) -> list[tuple[str, str]]:
    """The sentences of a text without line feeds; behind: the white space after the last."""
    found, start = [], 0
    for match in _MARK.finditer(line):
        if match.end() < len(line) and _ends_sentence(line, start, match):
            found.append((line[start : match.end(2)], match[3]))
            start = match.end()
    rest = line[start:]
    text = rest.rstrip()
    return [*found, (text, rest[len(text):] + behind)]


def _ends_sentence(line: str, start: int, match: re.Match[str]) -> bool:
    """Whether the marks end the sentence that began at `start`, when something follows them."""
    marks, closers, space = match.groups()
    before = line[max(start, match.start() - _LOOK) : match.start()]
    follows = line[match.end() : match.end() + _LOOK].lstrip(_OPENERS)
    if not before.strip(_OPENERS + " "):
        return False
    last = before.rstrip(_CLOSERS)[-1:] or before[-1]
    if not space:
        korean = last in _KOREAN_ENDERS and _is_hangul(follows[:1]) and not closers
        return marks[-1] in _WIDE_ENDS and not follows.startswith(_QUOTING) or (korean and not follows.startswith(_QUOTING))
    if not follows or (closers and follows.startswith(_QUOTING)):
        return False
    if follows[0].islower() and not _is_hangul(last):  # behind Korean a Latin name may begin a sentence
        return False
    if set(marks) & set("!?" + _WIDE_ENDS):
        return True
    if "…" in marks or "..." in marks:
        return last in _KOREAN_ENDERS or not _is_hangul(follows[0])
    return bool(closers) or not _is_abbreviation(before, follows)


def _is_abbreviation(before: str, follows: str) -> bool:
    """Whether a full stop belongs to the word before it, or to a number."""
    words = before.split()
    word = words[-1].lstrip(_OPENERS)
    if word.isdecimal():  # "1. First", "2024. 3. 5.", and ordinals such as "am 3. Mai"
        date = len(words) > 1 and re.fullmatch(r"\d+\.", words[-2]) is not None
        return date or len(words) == 1 or follows[0].isdecimal() or (len(word) <= 2 and follows[0].isalpha() and not _is_hangul(follows[0]))
    if len(words) == 1 and word in _KOREAN_LISTS:
        return True
    initial = len(word) == 1 and word.isascii() and word.isalpha() and word != "I"
    return initial or re.fullmatch(r"(?:[A-Za-z]\.)+[A-Za-z]", word) is not None or word.casefold() in _ABBREVIATIONS


def _is_hangul(character: str) -> bool:
    """Whether it is a Hangul syllable."""
    return "가" <= character <= "힣"
