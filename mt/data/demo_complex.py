"""Sentence patterns of the built-in demo corpus with numbers and people: counting, dates, jobs, gifts.

Importing this module adds its patterns to ``mt.data.demo_patterns.PATTERNS``, where the simple clauses are.
"""
from __future__ import annotations

import random

from mt.data.demo_clause import (
    NATIVE,
    STYLES,
    YOU,
    be,
    choose_act,
    choose_person,
    choose_time,
    english_clause,
    english_number,
    english_ordinal,
    finish,
    inflect,
    join,
    korean_month,
    korean_mood,
    sino_number,
)
from mt.data.demo_inflection import (
    Stem,
    english_plural,
    particle,
    with_article,
)
from mt.data.demo_lexicon import (
    CITIES,
    COUNTERS,
    MONTHS,
    NAMED,
    NOUNS,
    PEOPLE,
    PERSON_ADJECTIVES,
    PLACES,
    PLAIN,
    WEEKDAYS,
    Noun,
    word_list,
)
from mt.data.demo_patterns import SPEAKER, Sentence, day, pattern, sentence

EXIST, LACK = Stem("있"), Stem("없")


# --- numbers and dates -----------------------------------------------------------------------------------------

def counted(noun: Noun, number: int) -> tuple[str, str]:
    """Return "세 개" and "three apples", "한 잔" and "one cup of coffee"."""
    korean, english = f"{NATIVE[number]} {noun.counter}", english_number(number)
    if noun.kind == "count":
        return korean, f"{english} {noun.en if number == 1 else english_plural(noun.en)}"
    if noun.kind == "plural" and noun.counter == "송이":
        return korean, f"{english} {noun.en.removesuffix('s') if number == 1 else noun.en}"
    return korean, f"{english} {COUNTERS[noun.counter][number > 1]} {noun.en}"


@pattern(2.5)
def counting(rng: random.Random) -> Sentence | None:
    """저는 어제 시장에서 사과를 세 개 샀어요."""
    act = choose_act(rng, "tr", objects=True)
    if act.deed.lemma not in ("사", "먹", "마시", "읽", "만들", "쓰", "빌리", "주문하") or not act.noun.counter:
        return None
    if act.noun.counter in ("병", "판", "벌") and act.deed.lemma != "사" or act.noun.ko in ("기사", "보고서", "자동차"):
        return None
    who, style, tense = choose_person(rng, act), rng.choice(STYLES), rng.choice(["past", "past", "future"])
    most = 2 if act.noun.counter == "대" else 3 if "l" in act.deed.flags else 5  # nobody buys five cars
    time, number = choose_time(rng, act, tense), rng.randint(1, most)
    ko_count, en_count = counted(act.noun, number)
    verb = finish(korean_mood(act.deed.stem, "", who), tense, style)
    korean = join(who.topic, time[0], act.korean, ko_count, verb)
    english = join(who.en, inflect(act.deed.en, who.agree, tense), en_count, act.place.at if act.place else "", time[1])
    return sentence(korean, english, act.pairs)


FURNISHED = {"방": "책상 의자 침대 소파 상자 컴퓨터 텔레비전 가방 인형", "거실": "소파 의자 텔레비전 식탁 고양이 개",
             "교실": "책상 의자 컴퓨터 학생", "부엌": "냉장고 의자 식탁 상자", "공원": "나무 개 고양이 학생 새 자전거",
             "도서관": "책상 의자 컴퓨터 학생", "동물원": "말 토끼 새", "카페": "의자 학생 고양이 컴퓨터"}


@pattern(1.2)
def existence_counted(rng: random.Random) -> Sentence:
    """방에 의자가 세 개 있어요."""
    place = rng.choice(list(FURNISHED))
    noun, number = NOUNS[rng.choice(FURNISHED[place].split())], rng.randint(1, 5)
    ko_count, en_count = counted(noun, number)
    korean = f"{place}에 {particle(noun.ko, '이/가')} {ko_count} {finish(EXIST, 'present', rng.choice(STYLES))}"
    english = f"there {'is' if number == 1 else 'are'} {en_count} in {PLACES[place].en}"
    return sentence(korean, english, [(noun.ko, place)])


POSITIONS = {"위": "on", "아래": "under", "옆": "next to", "뒤": "behind", "앞": "in front of"}
SURFACES = {"책상": "desk", "식탁": "dining table", "침대": "bed", "의자": "chair", "상자": "box", "소파": "sofa"}
SMALL_THINGS = word_list("책 신문 편지 사전 가방 모자 시계 우산 카메라 휴대폰 지갑 열쇠 안경 인형 장난감 고양이 잡지 볼펜 연필 "
                "공책 선물 사과 커피 물 우유 여권")
