"""Korean and English inflection for the built-in demo corpus.

Hangul syllables are taken apart and put together by Unicode arithmetic, so that ``Stem("춥", "ㅂ").attach("어요")``
gives "추워요"; English verbs and nouns are inflected by rule plus a table of irregular forms.

It covers what the demo grammar (``mt.data.demo``) needs and no more: it is no general Korean or English inflector.
It does not guess a verb's class from its spelling; each stem states its own.
"""
from __future__ import annotations

import functools
from dataclasses import dataclass

VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINALS = ["", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"]
SILENT = 11  # index of the initial ㅇ, which has no sound of its own
CONTRACTIONS = {"ㅏㅏ": "ㅏ", "ㅓㅓ": "ㅓ", "ㅐㅓ": "ㅐ", "ㅔㅓ": "ㅔ", "ㅕㅓ": "ㅕ", "ㅗㅏ": "ㅘ", "ㅜㅓ": "ㅝ", "ㅣㅓ": "ㅕ",
                "ㅚㅓ": "ㅙ"}
KINDS = ("regular", "ㄹ", "ㅂ", "ㄷ", "ㅅ", "르", "으", "ㅎ", "하", "honorific")
PARTICLES = {"은/는": ("은", "는"), "이/가": ("이", "가"), "을/를": ("을", "를"), "와/과": ("과", "와"),
             "로/으로": ("으로", "로"), "이에요/예요": ("이에요", "예요"), "이었어요/였어요": ("이었어요", "였어요"),
             "이었습니다/였습니다": ("이었습니다", "였습니다")}
DIGIT_FINALS = {"0": "ㅇ", "1": "ㄹ", "2": "", "3": "ㅁ", "4": "", "5": "", "6": "ㄱ", "7": "ㄹ", "8": "ㄹ", "9": ""}


def decompose(syllable: str) -> tuple[int, str, str]:
    """Split a Hangul syllable into initial index, vowel and final consonant ("" if it has none)."""
    code = ord(syllable) - 0xAC00
    if not 0 <= code < 11172:
        raise ValueError(f"not a Hangul syllable: {syllable!r}")
    return code // 588, VOWELS[code % 588 // 28], FINALS[code % 28]


def compose(initial: int, vowel: str, final: str = "") -> str:
    """Put a Hangul syllable together; the inverse of ``decompose``."""
    return chr(0xAC00 + initial * 588 + VOWELS.index(vowel) * 28 + FINALS.index(final))


def final_consonant(word: str) -> str:
    """Return the final consonant of the word's last syllable (a digit counts as its Sino-Korean reading)."""
    last = word[-1]
    return DIGIT_FINALS[last] if last in DIGIT_FINALS else decompose(last)[2]


@functools.cache
def particle(word: str, pair: str) -> str:
    """Return the word with the fitting form of a particle such as "은/는" or "로/으로" attached."""
    closed, open_ = PARTICLES[pair]
    final = final_consonant(word)
    takes_open = not final or (pair == "로/으로" and final == "ㄹ")
    return word + (open_ if takes_open else closed)


def with_final(word: str, final: str) -> str:
    """Replace the final consonant of the word's last syllable."""
    initial, vowel, _ = decompose(word[-1])
    return word[:-1] + compose(initial, vowel, final)


@dataclass(frozen=True)
class Stem:
    """A Korean verb or adjective stem with its conjugation class; words may stand before it ("책을 읽")."""

    text: str
    kind: str = "regular"

    def attach(self, ending: str) -> str:
        """Attach an ending: "어…"/"었…" follow vowel harmony, "(으)…" and "(스)…" adapt, others are added plainly."""
        return _attach(self, ending)

    def then(self, ending: str, kind: str = "regular") -> Stem:
        """Attach an ending and return the result as a new stem (for auxiliaries such as "지 않")."""
        return Stem(_attach(self, ending), kind)


@functools.cache
def _attach(stem: Stem, ending: str) -> str:
    if stem.kind not in KINDS:
        raise ValueError(f"unknown stem class: {stem.kind!r}")
    if stem.kind == "honorific" and ending == "어요":
        return stem.text[:-1] + "세요"
    if ending.startswith("어"):
        return infinitive(stem) + ending[1:]
    if ending.startswith("었"):
        return with_final(infinitive(stem), "ㅆ") + ending[1:]
    if ending.startswith("(스)"):
        closed = decompose(stem.text[-1])[2] and stem.kind != "ㄹ"
        return stem.text + "습" + ending[4:] if closed else with_final(stem.text, "ㅂ") + ending[4:]
    if ending.startswith("(으)"):
        return _attach_eu(stem, ending[3:])
    if stem.kind == "ㄹ" and ending[0] == "는":
        return with_final(stem.text, "") + ending
    return stem.text + ending


def _attach_eu(stem: Stem, rest: str) -> str:
    """Attach an ending that begins with the linking vowel 으 after a consonant; rest is what follows the 으."""
    base, link = stem.text, "으"
    final = decompose(base[-1])[2]
    if stem.kind == "ㅂ":
        base, link = with_final(base, ""), "우"
    elif stem.kind == "ㄷ":
        base = with_final(base, "ㄹ")
    elif stem.kind == "ㅅ":
        base = with_final(base, "")
    elif stem.kind == "ㅎ":
        base, link = with_final(base, ""), ""
    elif stem.kind == "ㄹ":
        drops = rest[0] in "ㄴㄹㅂ니시"
        base, link = with_final(base, "") if drops else base, ""
    elif not final:
        link = ""
    joined = base + link
    if rest[0] in FINALS:  # a bare consonant closes the syllable before it
        return with_final(joined, rest[0]) + rest[1:]
    return joined + rest


def infinitive(stem: Stem) -> str:
    """Return the 아/어 form of a stem: 먹어, 가, 봐, 추워, 들어, 지어, 불러, 써, 빨개, 해."""
    head, last = stem.text[:-1], stem.text[-1]
    initial, vowel, final = decompose(last)
    if stem.kind == "하":
        return head + "해"
    if stem.kind == "ㅂ":
        return head + compose(initial, vowel) + ("와" if last in "돕곱" else "워")
    if stem.kind == "ㅎ":
        return head + compose(initial, {"ㅏ": "ㅐ", "ㅑ": "ㅒ", "ㅓ": "ㅔ"}[vowel])
    if stem.kind in ("르", "으"):
        bright = head and head[-1] != " " and decompose(head[-1])[1] in "ㅏㅗ"
        ending = "ㅏ" if bright else "ㅓ"
        if stem.kind == "르":
            return with_final(head, "ㄹ") + compose(initial, ending)
        return head + compose(initial, ending)
    ending = "ㅏ" if vowel in "ㅏㅗㅑ" else "ㅓ"
    if stem.kind == "ㄷ":
        return with_final(stem.text, "ㄹ") + compose(SILENT, ending)
    if stem.kind == "ㅅ":
        return with_final(stem.text, "") + compose(SILENT, ending)
    if not final and vowel + ending in CONTRACTIONS:
        return head + compose(initial, CONTRACTIONS[vowel + ending])
    return stem.text + compose(SILENT, ending)


HONORIFIC_STEMS = {"먹": "드시", "마시": "드시", "자": "주무시"}


def honorific(stem: Stem) -> Stem:
    """Return the subject-honouring stem: 읽 → 읽으시, 먹 → 드시, 바쁘 → 바쁘시."""
    if stem.kind == "honorific":
        return stem
    return Stem(HONORIFIC_STEMS.get(stem.text) or stem.attach("(으)시"), "honorific")


def adnominal(stem: Stem, tense: str) -> str:
    """Return the form that stands before a noun: "present" 읽는, "past" 읽은, "future" 읽을, "state" 예쁜/재미있는."""
    if tense == "present" or (tense == "state" and stem.text[-1] in "있없"):
        return stem.attach("는")
    return stem.attach("(으)ㄹ" if tense == "future" else "(으)ㄴ")


# --- English ---------------------------------------------------------------------------------------------------

IRREGULAR_VERBS = {line.split()[0]: tuple(line.split()[1:]) for line in """
read read read; write wrote written; eat ate eaten; drink drank drunk; buy bought bought; sell sold sold;
make made made; teach taught taught; meet met met; take took taken; ride rode ridden; wear wore worn; lose lost lost;
draw drew drawn; swim swam swum; sleep slept slept; sing sang sung; do did done; go went gone; come came come;
give gave given; send sent sent; lend lent lent; build built built; know knew known; speak spoke spoken; get got got;
have had had; be was been; drive drove driven; catch caught caught; leave left left; begin began begun;
run ran run""".replace("\n", " ").split(";")}
DOUBLING = {"swim", "shop", "get", "run", "jog", "plan"}
IRREGULAR_PLURALS = {"child": "children", "person": "people", "fish": "fish"}


def english_third(verb: str) -> str:
    """Return the third person singular; only the first word of "listen to" changes."""
    head, _, tail = verb.partition(" ")
    if head in ("have", "be"):
        head = {"have": "has", "be": "is"}[head]
    elif head.endswith(("s", "sh", "ch", "x", "o")):
        head += "es"
    elif head.endswith("y") and head[-2] not in "aeiou":
        head = head[:-1] + "ies"
    else:
        head += "s"
    return f"{head} {tail}".strip()


def english_past(verb: str, participle: bool = False) -> str:
    """Return the simple past, or the past participle when asked."""
    head, _, tail = verb.partition(" ")
    if head in IRREGULAR_VERBS:
        head = IRREGULAR_VERBS[head][1 if participle else 0]
    elif head.endswith("e"):
        head += "d"
    elif head.endswith("y") and head[-2] not in "aeiou":
        head = head[:-1] + "ied"
    else:
        head += (head[-1] if head in DOUBLING else "") + "ed"
    return f"{head} {tail}".strip()


def english_ing(verb: str) -> str:
    """Return the -ing form: reading, writing, swimming."""
    head, _, tail = verb.partition(" ")
    if head in DOUBLING:
        head += head[-1]
    elif head.endswith("e") and not head.endswith("ee") and head != "be":
        head = head[:-1]
    return f"{head}ing {tail}".strip()


def english_plural(noun: str) -> str:
    """Return the plural of a noun; the last word of "cell phone" changes."""
    front, space, last = noun.rpartition(" ")
    if last in IRREGULAR_PLURALS:
        last = IRREGULAR_PLURALS[last]
    elif last.endswith(("s", "sh", "ch", "x")):
        last += "es"
    elif last.endswith("y") and last[-2] not in "aeiou":
        last = last[:-1] + "ies"
    else:
        last += "s"
    return front + space + last


def with_article(phrase: str) -> str:
    """Put "a" or "an" before a phrase."""
    vowel_sound = phrase[0].lower() in "aeiou" and not phrase.startswith(("uni", "use", "one", "eu"))
    return ("an " if vowel_sound else "a ") + phrase
