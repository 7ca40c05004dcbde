"""Words of the built-in Korean-English demo corpus.

Nouns, places, people, verbs with the objects and places they go with, adjectives with the nouns they describe, and
time words.  The tables are the demo's selectional restrictions: a pair that is not listed here is never generated.
How the words inflect is in ``mt.data.demo_inflection``; how they make sentences is in ``mt.data.demo``.
"""
from __future__ import annotations

from dataclasses import dataclass

from mt.data.demo_inflection import Stem, english_plural, particle, with_article


@dataclass(frozen=True)
class Noun:
    """A noun; kind says which determiner English gives it as a bare object.

    "count" takes a/an, "mass" and "plural" take none, "the" takes the.
    """

    ko: str
    en: str
    kind: str
    counter: str = ""

    @property
    def indefinite(self) -> str:
        """English for the bare noun as an object: "a book", "water", "shoes", "the news"."""
        if self.kind == "count":
            return with_article(self.en)
        return f"the {self.en}" if self.kind == "the" else self.en

    @property
    def generic(self) -> str:
        """English for the noun in general: "books", "water"."""
        return english_plural(self.en) if self.kind == "count" and self.ko not in ("피자", "케이크", "수박") else self.en

    @property
    def agreement(self) -> str:
        """Agreement of the noun as an English subject: "3" or "pl"."""
        return "pl" if self.kind == "plural" else "3"


@dataclass(frozen=True)
class Person:
    """Somebody who can be a subject; honoured people take the -(으)시- stem."""

    ko: str
    en: str
    agree: str
    own: str
    honoured: bool = False

    @property
    def pronoun(self) -> str:
        """The English pronoun for the person."""
        return {"my": "I", "our": "we", "his": "he"}.get(self.own, "she")

    @property
    def topic(self) -> str:
        """The person with 은/는."""
        return self.ko + "께서는" if self.ko.startswith("할") else particle(self.ko, "은/는")

    @property
    def subject(self) -> str:
        """The person with 이/가 (or honorific 께서)."""
        if self.honoured:
            return self.ko + "께서"
        return "제가" if self.ko == "저" else particle(self.ko, "이/가")


@dataclass(frozen=True)
class Place:
    """A place, with its English name and the phrases for being there and going there."""

    ko: str
    en: str
    at: str
    to: str


@dataclass(frozen=True)
class Deed:
    """One row of DEEDS: a verb with the objects and places it goes with; flags are explained there."""

    lemma: str
    stem: Stem
    lead: str
    en: str
    objects: tuple[str, ...]
    places: tuple[str, ...]
    flags: str


@dataclass(frozen=True)
class Adjective:
    """An adjective with the nouns (or people) it describes."""

    stem: Stem
    en: str
    nouns: tuple[str, ...]

    @property
    def comparative(self) -> str:
        """English comparative: bigger, more expensive."""
        return COMPARATIVES.get(self.en, f"more {self.en}")

    @property
    def superlative(self) -> str:
        """English superlative: biggest, most expensive."""
        comparative = self.comparative
        return f"most {self.en}" if comparative.startswith("more ") else comparative[:-1] + "st"


def word_list(text: str) -> list[str]:
    """Split a line of words; keeps long word lists readable."""
    return text.split()


def _rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in row.split("|")] for row in table.strip().splitlines()]


def _nouns(kind: str, table: str) -> dict[str, Noun]:
    """Read "한국어 english words 권" entries separated by semicolons; the counter, if any, is in Hangul."""
    found = {}
    for entry in table.replace("\n", " ").split(";"):
        ko, *words = entry.split()
        counter = words.pop() if words[-1] > "ㄱ" else ""
        found[ko] = Noun(ko.replace("_", " "), " ".join(words), kind, counter)
    return found


