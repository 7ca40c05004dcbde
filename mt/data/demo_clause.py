"""Clauses of the built-in Korean-English demo corpus: who does what, where and when, in both languages at once.

A ``Act`` is a verb with the object and place chosen for it; ``clause`` puts it into a tense, a mood (wanting, ability,
negation ...) and a speech style, and returns the Korean and the English side.  Numbers and dates are here as well.
It knows nothing of sentence patterns or splits; those are in ``mt.data.demo``.
"""
from __future__ import annotations

import functools
import random
from dataclasses import dataclass

from mt.data.demo_inflection import Stem, english_ing, english_past, english_third, honorific, particle
from mt.data.demo_lexicon import DEEDS, NOUNS, PEOPLE, PLACES, PLAIN, TIMES, YOUNG_PLACES, Deed, Noun, Person, Place, word_list

Pair = tuple[str, str]
YOU = Person("", "you", "pl", "your")
STYLES = ("해요", "해요", "해요", "합니다", "합니다")
ENDINGS = {("해요", "present"): "어요", ("해요", "past"): "었어요", ("해요", "future"): "(으)ㄹ 거예요",
           ("합니다", "present"): "(스)ㅂ니다", ("합니다", "past"): "었습니다", ("합니다", "future"): "(으)ㄹ 겁니다"}
NATIVE = ["", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉", "열", "열한", "열두"]
SINO = ["", "일", "이", "삼", "사", "오", "육", "칠", "팔", "구"]
ENGLISH_SMALL = word_list("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
                 "sixteen seventeen eighteen nineteen")
ENGLISH_TENS = word_list(" _ twenty thirty forty fifty sixty seventy eighty ninety")
ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
            "twelve": "twelfth", "twenty": "twentieth", "thirty": "thirtieth"}


def sino_number(number: int) -> str:
    """Return the Sino-Korean reading of 1 to 99,999: 15 is 십오, 35,000 is 삼만 오천."""
    if number >= 10000:
        head = "" if number // 10000 == 1 else SINO[number // 10000]
        rest = sino_number(number % 10000) if number % 10000 else ""
        return f"{head}만 {rest}".strip()
    text = ""
    for unit, name in ((1000, "천"), (100, "백"), (10, "십"), (1, "")):
        digit = number // unit % 10
        text += (SINO[digit] if digit > 1 or not name else "") + name if digit else ""
    return text


