"""Sentence patterns of the built-in Korean-English demo corpus.

Each pattern is a function that draws its words from a random generator and returns one sentence in both languages
with the content-word pairs it brings together, or None when the draw does not fit.  ``PATTERNS`` maps each pattern
to its share of the corpus.  Everything is polite speech (해요체 or 합니다체); plain and intimate speech are not covered.
"""
from __future__ import annotations

import functools
import random
from collections.abc import Callable

from mt.data.demo_clause import (
    NATIVE,
    STYLES,
    YOU,
    Act,
    Pair,
    be,
    choose_act,
    choose_person,
    choose_time,
    clause,
    english_clause,
    english_number,
    finish,
    inflect,
    join,
    korean_mood,
    sino_number,
)
from mt.data.demo_inflection import (
    Stem,
    adnominal,
    particle,
    with_article,
)
from mt.data.demo_lexicon import (
    ADJECTIVES,
    CITIES,
    COUNTRIES,
    MANNERS,
    NAMED,
    NOUNS,
    PEOPLE,
    PERSON_ADJECTIVES,
    PLACES,
    TIMES,
    Adjective,
    Noun,
    Person,
    word_list,
)

Sentence = tuple[str, str, tuple[Pair, ...]]
Pattern = Callable[[random.Random], "Sentence | None"]
PATTERNS: dict[Pattern, float] = {}
SPEAKER = PEOPLE["저"]


def pattern(share: float) -> Callable[[Pattern], Pattern]:
    """Register a pattern with its share of the corpus."""
    def register(function: Pattern) -> Pattern:
        PATTERNS[function] = share
        return function
    return register


def sentence(korean: str, english: str, pairs: list[Pair], mark: str = ".") -> Sentence:
    """Capitalise the English side and put the mark on both."""
    return korean + mark, english[0].upper() + english[1:] + mark, tuple(pairs)


def act_pairs(act: Act, who: Person) -> list[Pair]:
    """The act's pairs; an act without object and place is paired with its subject."""
    return act.pairs or [(act.verb, who.ko or "you")]


def day(rng: random.Random, tense: str) -> Pair:
    """Choose a time word that suits any deed."""
    return rng.choice(list(TIMES[tense][""].items()))


def _timed(rng: random.Random, tense: str, flags: str, mood: str = "", ask: bool = False, who: Person | None = None,
           plain: bool = False) -> Sentence:
    """A clause with a time word, the backbone of many patterns."""
    act = choose_act(rng, flags)
    who = who or choose_person(rng, act, plain)
    korean, english = clause(who, act, tense, rng.choice(STYLES), when=choose_time(rng, act, tense), mood=mood, ask=ask)
    return sentence(korean, english, act_pairs(act, who), "?" if ask else ".")


@pattern(4)
def habit(rng: random.Random) -> Sentence:
    """민수는 매일 책을 읽어요."""
    act = choose_act(rng, "h")
    who, style, meal = choose_person(rng, act), rng.choice(STYLES), act.noun and act.noun.ko in ("아침", "점심", "저녁")
    when = ("매일", "every day") if meal else choose_time(rng, act, "present")
    korean, english = clause(who, act, "present", style, when=when)
    return sentence(korean, english, act_pairs(act, who))


@pattern(3)
def frequency(rng: random.Random) -> Sentence:
    """민수는 자주 책을 읽어요."""
    act = choose_act(rng, "h")
    if not act.pairs:  # "always walks" alone sounds unfinished
        act = choose_act(rng, "hr", objects=True)
    who = choose_person(rng, act)
    manner = rng.choice(list(MANNERS.items()))
    korean, english = clause(who, act, "present", rng.choice(STYLES), manner=manner)
    return sentence(korean, english, act_pairs(act, who))


@pattern(6)
def past(rng: random.Random) -> Sentence:
    """저는 어제 도서관에서 책을 읽었어요."""
    if rng.random() < 0.12:
        return _timed(rng, "past", "L")
    return _timed(rng, "past", "t")


@pattern(5)
def future(rng: random.Random) -> Sentence:
    """저는 내일 책을 읽을 거예요."""
    return _timed(rng, "future", "t")


@pattern(4)
def progressive(rng: random.Random) -> Sentence:
    """민수는 지금 책을 읽고 있어요. / 그때 책을 읽고 있었어요."""
    act = choose_act(rng, "p")
    who = choose_person(rng, act)
    tense, when = rng.choice([("present", ("지금", "now")), ("past", ("그때", "then"))])
    korean, english = clause(who, act, tense, rng.choice(STYLES), when=when, mood="고 있")
    return sentence(korean, english, act_pairs(act, who))