NOUNS = _nouns("count", """
책 book 권; 신문 newspaper 부; 편지 letter 통; 소설 novel 권; 잡지 magazine 권; 만화책 comic book 권; 기사 article 개;
이메일 email 통; 시 poem 편; 보고서 report 개; 사전 dictionary 권; 영화 movie 편; 드라마 drama 편; 연극 play 편;
다큐멘터리 documentary 편; 사과 apple 개; 바나나 banana 개; 수박 watermelon 통; 샌드위치 sandwich 개; 케이크 cake 개;
피자 pizza 판; 가방 bag 개; 모자 hat 개; 시계 watch 개; 우산 umbrella 개; 카메라 camera 대; 컴퓨터 computer 대;
휴대폰 cell phone 대; 자전거 bicycle 대; 자동차 car 대; 오토바이 motorcycle 대; 트럭 truck 대; 선물 present 개;
지갑 wallet 개; 치마 skirt 벌; 셔츠 shirt 벌; 한복 hanbok 벌; 코트 coat 벌; 열쇠 key 개; 여권 passport 개;
의자 chair 개; 책상 desk 개;
침대 bed 개; 소파 sofa 개; 장난감 toy 개; 인형 doll 개; 상자 box 개; 나무 tree 그루; 산 mountain 개; 고양이 cat 마리;
개 dog 마리; 토끼 rabbit 마리; 말 horse 마리; 새 bird 마리; 친구 friend 명; 의사 doctor 명; 가수 singer 명;
기자 reporter 명; 학생 student 명; 요리사 cook 명; 간호사 nurse 명; 변호사 lawyer 명; 화가 painter 명;
배우 actor 명; 경찰관 police officer 명; 회사원 office worker 명; 작가 writer 명; 대학생 college student 명;
여동생 younger sister 명; 남동생 younger brother 명; 누나 older sister 명; 형 older brother 명; 아들 son 명; 딸 daughter 명;
강의 lecture 개; 수업 class 개; 시험 exam 개; 회의 meeting 개; 파티 party 개; 콘서트 concert 개; 노래 song 곡; 문제 problem 개;
볼펜 pen 자루; 연필 pencil 자루; 공책 notebook 권; 식탁 dining table 개; 냉장고 refrigerator 대;
에어컨 air conditioner 대; 텔레비전 TV 대; 단어 word 개""") | _nouns("mass", """
커피 coffee 잔; 녹차 green tea 잔; 주스 juice 잔; 우유 milk 잔; 물 water 잔; 맥주 beer 병; 와인 wine 병; 빵 bread;
과일 fruit; 불고기 bulgogi; 비빔밥 bibimbap 그릇; 김치 kimchi; 생선 fish; 고기 meat; 초콜릿 chocolate;
아이스크림 ice cream; 아침 breakfast; 점심 lunch; 저녁 dinner; 음악 music; 한국어 Korean; 영어 English; 중국어 Chinese;
일본어 Japanese; 수학 math; 역사 history; 과학 science; 경제 economics; 태권도 taekwondo; 요리 cooking;
숙제 homework; 라면 ramen 그릇""") | _nouns("plural", """
옷 clothes; 신발 shoes 켤레; 구두 dress shoes 켤레; 운동화 sneakers 켤레; 양말 socks 켤레; 부츠 boots 켤레; 바지 pants 벌;
꽃 flowers 송이; 딸기 strawberries; 국수 noodles 그릇; 냉면 cold noodles 그릇; 안경 glasses""") | _nouns("the", """
뉴스 news; 라디오 radio; 버스 bus; 지하철 subway; 기차 train; 피아노 piano; 기타 guitar; 문 door; 창문 window; 불 light;
방 room; 거실 living room; 부엌 kitchen; 교실 classroom; 화장실 bathroom""") | {
    "택시": Noun("택시", "taxi", "count", "대")}

COUNTERS = {"잔": ("cup of", "cups of"), "병": ("bottle of", "bottles of"), "그릇": ("bowl of", "bowls of"),
            "켤레": ("pair of", "pairs of"), "벌": ("pair of", "pairs of")}

