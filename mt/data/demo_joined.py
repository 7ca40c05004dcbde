"""Sentence patterns of the built-in demo corpus with joined clauses: requests, reasons, sequences, relative clauses.

Importing this module adds its patterns to ``mt.data.demo_patterns.PATTERNS``, where the simple clauses are.
"""
from __future__ import annotations

import random

from mt.data.demo_clause import (
    STYLES,
    YOU,
    Act,
    be,
    choose_act,
    choose_time,
    deeds_with,
    english_clause,
    finish,
    inflect,
    join,
)
from mt.data.demo_inflection import (
    Stem,
    adnominal,
    english_ing,
    particle,
)
from mt.data.demo_lexicon import (
    ADJECTIVES,
    DEEDS,
    NAMED,
    NOUNS,
    PEOPLE,
    PLAIN,
)
from mt.data.demo_patterns import Sentence, act_pairs, adjectives_of, day, pattern, sentence

REQUESTS = {"열", "닫", "켜", "끄", "읽", "쓰", "만들", "그리", "고치", "기다리", "청소하", "준비하", "씻", "외우"}
FORBIDDEN = {"열", "닫", "켜", "끄", "사진을 찍", "자", "먹", "마시", "춤을 추", "게임을 하", "운전하", "부르", "타", "기타를 치"}
ALONE = {"쓰", "읽", "빌리", "일하", "입", "신", "가르치", "고치", "그리", "만나", "듣", "사"}


@pattern(1.5)
def request(rng: random.Random) -> Sentence | None:
    """문을 열어 주세요. / 창문을 닫지 마세요."""
    act = choose_act(rng, "t", place=0.35)
    stem = act.deed.stem
    if rng.random() < 0.6:
        if act.deed.lemma not in REQUESTS or (act.noun and act.noun.ko in ("버스", "택시", "기차", "지하철", "친구")):
            return None
        act, ko, en = Act(act.deed, act.noun, None), stem.attach("어 주") + "세요", "please"
    else:
        if act.deed.lemma not in FORBIDDEN:
            return None
        ko, en = stem.attach("지 마") + "세요", "please do not"
    if act.deed.lemma == "고치":  # one asks to have one's own things fixed
        return sentence(join("제", act.bare, ko), f"{en} {act.deed.en} my {act.noun.en}", act_pairs(act, YOU)[:1])
    return sentence(join(act.korean, ko), join(en, act.deed.en, act.english()), act_pairs(act, YOU))


@pattern(1.8)
def suggestion(rng: random.Random) -> Sentence | None:
    """내일 같이 영화를 볼까요? / 같이 영화를 봅시다."""
    act = choose_act(rng, "tw")
    if act.deed.lemma in ALONE or (act.place and act.place.ko == "방"):
        return None
    when = day(rng, "future") if rng.random() < 0.6 else ("", "")
    ask = rng.random() < 0.5
    last = act.deed.stem.attach("(으)ㄹ까요" if ask else "(으)ㅂ시다")
    english = join("shall we" if ask else "let's", act.deed.en, act.english("our"), "together", when[1])
    return sentence(join(when[0], "같이", act.korean, last), english, act_pairs(act, YOU), "?" if ask else ".")


DEED_OF = {deed.lemma: deed for deed in DEEDS}
# Reason, with what one does about it: (stem, English "it"/"who" phrase, deeds as lemma + object).
REASONS = [
    (Stem("날씨가 춥", "ㅂ"), "it", "be cold", "입 코트|신 부츠|마시 커피|마시 녹차|먹 라면|닫 창문|먹 국수"),
    (Stem("날씨가 덥", "ㅂ"), "it", "be hot", "열 창문|켜 에어컨|마시 주스|마시 맥주|먹 아이스크림|먹 수박|먹 냉면|수영을 하"),
    (Stem("비가 오"), "it", "rain", "사 우산|타 택시|타 버스|타 지하철|빌리 우산|닫 창문"),
    (Stem("눈이 오"), "it", "snow", "신 부츠|타 지하철|타 버스|사진을 찍|입 코트"),
    (Stem("배가 고프", "으"), "who", "be hungry", "먹 빵|먹 샌드위치|먹 비빔밥|먹 국수|사 빵|만들 샌드위치|주문하 피자|"
     "먹 사과|먹 피자|먹 불고기"),
    (Stem("피곤하", "하"), "who", "be tired", "마시 커피|타 택시|쉬|자|마시 녹차"),
    (Stem("시간이 없"), "who", "not have time", "타 택시|먹 샌드위치|사 빵|먹 바나나"),
    (Stem("목이 마르", "르"), "who", "be thirsty", "마시 주스|마시 녹차|마시 우유|사 주스|먹 수박|마시 맥주"),
    (Stem("심심하", "하"), "who", "be bored", "보 영화|읽 만화책|게임을 하|듣 음악|그리 고양이|읽 소설|"
     "읽 잡지|보 드라마|산책을 하"),
]