LARGE_THINGS = word_list("가방 고양이 인형 장난감 우산 선물")


@pattern(2.2)
def existence(rng: random.Random) -> Sentence | None:
    """책상 위에 책이 있어요. / 없어요. / 있어요?"""
    noun = NOUNS[rng.choice(SMALL_THINGS)]
    base, position = rng.choice(list(SURFACES.items())), rng.choice(list(POSITIONS.items()))
    if position[0] in ("앞", "뒤") and noun.ko not in LARGE_THINGS:
        return None
    if noun.kind == "mass" and (base[0] not in ("책상", "식탁") or position[0] != "위"):
        return None
    kind, verb = rng.choice(["is", "is", "not", "ask"]), be(noun.agreement, "present")
    ending = finish(LACK if kind == "not" else EXIST, "present", rng.choice(STYLES), kind == "ask")
    korean = f"{base[0]} {position[0]}에 {particle(noun.ko, '이/가')} {ending}"
    thing = f"no {noun.en}" if kind == "not" else noun.indefinite
    english = f"{verb + ' there' if kind == 'ask' else 'there ' + verb} {thing} {position[1]} the {base[1]}"
    return sentence(korean, english, [(noun.ko, base[0])], "?" if kind == "ask" else ".")


@pattern(0.8)
def having(rng: random.Random) -> Sentence:
    """저는 여동생이 두 명 있어요. / 민수는 고양이가 한 마리 있어요. / 돈이 없어요."""
    who, style = PEOPLE[rng.choice(["저", *NAMED])], rng.choice(STYLES)
    noun = NOUNS[rng.choice(word_list("여동생 남동생 누나 형 아들 딸 고양이 개 토끼 자전거 자동차 카메라 컴퓨터 휴대폰 우산"))]
    if noun.ko in ("누나", "형") and who.own == "her":
        noun = NOUNS["여동생"]
    have = "have" if who.agree == "1" else "has"
    if rng.random() < 0.25 and noun.counter != "명":
        korean = f"{who.topic} {particle(noun.ko, '이/가')} {finish(LACK, 'present', style)}"
        return sentence(korean, join(who.en, "do not have" if have == "have" else "does not have", noun.indefinite),
                        [("있다", noun.ko), (who.ko, noun.ko)])
    ko_count, en_count = counted(noun, rng.randint(1, 3))
    korean = f"{who.topic} {particle(noun.ko, '이/가')} {ko_count} {finish(EXIST, 'present', style)}"
    return sentence(korean, f"{who.en} {have} {en_count}", [("있다", noun.ko), (who.ko, noun.ko)])


PRICES = [  # nouns, step in won, fewest and most steps
    (word_list("사과 빵 우유 물 공책 볼펜 신문 주스 커피"), 500, 2, 7),
    (word_list("책 잡지 수박 샌드위치 피자 케이크 비빔밥 모자 인형 우산 양말"), 1000, 4, 15),
    (word_list("가방 옷 치마 바지 셔츠 코트 구두 운동화 시계 의자 지갑"), 5000, 3, 15)]


@pattern(1.2)
def price(rng: random.Random) -> Sentence:
    """이 가방은 삼만 오천 원이에요. / 35,000원입니다."""
    nouns, step, fewest, most = rng.choice(PRICES)
    noun, style, won = NOUNS[rng.choice(nouns)], rng.choice(STYLES), step * rng.randint(fewest, most)
    digits = rng.random() < 0.4
    amount = f"{won:,}원" if digits else sino_number(won) + " 원"
    korean = f"이 {particle(noun.ko, '은/는')} {amount}" + ("이에요" if style == "해요" else "입니다")
    thing = f"these {noun.en} cost" if noun.kind == "plural" else f"this {noun.en} costs"
    english = f"{thing} {f'{won:,}' if digits else english_number(won)} won"
    return sentence(korean, english, [(noun.ko, f"{won}원")])