PEOPLE = {p.ko: p for p in [
    Person("저", "I", "1", "my"), Person("우리", "we", "pl", "our"),
    Person("민수", "Minsu", "3", "his"), Person("준호", "Junho", "3", "his"), Person("유나", "Yuna", "3", "her"),
    Person("지영 씨", "Jiyoung", "3", "her"), Person("수진 씨", "Sujin", "3", "her"), Person("현우 씨", "Hyunwoo", "3", "his"),
    Person("마이클", "Michael", "3", "his"), Person("사라", "Sarah", "3", "her"),
    Person("제 친구", "my friend", "3", "his"), Person("남동생", "my younger brother", "3", "his"),
    Person("여동생", "my younger sister", "3", "her"), Person("형", "my older brother", "3", "his"),
    Person("누나", "my older sister", "3", "her"), Person("어머니", "my mother", "3", "her", True),
    Person("아버지", "my father", "3", "his", True), Person("할머니", "my grandmother", "3", "her", True),
    Person("할아버지", "my grandfather", "3", "his", True), Person("선생님", "the teacher", "3", "her", True)]}
NAMED = ["민수", "준호", "유나", "지영 씨", "수진 씨", "현우 씨", "마이클", "사라"]
PLAIN = [ko for ko, person in PEOPLE.items() if not person.honoured]

PLACES = {row[0]: Place(*row) for row in _rows("""
집 | home | at home | home
학교 | the school | at school | to school
회사 | the office | at the office | to the office
도서관 | the library | at the library | to the library
시장 | the market | at the market | to the market
공원 | the park | in the park | to the park
카페 | the cafe | at the cafe | to the cafe
식당 | the restaurant | at the restaurant | to the restaurant
병원 | the hospital | at the hospital | to the hospital
극장 | the theater | at the theater | to the theater
서점 | the bookstore | at the bookstore | to the bookstore
백화점 | the department store | at the department store | to the department store
슈퍼마켓 | the supermarket | at the supermarket | to the supermarket
꽃집 | the flower shop | at the flower shop | to the flower shop
빵집 | the bakery | at the bakery | to the bakery
역 | the station | at the station | to the station
정류장 | the bus stop | at the bus stop | to the bus stop
공항 | the airport | at the airport | to the airport
은행 | the bank | at the bank | to the bank
우체국 | the post office | at the post office | to the post office
수영장 | the swimming pool | at the swimming pool | to the swimming pool
체육관 | the gym | at the gym | to the gym
운동장 | the playground | on the playground | to the playground
바닷가 | the beach | at the beach | to the beach
박물관 | the museum | at the museum | to the museum
미술관 | the art museum | at the art museum | to the art museum
호텔 | the hotel | at the hotel | to the hotel
동물원 | the zoo | at the zoo | to the zoo
방 | the room | in the room | to the room
부엌 | the kitchen | in the kitchen | to the kitchen
거실 | the living room | in the living room | to the living room
교실 | the classroom | in the classroom | to the classroom
서울 | Seoul | in Seoul | to Seoul
부산 | Busan | in Busan | to Busan
제주도 | Jeju Island | on Jeju Island | to Jeju Island
한국 | Korea | in Korea | to Korea
미국 | the United States | in the United States | to the United States
일본 | Japan | in Japan | to Japan
중국 | China | in China | to China
영국 | England | in England | to England
프랑스 | France | in France | to France
뉴욕 | New York | in New York | to New York
런던 | London | in London | to London
파리 | Paris | in Paris | to Paris
도쿄 | Tokyo | in Tokyo | to Tokyo
""")}
CITIES = ["서울", "부산", "제주도", "뉴욕", "런던", "파리", "도쿄"]
COUNTRIES = ["한국", "미국", "일본", "중국", "영국", "프랑스"]
YOUNG_PLACES = ("학교", "교실", "회사", "운동장", "체육관", "수영장")  # odd for grandparents