@pattern(4)
def negation(rng: random.Random) -> Sentence:
    """저는 어제 숙제를 안 했어요. / 내일 하지 않을 거예요."""
    return _timed(rng, rng.choice(["past", "past", "future"]), "t", rng.choice(["지 않", "안"]))


@pattern(2)
def inability(rng: random.Random) -> Sentence:
    """민수는 어제 영화를 못 봤어요. / 보지 못했어요."""
    return _timed(rng, "past", "t", rng.choice(["못", "지 못하"]))


@pattern(3)
def yes_no_question(rng: random.Random) -> Sentence:
    """지영 씨는 어제 책을 샀어요? / 내일 책을 살 거예요?"""
    who = YOU if rng.random() < 0.5 else PEOPLE[rng.choice(NAMED)]
    return _timed(rng, rng.choice(["past", "future"]), "t", ask=True, who=who)


@pattern(2)
def what_question(rng: random.Random) -> Sentence | None:
    """지영 씨는 어제 시장에서 뭘 샀어요?"""
    act = choose_act(rng, "tr", objects=True, place=0.8)
    if act.deed.lemma == "만나":  # one meets people, not things
        return None
    who = YOU if rng.random() < 0.4 else PEOPLE[rng.choice(NAMED)]
    tense, style = rng.choice(["past", "future"]), rng.choice(STYLES)
    time, what = choose_time(rng, act, tense), "뭘" if style == "해요" else "무엇을"
    korean = join(who.topic if who.ko else "", time[0], act.place.ko + "에서" if act.place else "", what,
                  finish(act.deed.stem, tense, style, True))
    english = join("what", english_clause(who, act.deed.en, tense, ask=True), act.place.at if act.place else "", time[1])
    pairs = [(act.verb, act.place.ko)] if act.place else [(act.verb, who.ko or "you")]
    return sentence(korean, english, pairs, "?")


@pattern(3)
def wh_question(rng: random.Random) -> Sentence | None:
    """민수는 어제 어디에서 책을 읽었어요? / 언제 …? / 왜 …? / 누가 …?"""
    word, english_word = rng.choice([("어디에서", "where"), ("언제", "when"), ("왜", "why"), ("누가", "who")])
    act = choose_act(rng, "t", place=0 if word == "어디에서" else 0.4)
    tense, style = rng.choice(["past", "future"]), rng.choice(STYLES)
    time = choose_time(rng, act, tense) if word != "언제" else ("", "")
    last = finish(act.deed.stem, tense, style, True)
    if word == "누가":
        who = Person("누가", "who", "3", "")
        korean = join(word, time[0], act.korean, last)
        english = join(who.en, inflect(act.deed.en, "3", tense), act.english(), time[1])
    else:
        who = PEOPLE[rng.choice(NAMED)]
        if word == "어디에서" and not act.deed.places:
            return None
        korean = join(who.topic, time[0], word, act.korean, last)
        english = join(english_word, english_clause(who, act.deed.en, tense, ask=True), act.english(who.own), time[1])
    return sentence(korean, english, act_pairs(act, who), "?")


@pattern(3)
def wish(rng: random.Random) -> Sentence | None:
    """커피를 마시고 싶어요. / 민수는 커피를 마시고 싶어 해요."""
    act = choose_act(rng, "w")
    who = rng.choice([SPEAKER, YOU, choose_person(rng, act, plain=True)])
    if who.ko == "우리":
        return None
    when = choose_time(rng, act, "future") if rng.random() < 0.3 and "t" in act.deed.flags else ("", "")
    korean, english = clause(who, act, "present", rng.choice(STYLES), when=when, mood="고 싶", ask=who is YOU)
    return sentence(korean, english, act_pairs(act, who), "?" if who is YOU else ".")


@pattern(2)
def ability(rng: random.Random) -> Sentence:
    """유나는 피아노를 칠 수 있어요. / 칠 수 없어요. / 칠 수 있어요?"""
    act = choose_act(rng, "a", place=0)
    who = choose_person(rng, act, plain=True)
    ask = rng.random() < 0.25
    who = (YOU if rng.random() < 0.5 else PEOPLE[rng.choice(NAMED)]) if ask else who
    mood = "(으)ㄹ 수 있" if ask or rng.random() < 0.65 else "(으)ㄹ 수 없"
    korean, english = clause(who, act, "present", rng.choice(STYLES), mood=mood, ask=ask)
    return sentence(korean, english, act_pairs(act, who), "?" if ask else ".")


