"""Which language a text seems to be in: its script says much, and the commonest words of an alphabet's languages say the rest.

This decides nothing alone. It fills in languages and columns that nobody has named, and notices names that cannot be true.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mt.data.characters import SCRIPTS, script_of
from mt.data.language_codes import short_code
from mt.data.language_names import codes_by_name

NAMES = {
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek",
    "en": "English", "es": "Spanish", "et": "Estonian", "fa": "Persian", "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi",
    "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian",
    "ms": "Malay", "nb": "Norwegian", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian",
    "ru": "Russian", "sk": "Slovak", "sl": "Slovenian", "sr": "Serbian", "sv": "Swedish", "th": "Thai", "tr": "Turkish",
    "uk": "Ukrainian", "vi": "Vietnamese", "yue": "Cantonese", "zh": "Chinese",
}  # fmt: skip
"""Languages by their codes, as messages call them; a code that is not here is called by itself."""

_CODE_OF = codes_by_name() | {"us": "en", "gb": "en", "jp": "ja", "kr": "ko", "cn": "zh"} | {code: code for code in NAMES}

_WORDS = {
    "en": "the of and to a in is that it was for on with as I you he she they we his her be this have from not are but by my your what at "
          "do an there can will did does has had its me how when where could would",
    "de": "der die das und in zu den nicht ist ein eine von mit es auf ich sie er wir dem im sich des auch hat wird für sind war",
    "fr": "le la les de des et à un une est que en il je pas ne dans pour ce vous du au qui sur se avec nous elle sont plus",
    "es": "el la los las de y en que un una es no se por con para su del al lo como más está pero ha mi yo son",
    "it": "il la di che e un una è non per in si con le del della sono lo gli da ma ha mi al come nel io ho",
    "pt": "o a os as de e que um uma é não em do da para com se no na por mais ele eu foi ao dos você está",
    "nl": "de het een en van in is dat niet op te zijn ik met voor er hij je was aan ze wij maar om ook heeft naar",
    "sv": "och i att det en som på är av för den till inte jag han med ett har om de var hon vi så från",
    "da": "og i at det en som på er af for den til ikke jeg han med et har om de var hun vi så fra der blev",
    "nb": "og i å det en som på er av for den til ikke jeg han med et har om de var hun vi så fra ble",
    "fi": "ja on ei että se hän oli ovat mutta kun myös ole joka niin kuin minä sinä hän tämä mitä minun olen",
    "pl": "i w nie na się z do to jest że o jak ale po co jego za od tak już był przez dla są ja on mnie",
    "cs": "se v na je že to s z do o ve si jako ale za po jsem by k byl pro jsou co tak já není",
    "hu": "a az és hogy nem egy meg de van ez azt volt csak már mint még ha én el kell vagy",
    "ro": "și de în la cu pe nu este că un o din pentru se mai au fost care sunt lui am eu",
    "tr": "bir ve bu da de için ne çok o ben mi değil var gibi ama daha olarak ile en kadar sonra",
    "id": "yang dan di itu dengan untuk tidak ini dari dalam akan pada saya ke anda adalah ada mereka kami dia",
    "vi": "là của và có không được một cho các trong này người những đã với tôi anh ở đó khi",
    "ru": "и в не на я что он с это как а по но она к у из за его мы вы от то был так для они",
    "uk": "і в не на я що він з це як та а але вона до у за його ми ви від то був так для вони й",
    "bg": "и на да се в не е за от че с по той си са аз това ще тя как но ми са към беше",
    "sr": "и је у да се на за не су од са то он што ја као али ће који би смо сам",
}
_FREQUENT = {language: frozenset(words.split()) for language, words in _WORDS.items()}
_LEAST_SHARE = 0.08
_LEAD = 1.5
"""How many times as many of its common words a language must have as the next one, to be named at all."""
_WORD = re.compile(r"[^\W\d_]+")
_IN_SCRIPT = {script: re.compile(f"[{ranges}]") for script, ranges in SCRIPTS.items()}
_KANA = re.compile("[\u3040-\u30ff]")
_LETTER = re.compile(r"[^\W\d_]")
_ONE_LANGUAGE = {"Hangul": "ko", "Greek": "el", "Hebrew": "he", "Thai": "th"}
_RELATED = [
    frozenset(codes.split())
    for codes in ("id ms", "nb no nn da sv", "cs sk", "pt gl", "es gl ca", "fr ca oc", "nl af", "sl hr bs sr", "bg mk", "ru uk be", "sr mk")
]
"""Languages so close that the common words of one may name the other."""
_IDENTIFIER = re.compile(r"(?=.*\d)[!-~]+|[a-z]+://\S+")
"""s12x, doc-0007, 3f9a, a URL: letters, and no word."""
_SEVERAL_SCRIPTS = frozenset(["az", "kk", "ky", "mn", "ms", "pa", "sr", "tg", "tk", "ur", "uz", "bs", "ku", "sd"])
"""Languages written in more than one script: no script contradicts them."""


@dataclass(frozen=True)
class TextFacts:
    """What some texts of one side look like."""

    worded: float
    """The share of the texts with a letter in them that are no identifiers: 0 for numbers."""
    scripts: dict[str, float]
    """Of the texts with a letter, the share that is mostly in each script of characters.SCRIPTS."""
    language: str | None
    """The code of the language that they seem to be in; None where nothing says so."""
    distinct: float
    """The share of different texts: a category or a note occurs again and again."""

    @property
    def script(self) -> str | None:
        """The script of most of the texts; None where there is none."""
        best = max(self.scripts, key=self.scripts.__getitem__, default=None)
        return best if best is not None and self.scripts[best] > 0.5 else None

    @property
    def described(self) -> str:
        """In a few words: Korean (ko), Latin letters, numbers."""
        if self.worded < 0.5:
            return "numbers or signs, hardly any words"
        if self.language is not None:
            return named(self.language)
        return f"{self.script} letters" if self.script else "several scripts"


def named(code: str) -> str:
    """A language for a person: Korean (ko)."""
    name = NAMES.get(short_code(code))
    return f"{name} ({code})" if name else code


def language_called(name: str) -> str | None:
    """The code of the language that a column is called after: ko, KO, Korean, 한국어, translation.ko, text_en; None for another name."""
    words = [word for word in re.split(r"[\W_]+", name.strip().casefold()) if word]
    if not words or len(words) > 3:
        return None
    found = {_CODE_OF[word] for word in words if word in _CODE_OF and (len(words) == 1 or word not in ("is", "it", "no", "id", "us", "de"))}
    return found.pop() if len(found) == 1 else None


def look_at(texts: Sequence[str]) -> TextFacts:
    """What texts look like: script by script, and the language where script or common words name one."""
    texts = [text for text in texts if text.strip()]
    worded = [text for text in texts if _LETTER.search(text) and not _IDENTIFIER.fullmatch(text.strip())]
    counted = Counter(_script(text) for text in worded)
    scripts = {script: count / len(worded) for script, count in counted.items() if script is not None}
    distinct = len(set(texts)) / len(texts) if texts else 0.0
    facts = TextFacts(len(worded) / len(texts) if texts else 0.0, scripts, None, distinct)
    return TextFacts(facts.worded, scripts, _language(facts.script, worded), distinct)


def contradiction(code: str, facts: TextFacts) -> bool:
    """Whether texts like these cannot be in a language: another script throughout, or hardly any words."""
    if facts.worded < 0.5:
        return True
    expected = script_of(code)
    if expected is None or short_code(code) in _SEVERAL_SCRIPTS or facts.script is None:
        return False
    return facts.script != expected and facts.scripts.get(expected, 0.0) < 0.2


def could_be(guess: str | None, code: str) -> bool:
    """Whether text that seems to be in one language may be in another: the same or a related one. None, no guess, is none of them."""
    short = short_code(code)
    return guess is not None and (guess == short or any(guess in group and short in group for group in _RELATED))


def seems_exchanged(facts: TextFacts, own: str, other: str) -> bool:
    """Whether the text of one side is in the language of the other side, as far as its common words tell, and not in its own."""
    return could_be(facts.language, other) and not could_be(facts.language, own)


def _script(text: str) -> str | None:
    """The script that a text is mostly in. Names and code in Latin letters stand in texts of every language, so they count less."""
    counts = {script: len(pattern.findall(text)) for script, pattern in _IN_SCRIPT.items()}
    latin = counts.pop("Latin")
    best = max(counts, key=counts.__getitem__)
    if counts[best] and 3 * counts[best] >= latin:
        return best
    return "Latin" if latin else None


def _language(script: str | None, texts: Sequence[str]) -> str | None:
    """The language of texts in a script."""
    if script in _ONE_LANGUAGE:
        return _ONE_LANGUAGE[script]
    if script == "kana or Han":
        return "ja" if sum(bool(_KANA.search(text)) for text in texts) > 0.2 * len(texts) else "zh"
    if script not in ("Latin", "Cyrillic"):
        return None
    words = Counter(word if word == "I" else word.casefold() for text in texts for word in _WORD.findall(text))
    total = sum(words.values())
    hits = {language: sum(words[word] for word in common) for language, common in _FREQUENT.items() if script_of(language) == script}
    (first, most), (_, next_most) = sorted(hits.items(), key=lambda item: -item[1])[:2]
    return first if most >= max(3, _LEAST_SHARE * total) and most >= _LEAD * next_most else None