# lemma | class | English | objects | places | flags
# A lemma such as "노래를 부르" carries a fixed object of its own.  Flags: h habitual, t past and future, p progressive,
# n parts of the day, l months and years, a an ability, y not for honoured subjects, o English needs my/his/her,
# d English needs the, L past only,
# w something one may want, r the object can head a relative clause.
DEEDS = [Deed(row[0], Stem(row[0].split()[-1], row[1]), " ".join(row[0].split()[:-1]), row[2], tuple(row[3].split()),
              tuple(row[4].split()), row[5]) for row in _rows("""
읽 | regular | read | 책 소설 잡지 만화책 시 | 집 도서관 카페 공원 방 | htpnrw
읽 | regular | read | 신문 기사 | 집 카페 회사 도서관 | htpnr
읽 | regular | read | 편지 이메일 | 집 방 회사 | tpnr
쓰 | 으 | write | 편지 이메일 | 집 방 카페 회사 | htpnr
쓰 | 으 | write | 시 소설 | 집 카페 방 도서관 | htplrwa
쓰 | 으 | write | 보고서 기사 | 회사 집 카페 | htpnr
보 | regular | watch | 영화 드라마 뉴스 다큐멘터리 | 집 거실 | htpnrw
보 | regular | watch | 영화 연극 | 극장 | htprw
먹 | regular | eat | 빵 사과 샌드위치 과일 수박 딸기 바나나 아이스크림 | 집 공원 부엌 | htpnrw
먹 | regular | eat | 불고기 비빔밥 냉면 국수 피자 생선 고기 | 집 식당 | htpnrw
먹 | regular | eat | 아침 점심 저녁 | 집 식당 호텔 | htp
마시 | regular | drink | 커피 녹차 주스 우유 | 집 카페 거실 부엌 | htpnrw
마시 | regular | drink | 맥주 와인 | 집 식당 호텔 | htpnrwy
사 | regular | buy | 책 소설 잡지 만화책 사전 공책 볼펜 | 서점 | tprw
사 | regular | buy | 사과 과일 생선 고기 수박 딸기 우유 바나나 | 시장 슈퍼마켓 | htpr
사 | regular | buy | 옷 신발 가방 모자 시계 바지 우산 셔츠 코트 선물 지갑 구두 운동화 | 백화점 시장 | tprw
사 | regular | buy | 꽃 | 꽃집 시장 | htpr
사 | regular | buy | 빵 샌드위치 케이크 | 빵집 | htpr
사 | regular | buy | 컴퓨터 카메라 자전거 자동차 휴대폰 | | tlrw
만들 | ㄹ | make | 샌드위치 케이크 빵 | 집 부엌 | htpnrwa
만들 | ㄹ | make | 불고기 비빔밥 김치 국수 | 집 부엌 | htpnrwa
만들 | ㄹ | make | 의자 책상 장난감 인형 가방 | 집 | tplrwa
듣 | ㄷ | listen to | 음악 라디오 뉴스 노래 | 집 방 거실 | htpn
듣 | ㄷ | listen to | 강의 | 학교 도서관 교실 | htpw
배우 | regular | learn | 한국어 영어 중국어 일본어 | 학교 | htplw
배우 | regular | learn | 피아노 기타 태권도 요리 | 집 학교 | htplw
가르치 | regular | teach | 한국어 영어 수학 역사 과학 음악 중국어 | 학교 교실 | htplwa
공부하 | 하 | study | 한국어 영어 중국어 수학 역사 과학 경제 일본어 | 학교 도서관 집 카페 방 | htplw
만나 | regular | meet | 친구 의사 가수 기자 작가 배우 | 카페 공원 역 식당 호텔 | tnrw
기다리 | regular | wait for | 버스 택시 | 정류장 | pL
기다리 | regular | wait for | 친구 | 공원 카페 역 공항 학교 | pnL
기다리 | regular | wait for | 기차 지하철 | 역 | pL
타 | regular | take | 버스 지하철 기차 택시 | | ht
입 | regular | wear | 한복 | | htpw
입 | regular | wear | 바지 셔츠 코트 | | htp
신 | regular | wear | 구두 운동화 양말 부츠 | | htp
찾 | regular | look for | 열쇠 지갑 안경 휴대폰 우산 가방 여권 | 집 방 거실 | po
잃어버리 | regular | lose | 열쇠 지갑 휴대폰 우산 가방 여권 | 공원 역 공항 극장 시장 | oL
그리 | regular | draw | 꽃 고양이 나무 산 말 새 개 | 공원 집 방 | htpnrwa
고치 | regular | fix | 컴퓨터 자전거 시계 자동차 의자 카메라 텔레비전 | 집 | tpra
빌리 | regular | borrow | 책 소설 잡지 만화책 사전 | 도서관 | trw
빌리 | regular | borrow | 우산 카메라 자전거 자동차 | | tr
돕 | ㅂ | help | 의사 간호사 | 병원 | htp
돕 | ㅂ | help | 친구 학생 | 학교 도서관 | htp
열 | ㄹ | open | 문 창문 상자 | | td
닫 | regular | close | 문 창문 상자 | | td
켜 | regular | turn on | 불 텔레비전 라디오 컴퓨터 에어컨 | | td
끄 | 으 | turn off | 불 텔레비전 라디오 컴퓨터 에어컨 | | td
준비하 | 하 | prepare | 아침 점심 저녁 선물 | 집 호텔 | tp
청소하 | 하 | clean | 방 거실 부엌 교실 화장실 | | htp
운전하 | 하 | drive | 자동차 트럭 버스 택시 | | htpa
씻 | regular | wash | 사과 과일 딸기 | 부엌 | tp
주문하 | 하 | order | 커피 케이크 샌드위치 피자 비빔밥 불고기 | 식당 카페 | trw
심 | regular | plant | 나무 꽃 | 공원 집 학교 | tp
부르 | 르 | sing | 노래 | 집 공원 교실 | htpna
외우 | regular | memorize | 시 노래 | 집 방 도서관 | htp
운동을 하 | 하 | exercise | | 체육관 공원 집 | htpnw
산책을 하 | 하 | take a walk | | 공원 바닷가 | htpnw
수영을 하 | 하 | swim | | 수영장 바닷가 | htpnway
요리를 하 | 하 | cook | | 집 부엌 | htpnwa
일하 | 하 | work | | 회사 병원 은행 호텔 식당 도서관 시장 | htplw
쉬 | regular | rest | | 집 방 공원 거실 | htpnw
자 | regular | sleep | | 집 방 호텔 | tpn
춤을 추 | regular | dance | | 집 공원 학교 | htpnway
사진을 찍 | regular | take photos | | 공원 바닷가 동물원 | htpnw
숙제를 하 | 하 | do homework | | 집 도서관 학교 카페 | htpny
축구를 하 | 하 | play soccer | | 운동장 공원 학교 | htpnway
농구를 하 | 하 | play basketball | | 체육관 학교 운동장 | htpnway
테니스를 치 | regular | play tennis | | 공원 체육관 학교 | htpnwa
피아노를 치 | regular | play the piano | | 집 학교 거실 | htpnwa
기타를 치 | regular | play the guitar | | 집 공원 방 카페 | htpnwa
게임을 하 | 하 | play games | | 집 방 거실 | htpnwy
설거지를 하 | 하 | wash the dishes | | 집 부엌 식당 | htpn
빨래를 하 | 하 | do the laundry | | 집 | htp
쇼핑을 하 | 하 | shop | | 백화점 시장 | htpw
걷 | ㄷ | walk | | 공원 바닷가 | htpnw
""")]