DUTIES = word_list("읽 쓰 배우 가르치 공부하 일하 청소하 운전하 준비하 외우 고치 타 입 신 돕 만나 쉬 사") + [
    "숙제를 하", "운동을 하", "빨래를 하", "설거지를 하", "요리를 하"]


@pattern(2)
def obligation(rng: random.Random) -> Sentence | None:
    """저는 내일 한국어를 공부해야 해요."""
    act = choose_act(rng, "t")
    if act.deed.lemma not in DUTIES:
        return None
    who = choose_person(rng, act, plain=True)
    korean, english = clause(who, act, "present", rng.choice(STYLES), when=choose_time(rng, act, "future"), mood="어야 하")
    return sentence(korean, english, act_pairs(act, who))


REMARKABLE = word_list("불고기 비빔밥 냉면 김치 연극 와인 한복 수박")


@pattern(1.5)
def experience(rng: random.Random) -> Sentence | None:
    """저는 불고기를 먹은 적이 있어요. / 민수는 말을 그린 적이 없어요."""
    act = choose_act(rng, "r", objects=True, place=0)
    notable = "l" in act.deed.flags or act.deed.lemma in ("만나", "만들", "고치", "그리", "빌리") or act.noun.ko in REMARKABLE
    if act.deed.lemma == "사" or not notable:
        return None
    who = choose_person(rng, act, plain=True)
    mood = rng.choice(["(으)ㄴ 적이 있", "(으)ㄴ 적이 없"])
    korean, english = clause(who, act, "present", rng.choice(STYLES), mood=mood)
    return sentence(korean, english, act_pairs(act, who))


ALONE = ("자", "만나", "입", "신", "돕", "쓰", "읽", "빌리", "그리", "가르치", "외우")  # deeds one does alone


@pattern(2)
def companion(rng: random.Random) -> Sentence | None:
    """민수는 어제 지영 씨와 영화를 봤어요."""
    act = choose_act(rng, rng.choice(["tw", "hpn"]))
    who, other = choose_person(rng, act, plain=True), PEOPLE[rng.choice(NAMED)]
    if who == other or act.deed.lemma in ALONE:
        return None
    tense = rng.choice(["past", "future"])
    extra = (particle(other.ko, "와/과") + " 같이", f"with {other.en}")
    korean, english = clause(who, act, tense, rng.choice(STYLES), when=choose_time(rng, act, tense), extra=extra)
    return sentence(korean, english, act_pairs(act, who))


@pattern(1.5)
def duration(rng: random.Random) -> Sentence | None:
    """저는 어제 두 시간 동안 음악을 들었어요."""
    act = choose_act(rng, "hp")
    if act.deed.lemma not in ("읽", "쓰", "듣", "배우", "가르치", "공부하", "그리", "걷", "자", "쉬", "일하") and (
            act.deed.stem.text != "하" and act.deed.lemma != "피아노를 치"):
        return None
    who = choose_person(rng, act)
    hours = rng.randint(1, 5)
    extra = (f"{NATIVE[hours]} 시간 동안", f"for {english_number(hours)} hour" + ("s" if hours > 1 else ""))
    korean, english = clause(who, act, "past", rng.choice(STYLES), when=day(rng, "past"), extra=extra)
    return sentence(korean, english, act_pairs(act, who))


# --- going and coming ------------------------------------------------------------------------------------------

GOALS = ["집", "학교", "회사", "도서관", "시장", "공원", "카페", "병원", "극장", "서점", "백화점", "은행", "우체국", "수영장",
         "체육관", "바닷가", "박물관", "미술관", "동물원", "공항", "서울", "부산", "제주도"]
VEHICLES = {"버스": "bus", "지하철": "subway", "택시": "taxi", "자전거": "bicycle"}
TRAIN = {"기차": "train", "버스": "bus"}
GO = Stem("가")


def _goer(rng: random.Random, goal: str) -> Person:
    person = choose_person(rng)
    return person if not (person.honoured and goal in ("학교", "회사", "수영장", "체육관")) else SPEAKER


@pattern(2.5)
def going(rng: random.Random) -> Sentence | None:
    """저는 어제 도서관에 갔어요. / 내일 버스로 갈 거예요. / 도서관에 안 갔어요."""
    goal = PLACES[rng.choice(GOALS)]
    who, style = _goer(rng, goal.ko), rng.choice(STYLES)
    tense = rng.choice(["past", "future"] if goal.ko in CITIES else ["past", "future", "present"])
    time = day(rng, tense)
    vehicles = VEHICLES if goal.ko not in CITIES else TRAIN if goal.ko != "제주도" else {"배": "ship"}
    vehicle = rng.choice(list(vehicles.items())) if rng.random() < 0.45 else None
    if vehicle and vehicle[0] == "자전거" and (who.honoured or goal.ko == "공항"):
        return None
    mood = rng.choice(["안", "지 않", "못"]) if tense == "past" and not vehicle and rng.random() < 0.4 else ""
    by = (particle(vehicle[0], "로/으로"), f"by {vehicle[1]}") if vehicle else ("", "")
    korean = join(who.topic, time[0], by[0], goal.ko + "에", finish(korean_mood(GO, mood, who), tense, style))
    english = join(english_clause(who, "go", tense, mood), goal.to, by[1], time[1])
    pairs = [("가다", goal.ko)] + ([(vehicle[0], goal.ko)] if vehicle else [])
    return sentence(korean, english, pairs)