@pattern(1.2)
def date(rng: random.Random) -> Sentence:
    """오늘은 삼월 십오일이에요. / 민수의 생일은 3월 15일이에요. / 시험은 유월 이일에 있어요."""
    month, day, digits, style = rng.randint(1, 12), rng.randint(1, 28), rng.random() < 0.4, rng.choice(STYLES)
    ko = f"{month}월 {day}일" if digits else f"{korean_month(month)} {sino_number(day)}일"
    en = f"{MONTHS[month - 1]} {day if digits else english_ordinal(day)}"
    pairs, copula = [(f"{month}월", f"{day}일")], "이에요" if style == "해요" else "입니다"
    kind = rng.choice(["today", "birthday", "event"])
    if kind == "today":
        ko_day, en_day = rng.choice([("오늘", "today"), ("내일", "tomorrow")])
        return sentence(f"{ko_day}은 {ko}{copula}", f"{en_day} is {en}", pairs)
    if kind == "birthday":
        owner = PEOPLE[rng.choice(["저", *NAMED])]
        whose = ("제", "my") if owner is SPEAKER else (owner.ko + "의", owner.en + "'s")
        return sentence(f"{whose[0]} 생일은 {ko}{copula}", f"{whose[1]} birthday is {en}", pairs)
    noun = NOUNS[rng.choice(word_list("시험 회의 파티 콘서트"))]
    korean = f"{particle(noun.ko, '은/는')} {ko}에 {finish(EXIST, 'present', style)}"
    return sentence(korean, f"the {noun.en} is on {en}", pairs)


def clock(rng: random.Random, hours: tuple[int, int]) -> tuple[str, str, str]:
    """Return a time of day in Korean and English ("세 시 이십 분", "three twenty") and the hour's name."""
    hour, minute = rng.randint(*hours), rng.choice([0, 0, 10, 20, 30, 40, 50])
    ko, en = NATIVE[hour] + " 시", english_number(hour)
    if minute == 30:
        return ko + " 반", f"half past {en}", ko
    if minute:
        return f"{ko} {sino_number(minute)} 분", f"{en} {english_number(minute)}", ko
    return ko, en + " o'clock", ko


@pattern(1.5)
def schedule(rng: random.Random) -> Sentence:
    """회의는 월요일 세 시 이십 분에 시작해요. / 수업은 네 시 반에 끝나요."""
    noun, style = NOUNS[rng.choice(word_list("수업 시험 회의 파티 콘서트 영화 연극 강의"))], rng.choice(STYLES)
    stem, en = rng.choice([(Stem("시작하", "하"), "start"), (Stem("끝나"), "end")])
    ko_time, en_time, hour = clock(rng, (1, 12))
    day = rng.choice(list(WEEKDAYS.items())) if rng.random() < 0.4 else None
    korean = join(particle(noun.ko, "은/는"), day[0] if day else "", ko_time + "에", finish(stem, "present", style))
    english = join("the", noun.en, english_third_of(en), f"at {en_time}", f"on {day[1]}" if day else "")
    return sentence(korean, english, [(noun.ko, hour), (stem.text + "다", noun.ko)])


def english_third_of(verb: str) -> str:
    """Present tense of a verb with a singular subject."""
    return inflect(verb, "3", "present")


ROUTINES = [("아침", (6, 9), Stem("일어나"), "get up"), ("아침", (7, 9), Stem("집에서 나가"), "leave home"),
            ("아침", (7, 9), Stem("학교에 가"), "go to school"), ("저녁", (5, 8), Stem("집에 오"), "come home"),
            ("밤", (9, 11), Stem("자"), "go to bed")]
PARTS_OF_DAY = {
    "present": {"아침": ("보통 아침", "in the morning"), "저녁": ("보통 저녁", "in the evening"), "밤": ("보통 밤", "at night")},
    "past": {"아침": ("어제 아침", "yesterday morning"),
             "저녁": ("어제저녁", "yesterday evening"), "밤": ("어젯밤", "last night")},
    "future": {"아침": ("내일 아침", "tomorrow morning"),
               "저녁": ("내일 저녁", "tomorrow evening"), "밤": ("내일 밤", "tomorrow night")}}


@pattern(1.3)
def routine(rng: random.Random) -> Sentence:
    """저는 보통 아침 일곱 시에 일어나요. / 어젯밤 열한 시에 잤어요."""
    part, hours, stem, en = rng.choice(ROUTINES)
    who, style, tense = choose_person(rng, plain="학교" in stem.text), rng.choice(STYLES), rng.choice(list(PARTS_OF_DAY))
    ko_part, en_part = PARTS_OF_DAY[tense][part]
    ko_time, en_time, hour = clock(rng, hours)
    korean = join(who.topic, ko_part, ko_time + "에", finish(korean_mood(stem, "", who), tense, style))
    english = english_clause(who, en, tense, manner="usually" if tense == "present" else "")
    return sentence(korean, f"{english} at {en_time} {en_part}", [(stem.text + "다", hour)])