ADJECTIVES = [Adjective(Stem(row[0], row[1]), row[2], tuple(row[3].split())) for row in _rows("""
재미있 | regular | interesting | 책 소설 영화 드라마 잡지 만화책 연극 수업 강의 기사 다큐멘터리
재미없 | regular | boring | 책 소설 영화 드라마 연극 수업 강의
어렵 | ㅂ | difficult | 책 수업 시험 문제 단어 강의
쉽 | ㅂ | easy | 책 수업 시험 문제 단어
비싸 | regular | expensive | 가방 시계 컴퓨터 카메라 옷 구두 자동차 자전거 코트 모자 휴대폰 와인
싸 | regular | cheap | 가방 옷 신발 사과 과일 바지 셔츠 우산 운동화 자전거 시계
크 | 으 | big | 가방 책상 사과 나무 개 상자 냉장고 텔레비전 식탁 침대
작 | regular | small | 가방 의자 카메라 상자 고양이 개 인형 휴대폰
예쁘 | 으 | pretty | 꽃 가방 옷 치마 모자 구두 인형 시계
좋 | regular | good | 책 영화 카메라 컴퓨터 노래 와인 침대 사전 볼펜
무겁 | ㅂ | heavy | 가방 책상 상자 의자 책 코트 냉장고 소파
가볍 | ㅂ | light | 가방 카메라 의자 운동화 컴퓨터 우산 자전거
맛있 | regular | delicious | 사과 빵 케이크 불고기 비빔밥 냉면 피자 김치 커피 과일 수박 샌드위치 국수
맵 | ㅂ | spicy | 김치 국수 비빔밥 라면
달 | ㄹ | sweet | 사과 케이크 수박 딸기 주스 초콜릿
짜 | regular | salty | 생선 김치 국수 라면
따뜻하 | 하 | warm | 코트 옷 양말 부츠 우유 물
차갑 | ㅂ | cold | 물 우유 주스 맥주
뜨겁 | ㅂ | hot | 물 커피 녹차 국수
빠르 | 르 | fast | 자동차 기차 컴퓨터 오토바이 자전거
느리 | regular | slow | 컴퓨터 버스 기차 자동차
길 | ㄹ | long | 치마 바지 영화 편지 소설 코트 연극 기사
짧 | regular | short | 치마 편지 시 영화 소설 연극 기사
유명하 | 하 | famous | 가수 배우 작가 화가 소설 노래 영화 요리사
편하 | 하 | comfortable | 의자 운동화 구두 침대 소파 바지 신발
빨갛 | ㅎ | red | 가방 모자 치마 꽃 우산 자동차 사과 코트 구두 지갑
파랗 | ㅎ | blue | 가방 모자 셔츠 바지 자전거 우산 볼펜
하얗 | ㅎ | white | 셔츠 운동화 꽃 고양이 개 모자 치마
노랗 | ㅎ | yellow | 꽃 우산 모자 가방 치마 셔츠
까맣 | ㅎ | black | 고양이 개 구두 가방 코트 지갑 치마
""")]
PERSON_ADJECTIVES = [Adjective(Stem(ko, kind), en, ()) for ko, kind, en in [
    ("바쁘", "으", "busy"), ("피곤하", "하", "tired"), ("친절하", "하", "kind"), ("똑똑하", "하", "smart"),
    ("건강하", "하", "healthy"), ("행복하", "하", "happy"), ("키가 크", "으", "tall")]]