@pattern(2.5)
def purpose(rng: random.Random) -> Sentence | None:
    """저는 어제 과일을 사러 시장에 갔어요."""
    act = choose_act(rng, "t", place=1)
    if not act.place or act.place.ko in ("집", "방", "거실", "부엌", "정류장", "교실") or act.deed.lemma in ("기다리", "자"):
        return None
    if act.deed.lemma == "먹" and act.place.ko != "식당":
        return None
    who, style, tense = choose_person(rng, act), rng.choice(STYLES), rng.choice(["past", "future"])
    time = day(rng, tense)
    going_ = finish(korean_mood(GO, "", who), tense, style)
    korean = join(who.topic, time[0], act.bare, act.deed.stem.attach("(으)러"), act.place.ko + "에", going_)
    english = join(who.en, inflect("go", who.agree, tense), act.place.to, "to", act.deed.en, act.english(who.own, False),
                   time[1])
    return sentence(korean, english, act.pairs)


@pattern(1)
def duration_of_way(rng: random.Random) -> Sentence:
    """집에서 학교까지 버스로 삼십 분 걸려요."""
    start, goal = PLACES["집"], PLACES[rng.choice(GOALS[1:20])]
    vehicle, name = rng.choice(list(VEHICLES.items()))
    minutes, style = 5 * rng.randint(2, 11), rng.choice(STYLES)
    korean = f"{start.ko}에서 {goal.ko}까지 {particle(vehicle, '로/으로')} {sino_number(minutes)} 분 "
    english = f"it takes {english_number(minutes)} minutes from home {goal.to} by {name}"
    return sentence(korean + finish(Stem("걸리"), "present", style), english, [(vehicle, goal.ko)])


@pattern(0.8)
def living(rng: random.Random) -> Sentence:
    """사라는 뉴욕에 살아요. / 작년에 서울에 살았어요."""
    who, city, style = choose_person(rng), PLACES[rng.choice(CITIES + COUNTRIES)], rng.choice(STYLES)
    tense, when = rng.choice([("present", ("지금", "now")), ("past", ("작년에", "last year")),
                              ("future", ("내년에", "next year"))])
    korean = join(who.topic, when[0], city.ko + "에", finish(korean_mood(Stem("살", "ㄹ"), "", who), tense, style))
    return sentence(korean, join(who.en, inflect("live", who.agree, tense), city.at, when[1]), [("살다", city.ko)])


# --- describing ------------------------------------------------------------------------------------------------

def _determined(noun: Noun, which: str) -> str:
    return {"이": "these" if noun.kind == "plural" else "this",
            "그": "those" if noun.kind == "plural" else "that"}[which] + f" {noun.en}"


@functools.cache
def adjectives_of(noun: str) -> tuple[Adjective, ...]:
    """Return the adjectives that describe a noun."""
    return tuple(adjective for adjective in ADJECTIVES if noun in adjective.nouns)


def _described(rng: random.Random) -> tuple[Adjective, Noun]:
    adjective = rng.choice(ADJECTIVES)
    return adjective, NOUNS[rng.choice(adjective.nouns)]


@pattern(3.5)
def description(rng: random.Random) -> Sentence | None:
    """이 책은 재미있어요. / 그 가방은 비싸지 않아요. / 이 책은 어려워요?"""
    adjective, noun = _described(rng)
    which, style = rng.choice("이그"), rng.choice(STYLES)
    kind = rng.choice(["", "", "ask", "not"])
    if adjective.en in ("boring", "red", "blue", "white", "yellow", "black") and kind == "not":
        return None
    stem = adjective.stem.then("지 않") if kind == "not" else adjective.stem
    korean = f"{which} {particle(noun.ko, '은/는')} {finish(stem, 'present', style, kind == 'ask')}"
    subject, verb = _determined(noun, which), be(noun.agreement, "present")
    order = (verb, subject) if kind == "ask" else (subject, verb)
    english = join(*order, "not" if kind == "not" else "", adjective.en)
    return sentence(korean, english, [(adjective.stem.text + "다", noun.ko)], "?" if kind == "ask" else ".")