def _consequence(rng: random.Random, deeds: str) -> Act:
    """Make the act for an entry such as "마시 커피" (a lemma may hold a space of its own: "수영을 하")."""
    entry = rng.choice(deeds.split("|"))
    lemma, noun = (entry, "") if entry in DEED_OF else entry.rsplit(" ", 1)
    return Act(DEED_OF[lemma], NOUNS[noun] if noun else None, None)


@pattern(2.5)
def reason(rng: random.Random) -> Sentence | None:
    """날씨가 추워서 커피를 마셨어요. / 비가 왔기 때문에 … / 배가 고팠어요. 그래서 …"""
    stem, subject, en, deeds = rng.choice(REASONS)
    act, style = _consequence(rng, deeds), rng.choice(STYLES)
    who = PEOPLE[rng.choice(["저", "우리", *NAMED, "남동생", "누나", "형", "제 친구"])]
    cause_who = who.en if subject == "who" else "it"
    agree = who.agree if subject == "who" else "3"
    cause = f"{cause_who} did not have time" if en.startswith("not") else f"{cause_who} {inflect(en, agree, 'past')}"
    when, en_when = rng.choice([("어제", "yesterday"), ("그저께", "the day before yesterday"), ("지난 주말에", "last weekend")])
    main = join(act.korean, finish(act.deed.stem, "past", style))
    result = join(inflect(act.deed.en, who.agree, "past"), act.english())
    front = who.topic if subject == "who" else ""
    after = "" if front else who.topic
    echo = who.pronoun if front else who.en
    pairs = [(stem.text + "다", act.noun.ko if act.noun else act.verb)]
    kind = rng.choice(["아서", "아서", "때문에", "그래서"])
    if kind == "아서":
        return sentence(join(front, when, stem.attach("어서"), after, main), f"{cause} {en_when}, so {echo} {result}", pairs)
    if kind == "때문에":
        korean = join(front, when, stem.attach("었기 때문에"), after, main)
        because = cause.replace(who.en, who.pronoun, 1) if front else cause
        return sentence(korean, f"{who.en} {result} {en_when} because {because}", pairs)
    korean = f"{join(front, when, finish(stem, 'past', style))}. 그래서 {join(after, main)}"
    return sentence(korean, f"{cause} {en_when}. So {echo} {result}", pairs)


@pattern(1)
def since(rng: random.Random) -> Sentence:
    """날씨가 추우니까 커피를 마십시다. / 배가 고프니까 빵을 먹을까요?"""
    stem, subject, en, deeds = rng.choice([row for row in REASONS if "time" not in row[2] and row[2] != "be bored"])
    act, ask = _consequence(rng, deeds), rng.random() < 0.5
    cause = f"we {inflect(en, 'pl', 'present')}" if subject == "who" else {
        "rain": "it is raining", "snow": "it is snowing"}.get(en) or f"it {inflect(en, '3', 'present')}"
    last = act.deed.stem.attach("(으)ㄹ까요" if ask else "(으)ㅂ시다")
    english = join(f"since {cause},", "shall we" if ask else "let's", act.deed.en, act.english())
    return sentence(join(stem.attach("(으)니까"), act.korean, last), english,
                    [(stem.text + "다", act.noun.ko if act.noun else act.verb)], "?" if ask else ".")


@pattern(1.2)
def condition(rng: random.Random) -> Sentence:
    """내일 비가 오면 택시를 탈 거예요."""
    stem, subject, en, deeds = rng.choice([row for row in REASONS if row[1] == "it"])
    act, style, who = _consequence(rng, deeds), rng.choice(STYLES), PEOPLE[rng.choice(["저", "우리", *NAMED])]
    when, en_when = rng.choice([("내일", "tomorrow"), ("모레", "the day after tomorrow"), ("이번 주말에", "this weekend")])
    korean = join(when, stem.attach("(으)면"), who.topic, act.korean, finish(act.deed.stem, "future", style))
    english = f"if it {inflect(en, '3', 'present')} {en_when}, {join(who.en, 'will', act.deed.en, act.english())}"
    return sentence(korean, english, [(stem.text + "다", act.noun.ko if act.noun else act.verb)])