# --- people ----------------------------------------------------------------------------------------------------

JOBS = word_list("의사 가수 기자 학생 요리사 간호사 변호사 화가 배우 경찰관 회사원 작가 대학생")
NATIONS = {"한국": "Korean", "미국": "American", "일본": "Japanese", "중국": "Chinese", "영국": "British", "프랑스": "French"}


@pattern(1.2)
def identity(rng: random.Random) -> Sentence | None:
    """민수는 의사예요. / 수진 씨는 가수가 아니에요. / 사라는 미국 사람이에요."""
    who = PEOPLE[rng.choice([ko for ko in PLAIN if ko != "우리"])]
    style, kind = rng.choice(STYLES), rng.choice(["is", "is", "not", "ask", "past"])
    if rng.random() < 0.75:
        noun = NOUNS[rng.choice(JOBS)]
        ko, en = noun.ko, with_article(noun.en)
    else:
        land, en = rng.choice(list(NATIONS.items()))
        ko = f"{land} 사람"
        who = PEOPLE[rng.choice(["저", *NAMED])]
        korean_name = who.ko not in ("마이클", "사라", "저")
        kind = "not" if korean_name != (land == "한국") else "is" if kind == "past" else kind
    if kind == "ask" and who.ko not in NAMED:
        return None
    pairs, polite = [(who.ko, ko)], style == "해요"
    if kind == "not":
        last = "아니에요" if polite else "아닙니다"
        return sentence(f"{who.topic} {particle(ko, '이/가')} {last}", f"{who.en} {be(who.agree, 'present')} not {en}", pairs)
    if kind == "past":
        last = particle(ko, "이었어요/였어요" if polite else "이었습니다/였습니다")
        return sentence(f"{who.topic} 전에 {last}", f"{who.en} {be(who.agree, 'past')} {en} before", pairs)
    if kind == "ask":
        last = particle(ko, "이에요/예요") if polite else ko + "입니까"
        return sentence(f"{who.topic} {last}", f"is {who.en} {en}", pairs, "?")
    last = particle(ko, "이에요/예요") if polite else ko + "입니다"
    return sentence(f"{who.topic} {last}", f"{who.en} {be(who.agree, 'present')} {en}", pairs)


STATE_TIMES = [("past", ("어제", "yesterday")), ("present", ("오늘", "today")), ("past", ("지난주에", "last week")),
               ("present", ("요즘", "these days"))]


@pattern(1)
def condition_of_person(rng: random.Random) -> Sentence | None:
    """민수는 어제 바빴어요. / 어머니는 오늘 피곤하세요."""
    adjective, who, style = rng.choice(PERSON_ADJECTIVES), choose_person(rng), rng.choice(STYLES)
    if adjective.en in ("busy", "tired", "happy"):
        tense, when = rng.choice(STATE_TIMES)
    else:
        tense, when = "present", ("", "")
        if who.ko in ("저", "우리"):
            return None
    korean = join(who.topic, when[0], finish(korean_mood(adjective.stem, "", who), tense, style))
    english = join(who.en, be(who.agree, tense), adjective.en, when[1])
    return sentence(korean, english, [(adjective.stem.text + "다", who.ko)])


@pattern(0.6)
def weather(rng: random.Random) -> Sentence:
    """서울은 어제 추웠어요."""
    stem, en = rng.choice([(Stem("춥", "ㅂ"), "cold"), (Stem("덥", "ㅂ"), "hot"), (Stem("따뜻하", "하"), "warm"),
                           (Stem("시원하", "하"), "cool")])
    city = PLACES[rng.choice(CITIES)]
    tense, when = rng.choice([("past", ("어제", "yesterday")), ("present", ("오늘", "today")), ("future", ("내일", "tomorrow")),
                              ("past", ("지난주에", "last week")), ("future", ("이번 주말에", "this weekend"))])
    korean = join(particle(city.ko, "은/는"), when[0], finish(stem, tense, rng.choice(STYLES)))
    return sentence(korean, join("it", inflect(f"be {en}", "3", tense), city.at, when[1]), [(stem.text + "다", city.ko)])


LIKED = word_list("커피 녹차 주스 우유 맥주 와인 빵 과일 불고기 비빔밥 김치 생선 고기 초콜릿 아이스크림 음악 수학 역사 과학 "
                  "태권도 영화 소설 만화책 드라마 사과 바나나 케이크 피자 샌드위치 고양이 개 토끼 말 새 꽃 "
                  "딸기 국수 시 연극 수박 라면 냉면")