COMPARATIVES = {"easy": "easier", "big": "bigger", "small": "smaller", "pretty": "prettier", "good": "better",
                "heavy": "heavier", "light": "lighter", "spicy": "spicier", "sweet": "sweeter", "salty": "saltier",
                "warm": "warmer", "cold": "colder", "hot": "hotter", "fast": "faster", "slow": "slower",
                "long": "longer", "short": "shorter", "cheap": "cheaper", "busy": "busier", "kind": "kinder",
                "smart": "smarter", "healthy": "healthier", "happy": "happier", "tall": "taller"}

WEEKDAYS = {"월요일": "Monday", "화요일": "Tuesday", "수요일": "Wednesday", "목요일": "Thursday", "금요일": "Friday",
            "토요일": "Saturday", "일요일": "Sunday"}
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December"]
# Time words by tense, each split into words for any deed (""), parts of the day ("n") and long spans ("l").
TIMES = {
    "past": {"": {"어제": "yesterday", "그저께": "the day before yesterday", "지난 주말에": "last weekend"}
             | {f"지난주 {ko}에": f"last {en}" for ko, en in WEEKDAYS.items()},
             "n": {"어젯밤에": "last night", "오늘 아침에": "this morning", "어제저녁에": "yesterday evening"},
             "l": {"지난달에": "last month", "작년에": "last year"}},
    "future": {"": {"내일": "tomorrow", "모레": "the day after tomorrow", "이번 주말에": "this weekend"}
               | {f"다음 주 {ko}에": f"next {en}" for ko, en in WEEKDAYS.items()},
               "n": {"오늘 밤에": "tonight", "내일 아침에": "tomorrow morning", "내일 저녁에": "tomorrow evening"},
               "l": {"다음 달에": "next month", "내년에": "next year"}},
    "present": {"": {"매일": "every day", "주말마다": "every weekend"}
                | {f"{ko}마다": f"every {en}" for ko, en in WEEKDAYS.items()},
                "n": {"매일 아침": "every morning", "매일 저녁": "every evening"}, "l": {}},
}
MANNERS = {"자주": "often", "보통": "usually", "가끔": "sometimes", "항상": "always"}