SERIES = [("먹", "마시"), ("마시", "읽"), ("쓰", "자"), ("먹", "보"), ("읽", "자"), ("만들", "마시"), ("먹", "읽"), ("보", "자"),
          ("마시", "쉬"), ("공부하", "쉬"), ("청소하", "쉬"), ("운동을 하", "먹"), ("수영을 하", "마시"), ("산책을 하", "마시"),
          ("숙제를 하", "보"), ("요리를 하", "먹"), ("빨래를 하", "쉬"), ("설거지를 하", "마시"), ("테니스를 치", "마시")]


def act_of(rng: random.Random, lemma: str) -> Act:
    """Choose an act of one verb, without a place."""
    deed = rng.choice([deed for deed in deeds_with("", False) if deed.lemma == lemma])
    return Act(deed, NOUNS[rng.choice(deed.objects)] if deed.objects else None, None)


@pattern(2.5)
def sequence(rng: random.Random) -> Sentence | None:
    """저는 어제 빵을 먹고 커피를 마셨어요. / 빵을 먹은 후에 … / 자기 전에 …"""
    first, second = (act_of(rng, lemma) for lemma in rng.choice(SERIES))
    if first.noun and first.noun == second.noun:
        return None
    who, style, tense = PEOPLE[rng.choice(PLAIN)], rng.choice(STYLES), rng.choice(["past", "past", "future"])
    when, en_when = day(rng, tense)
    last = join(second.korean, finish(second.deed.stem, tense, style))
    head = join(who.topic, when, first.korean)
    pairs = first.pairs + second.pairs or [(first.verb, second.verb)]
    one, two = join(first.deed.en, first.english()), join(second.deed.en, second.english())
    kind = rng.choice(["and", "and", "after", "before"])
    if kind == "and":
        main = f"{inflect(one, who.agree, tense)} and {two if tense == 'future' else inflect(two, who.agree, tense)}"
        return sentence(f"{head} {first.deed.stem.attach('고')} {last}", f"{who.en} {main} {en_when}", pairs)
    if kind == "after":
        korean = f"{head} {adnominal(first.deed.stem, 'past')} 후에 {last}"
        return sentence(korean, f"{who.en} {inflect(two, who.agree, tense)} after {english_ing(one)} {en_when}", pairs)
    korean = join(who.topic, when, second.korean, second.deed.stem.attach("기 전에"), first.korean,
                  finish(first.deed.stem, tense, style))
    return sentence(korean, f"{who.en} {inflect(one, who.agree, tense)} before {english_ing(two)} {en_when}", pairs)


@pattern(1.2)
def meanwhile(rng: random.Random) -> Sentence | None:
    """유나는 음악을 들으면서 방을 청소했어요."""
    first = act_of(rng, rng.choice(["듣", "마시", "먹", "보"]))
    busy = {"듣": ["공부하", "청소하", "운전하", "요리를 하", "그리", "쓰", "설거지를 하", "걷"], "마시": ["읽", "쓰", "공부하"],
            "먹": ["보"], "보": ["먹", "마시"]}[first.deed.lemma]
    second, who = act_of(rng, rng.choice(busy)), PEOPLE[rng.choice(PLAIN)]
    nouns = {act.noun.ko for act in (first, second) if act.noun}
    if "연극" in nouns or (nouns & {"맥주", "와인"} and "보" not in (first.deed.lemma, second.deed.lemma)):
        return None
    tense, style = rng.choice(["present", "past"]), rng.choice(STYLES)
    when, en_when = ("가끔", "sometimes") if tense == "present" else ("어제", "yesterday")
    korean = join(who.topic, when, first.korean, first.deed.stem.attach("(으)면서"), second.korean,
                  finish(second.deed.stem, tense, style))
    main = english_clause(who, second.deed.en, tense, manner=en_when if tense == "present" else "")
    english = join(main, second.english(), "while", english_ing(first.deed.en), first.english(),
                   en_when if tense == "past" else "")
    return sentence(korean, english, first.pairs + second.pairs)


USED_UP = ("먹", "마시", "보", "읽", "만들", "주문하")  # what these leave behind is spoken of in the past