@pattern(1.8)
def liking(rng: random.Random) -> Sentence:
    """민수는 고양이를 좋아해요. / 좋아하지 않아요. / 커피를 좋아해요?"""
    noun, kind, style = NOUNS[rng.choice(LIKED)], rng.choice(["", "", "지 않", "ask"]), rng.choice(STYLES)
    who = rng.choice([YOU, PEOPLE[rng.choice(NAMED)]]) if kind == "ask" else choose_person(rng)
    ask, mood = kind == "ask", "" if kind == "ask" else kind
    last = finish(korean_mood(Stem("좋아하", "하"), mood, who), "present", style, ask)
    korean = join(who.topic if who.ko else "", particle(noun.ko, "을/를"), last)
    return sentence(korean, f"{english_clause(who, 'like', 'present', mood, ask)} {noun.generic}", [("좋아하다", noun.ko)],
                    "?" if ask else ".")


KNOWN = word_list("가수 의사 배우 노래 작가 화가 학생 기자 단어 변호사")


@pattern(0.6)
def knowing(rng: random.Random) -> Sentence:
    """저는 그 가수를 알아요. / 민수는 그 노래를 몰라요."""
    noun, style, who = NOUNS[rng.choice(KNOWN)], rng.choice(STYLES), PEOPLE[rng.choice(PLAIN)]
    stem, mood = rng.choice([(Stem("알", "ㄹ"), ""), (Stem("모르", "르"), "지 않")])
    korean = f"{who.topic} 그 {particle(noun.ko, '을/를')} {finish(stem, 'present', style)}"
    return sentence(korean, f"{english_clause(who, 'know', 'present', mood)} that {noun.en}", [(stem.text + "다", noun.ko)])


GIFTS = {"주": ("give", "책 꽃 모자 시계 가방 인형 선물 커피 사과 우산 케이크"),
         "보내": ("send", "편지 이메일 선물 꽃 책 옷 초콜릿"),
         "빌려주": ("lend", "책 우산 카메라 자전거 사전 볼펜 소설")}


@pattern(2)
def giving(rng: random.Random) -> Sentence | None:
    """민수는 어제 지영 씨에게 꽃을 줬어요."""
    lemma, (en, things) = rng.choice(list(GIFTS.items()))
    noun, who, other = NOUNS[rng.choice(things.split())], choose_person(rng, plain=True), PEOPLE[rng.choice(NAMED)]
    if who == other:
        return None
    tense = rng.choice(["past", "past", "future"])
    time = day(rng, tense)
    last = finish(Stem(lemma), tense, rng.choice(STYLES))
    korean = join(who.topic, time[0], other.ko + "에게", particle(noun.ko, "을/를"), last)
    english = join(who.en, inflect(en, who.agree, tense), noun.indefinite, "to", other.en, time[1])
    return sentence(korean, english, [(lemma + "다", noun.ko)])


GOODS = {"시장": "과일 사과 생선 고기 꽃 옷 신발 수박 딸기 김치 양말", "서점": "책 사전 잡지 소설 만화책 공책 볼펜",
         "백화점": "옷 구두 가방 시계 모자 코트 운동화 컴퓨터 카메라", "슈퍼마켓": "우유 물 과일 고기 주스 맥주 라면 빵"}
LACKED_GOODS = {"시장": "사전 잡지 컴퓨터 카메라 소설", "서점": "구두 과일 옷 우유 꽃 생선", "백화점": "김치 자동차 소설 만화책",
                "슈퍼마켓": "구두 코트 컴퓨터 소설 카메라 사전"}


@pattern(0.8)
def selling(rng: random.Random) -> Sentence:
    """시장에서 과일을 팔아요. / 서점에서 사전을 팔지 않아요."""
    place, mood, style = rng.choice(list(GOODS)), rng.choice(["", "지 않"]), rng.choice(STYLES)
    noun = NOUNS[rng.choice((GOODS if not mood else LACKED_GOODS)[place].split())]
    stem = Stem("팔", "ㄹ")
    korean = f"{place}에서 {particle(noun.ko, '을/를')} {finish(stem.then(mood) if mood else stem, 'present', style)}"
    english = f"{PLACES[place].en} {'does not sell' if mood else 'sells'} {noun.generic}"
    if mood:
        korean = korean.replace("에서 ", "에서는 ", 1)
    return sentence(korean, english, [("팔다", noun.ko), ("팔다", place)])