def english_number(number: int) -> str:
    """Return an English number in words, 1 to 99,999."""
    if number < 20:
        return ENGLISH_SMALL[number]
    if number < 100:
        unit = number % 10
        return ENGLISH_TENS[number // 10 - 1] + (f"-{ENGLISH_SMALL[unit]}" if unit else "")
    size, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    rest = english_number(number % size) if number % size else ""
    return f"{english_number(number // size)} {name} {rest}".strip()


def english_ordinal(number: int) -> str:
    """Return an English ordinal in words: first, twelfth, twenty-first."""
    front, dash, last = english_number(number).rpartition("-")
    return front + dash + ORDINALS.get(last, last + "th")


def korean_month(month: int) -> str:
    """Return the month's name; June and October lose their final consonant (유월, 시월)."""
    return {6: "유월", 10: "시월"}.get(month) or sino_number(month) + "월"


def finish(stem: Stem, tense: str, style: str, ask: bool = False) -> str:
    """Return the sentence-final form of a stem, without the punctuation mark."""
    ending = ENDINGS[style, tense]
    if ask and style == "합니다":
        ending = ending.removesuffix("다") + "까"
    return stem.attach(ending)


def be(agree: str, tense: str) -> str:
    """Return the form of "be" for an agreement class ("1", "3", "pl") and tense."""
    if tense == "past":
        return "were" if agree == "pl" else "was"
    return {"1": "am", "3": "is", "pl": "are"}[agree]


def inflect(verb: str, agree: str, tense: str) -> str:
    """Return the simple present, past or future of an English verb phrase."""
    if tense == "future":
        return f"will {verb}"
    if verb.startswith("be "):
        return f"{be(agree, tense)} {verb[3:]}"
    if tense == "past":
        return english_past(verb)
    return english_third(verb) if agree == "3" else verb


@dataclass(frozen=True)
class Act:
    """A deed with the object and place chosen for it."""

    deed: Deed
    noun: Noun | None
    place: Place | None

    @property
    def verb(self) -> str:
        """Dictionary form, the verb's name in a combination."""
        return self.deed.lemma + "다"

    @property
    def pairs(self) -> list[Pair]:
        """The content-word pairs this act brings together."""
        return [(self.verb, thing.ko) for thing in (self.noun, self.place) if thing]

    @property
    def korean(self) -> str:
        """Everything before the verb itself: "도서관에서 책을"."""
        parts = [self.place.ko + "에서" if self.place else "", particle(self.noun.ko, "을/를") if self.noun else ""]
        return join(*parts, self.deed.lead)

    @property
    def bare(self) -> str:
        """The same without the place: "책을"."""
        return join(particle(self.noun.ko, "을/를") if self.noun else "", self.deed.lead)

    def english(self, own: str = "", place: bool = True) -> str:
        """What follows the English verb; own is the owner's my/his/her for verbs that need one."""
        thing = ""
        if self.noun:
            owner = own if "o" in self.deed.flags else "the" if "d" in self.deed.flags else ""
            thing = f"{owner} {self.noun.en}" if owner else self.noun.indefinite
        return join(thing, self.place.at if self.place and place else "")


def join(*parts: str) -> str:
    """Join the parts that are not empty with single spaces."""
    return " ".join(filter(None, parts))


@functools.cache
def deeds_with(flags: str, objects: bool) -> tuple[Deed, ...]:
    """Return the deeds that carry all the flags (and take an object, if objects is set)."""
    return tuple(d for d in DEEDS if all(flag in d.flags for flag in flags) and (d.objects or not objects))


def choose_act(rng: random.Random, flags: str, objects: bool = False, place: float = 0.5) -> Act:
    """Choose a deed with the flags, an object it goes with, and with probability `place` a place it goes with."""
    pool = deeds_with(flags, objects)
    deed = pool[int(rng.random() * len(pool))]
    noun = NOUNS[rng.choice(deed.objects)] if deed.objects else None
    wants_place = rng.random() < place or (deed.lemma == "걷" and place > 0)  # bare "walked" sounds unfinished
    chosen = rng.choice(deed.places) if deed.places and wants_place else None
    return Act(deed, noun, PLACES[chosen] if chosen else None)


def choose_person(rng: random.Random, act: Act | None = None, plain: bool = False) -> Person:
    """Choose a subject that suits the act; plain leaves out the people who take honorific verbs."""
    if rng.random() < 0.12:
        return PEOPLE["저"]
    young = act is not None and ("y" in act.deed.flags or (act.place is not None and act.place.ko in YOUNG_PLACES))
    person = PEOPLE[rng.choice(PLAIN if plain or young else list(PEOPLE))]
    shares = act is not None and "o" in act.deed.flags and person.agree == "pl"  # several people own no single key
    return PEOPLE["저"] if shares else person


def choose_time(rng: random.Random, act: Act, tense: str) -> tuple[str, str]:
    """Choose a time word of the tense that suits the act; returns both languages."""
    if "d" in act.deed.flags:  # a light or a window is switched or opened at an hour, not on a weekday of last week
        return rng.choice(list(TIMES[tense]["n"].items()))
    kinds = [""] + [kind for kind in "nl" if kind in act.deed.flags and TIMES[tense][kind]]
    return rng.choice(list(TIMES[tense][rng.choice(kinds)].items()))


def korean_mood(stem: Stem, mood: str, who: Person) -> Stem:
    """Wrap a stem in a mood (see ``english_mood`` for the meanings) and honour the subject."""
    if mood in ("안", "못") and stem.kind == "하" and len(stem.text) > 1:
        mood = {"안": "지 않", "못": "지 못하"}[mood]  # 안 and 못 do not stand before verbs such as 공부하다
    base = honorific(stem) if who.honoured and stem.attach("(으)시") != honorific(stem).text else stem
    if mood == "고 있":
        return base.then("고 계시", "honorific") if who.honoured else base.then("고 있")
    if mood in ("안", "못"):
        wrapped = Stem(f"{mood} {base.text}", base.kind)
    elif mood == "고 싶":
        wrapped = base.then("고 싶") if who.agree == "1" or who is YOU else base.then("고 싶어 하", "하")
    else:
        wrapped = base.then(mood, "하" if mood.endswith("하") else "regular") if mood else base
    return honorific(wrapped) if who.honoured else wrapped


def english_mood(verb: str, tense: str, mood: str, agree: str) -> tuple[str, str]:
    """Return the auxiliary and the main verb for a Korean mood; the auxiliary is "do" where statements need none."""
    if mood == "고 있":
        return be(agree, tense), english_ing(verb)
    if mood in ("(으)ㄹ 수 있", "(으)ㄹ 수 없", "못", "지 못하"):
        return "could" if tense == "past" else "can", verb
    if mood in ("(으)ㄴ 적이 있", "(으)ㄴ 적이 없"):
        return "has" if agree == "3" else "have", english_past(verb, participle=True)
    verb = {"고 싶": "want to ", "어야 하": "have to "}.get(mood, "") + verb
    if tense == "future":
        return "will", verb
    return "did" if tense == "past" else "does" if agree == "3" else "do", verb


def english_clause(who: Person, verb: str, tense: str, mood: str = "", ask: bool = False, manner: str = "") -> str:
    """Return subject and verb in English, as a statement or with the auxiliary in front."""
    aux, main = english_mood(verb, tense, mood, who.agree)
    negative = mood in ("지 않", "안", "못", "지 못하", "(으)ㄹ 수 없")
    never = "never" if mood == "(으)ㄴ 적이 없" else ""
    if ask:
        return join(aux, who.en, "not" if negative else "", manner, main)
    if negative:
        return join(who.en, "cannot" if aux == "can" else f"{aux} not", main)
    if aux in ("do", "does", "did"):
        return join(who.en, manner, inflect(main, who.agree, tense))
    return join(who.en, aux, manner or never, main)


def clause(who: Person, act: Act, tense: str, style: str, *, when: Pair = ("", ""), extra: Pair = ("", ""),
           manner: Pair = ("", ""), mood: str = "", ask: bool = False) -> Pair:
    """Return both sides of a main clause, without punctuation.

    `when` is a time word, `extra` a companion, duration or means, and `manner` a frequency adverb.
    """
    stem = korean_mood(act.deed.stem, mood, who)
    korean = join(who.topic if who.ko else "", when[0], manner[0], extra[0], act.korean, finish(stem, tense, style, ask))
    english = join(english_clause(who, act.deed.en, tense, mood, ask, manner[1]), act.english(who.own), extra[1], when[1])
    return korean, english