@pattern(3)
def relative_object(rng: random.Random) -> Sentence | None:
    """제가 어제 산 책은 재미있어요. / 민수가 내일 볼 영화는 … / 제가 읽고 싶은 책은 …"""
    act = choose_act(rng, "r", objects=True, place=0.3)
    used_up = act.deed.lemma in USED_UP and "l" not in act.deed.flags
    excluded = ("famous",) if used_up else ("hot", "cold", "warm")
    options = [adj for adj in adjectives_of(act.noun.ko) if adj.en not in excluded]
    if not options:
        return None
    adjective, who = rng.choice(options), PEOPLE[rng.choice(["저", "우리", *NAMED, "남동생", "누나", "제 친구"])]
    wanted = ["want"] if who.agree == "1" and "w" in act.deed.flags else []
    tense = rng.choice(["past", "past", "future", *wanted])
    if tense == "future" and act.deed.lemma not in ("사", "빌리", "보", "만나"):
        return None
    state = "past" if tense == "past" and used_up else "present"
    when = ("", "") if tense == "want" else choose_time(rng, act, tense)
    stem = act.deed.stem
    verb = stem.attach("고 싶은") if tense == "want" else adnominal(stem, tense)
    place = act.place.ko + "에서" if act.place else ""
    korean = join(who.subject, when[0], place, verb, particle(act.noun.ko, "은/는"),
                  finish(adjective.stem, state, rng.choice(STYLES)))
    inner = f"want to {act.deed.en}" if tense == "want" else inflect(act.deed.en, who.agree, tense)
    english = join("the", act.noun.en, who.en, inner, act.place.at if act.place else "", when[1],
                   be(act.noun.agreement, state), adjective.en)
    return sentence(korean, english, act.pairs + [(adjective.stem.text + "다", act.noun.ko)])


@pattern(2)
def relative_person(rng: random.Random) -> Sentence | None:
    """지금 책을 읽고 있는 사람은 민수예요. / 어제 여기에서 …을 산 사람은 의사예요."""
    tense = rng.choice(["now", "past", "future"])
    act = choose_act(rng, "p" if tense == "now" else "t", place=0.4)
    if act.deed.lemma in ("걷", "자", "쉬"):
        return None
    when = ("지금", "now") if tense == "now" else choose_time(rng, act, tense)
    verb = act.deed.stem.attach("고 있는") if tense == "now" else adnominal(act.deed.stem, tense)
    who, style = PEOPLE[rng.choice(NAMED + ["남동생", "여동생", "제 친구", "누나", "형"])], rng.choice(STYLES)
    copula = particle(who.ko, "이에요/예요") if style == "해요" else who.ko + "입니다"
    inner = f"is {english_ing(act.deed.en)}" if tense == "now" else inflect(act.deed.en, "3", tense)
    english = join("the person who", inner, act.english("their"), when[1], "is", who.en)
    return sentence(join(when[0], act.korean, verb, "사람은", copula), english, act_pairs(act, who))


CONTRASTS = {"비싸": "예쁘 좋 맛있 편하 가볍 빠르 재미있", "싸": "좋 편하 맛있 예쁘", "작": "비싸 무겁 예쁘 좋", "크": "가볍 싸",
             "맵": "맛있", "무겁": "좋 예쁘 편하 싸", "길": "재미있 예쁘", "어렵": "재미있 좋", "짧": "재미있 좋",
             "느리": "싸", "쉽": "재미없", "가볍": "따뜻하 크", "달": "비싸", "짜": "맛있"}


@pattern(1.5)
def contrast(rng: random.Random) -> Sentence | None:
    """이 가방은 비싸지만 예뻐요."""
    table = {adjective.stem.text: adjective for adjective in ADJECTIVES}
    first = table[rng.choice(list(CONTRASTS))]
    second = table[rng.choice(CONTRASTS[first.stem.text].split())]
    shared = [ko for ko in first.nouns if ko in second.nouns]
    if not shared:
        return None
    noun, (which, singular, plural) = NOUNS[rng.choice(shared)], rng.choice([("이", "this", "these"), ("그", "that", "those")])
    last = finish(second.stem, "present", rng.choice(STYLES))
    korean = join(which, particle(noun.ko, "은/는"), first.stem.attach("지만"), last)
    this = plural if noun.kind == "plural" else singular
    english = join(this, noun.en, be(noun.agreement, "present"), first.en, "but", second.en)
    return sentence(korean, english, [(adj.stem.text + "다", noun.ko) for adj in (first, second)])