OWNABLE = word_list("가방 모자 시계 우산 카메라 컴퓨터 휴대폰 자전거 자동차 오토바이 지갑 치마 셔츠 "
                    "코트 의자 책상 침대 소파 인형 고양이 개 책 옷 신발 구두 운동화 양말 부츠 바지 텔레비전 냉장고 볼펜 사전")


@pattern(2)
def owned(rng: random.Random) -> Sentence | None:
    """제 가방은 커요. / 민수의 가방은 작았어요."""
    adjective, noun = _described(rng)
    if noun.ko not in OWNABLE:
        return None
    owner = PEOPLE[rng.choice(["저", *NAMED])]
    if noun.ko == "치마" and owner.own != "her":
        return None
    ko, en = ("제", "my") if owner is SPEAKER else (owner.ko + "의", owner.en + "'s")
    korean = f"{ko} {particle(noun.ko, '은/는')} {finish(adjective.stem, 'present', rng.choice(STYLES))}"
    english = f"{en} {noun.en} {be(noun.agreement, 'present')} {adjective.en}"
    return sentence(korean, english, [(adjective.stem.text + "다", noun.ko)])


@pattern(2)
def comparison(rng: random.Random) -> Sentence | None:
    """이 책이 저 책보다 더 재미있어요. / 민수가 준호보다 더 바빠요."""
    style = rng.choice(STYLES)
    if rng.random() < 0.35:
        adjective, (one, two) = rng.choice(PERSON_ADJECTIVES), (PEOPLE[ko] for ko in rng.sample(NAMED, 2))
        lead, _, stem = adjective.stem.text.rpartition(" ")  # 키가 더 커요
        last = finish(Stem(stem, adjective.stem.kind), "present", style)
        korean = join(one.subject, two.ko + "보다", lead, "더", last)
        pairs = [(adjective.stem.text + "다", one.ko), (adjective.stem.text + "다", two.ko)]
        return sentence(korean, f"{one.en} is {adjective.comparative} than {two.en}", pairs)
    adjective, noun = _described(rng)
    if adjective.en in ("red", "blue", "white", "yellow", "black", "boring"):
        return None
    korean = f"이 {particle(noun.ko, '이/가')} 저 {noun.ko}보다 더 {finish(adjective.stem, 'present', style)}"
    english = f"{_determined(noun, '이')} {be(noun.agreement, 'present')} {adjective.comparative} than {_determined(noun, '그')}"
    return sentence(korean, english, [(adjective.stem.text + "다", noun.ko)])


@pattern(0.8)
def superlative(rng: random.Random) -> Sentence | None:
    """이 책이 가장 재미있어요."""
    adjective, noun = _described(rng)
    if adjective.en in ("red", "blue", "white", "yellow", "black"):
        return None
    korean = f"이 {particle(noun.ko, '이/가')} 가장 {finish(adjective.stem, 'present', rng.choice(STYLES))}"
    english = f"{_determined(noun, '이')} {be(noun.agreement, 'present')} the {adjective.superlative}"
    return sentence(korean, english, [(adjective.stem.text + "다", noun.ko)])


@pattern(2.5)
def attribute(rng: random.Random) -> Sentence | None:
    """저는 어제 빨간 가방을 샀어요."""
    act = choose_act(rng, "tr", objects=True)
    noun = act.noun
    fitting = [adj for adj in adjectives_of(noun.ko) if adj.en not in ("easy", "difficult", "boring", "heavy", "salty", "slow")]
    if not fitting or act.deed.lemma == "고치":
        return None
    adjective = rng.choice(fitting)
    who, tense, style = choose_person(rng, act), rng.choice(["past", "past", "future"]), rng.choice(STYLES)
    time = choose_time(rng, act, tense)
    phrase = f"{adnominal(adjective.stem, 'state')} {particle(noun.ko, '을/를')}"
    korean = join(who.topic, time[0], act.place.ko + "에서" if act.place else "", phrase,
                  finish(korean_mood(act.deed.stem, "", who), tense, style))
    thing = with_article(f"{adjective.en} {noun.en}") if noun.kind == "count" else f"{adjective.en} {noun.en}"
    english = join(who.en, inflect(act.deed.en, who.agree, tense), thing, act.place.at if act.place else "", time[1])
    pairs = [(act.verb, noun.ko), (adjective.stem.text + "다", noun.ko)]
    return sentence(korean, english, pairs + ([(act.verb, act.place.ko)] if act.place else []))
