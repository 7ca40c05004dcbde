"""Tests of the built-in demo corpus: inflection, the promises its docstring makes about the splits, and its text."""
from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from mt.data.demo import SPLITS, combinations, demo_pairs
from mt.data.demo_clause import english_number, english_ordinal, korean_month, sino_number
from mt.data.demo_inflection import (
    Stem,
    adnominal,
    compose,
    decompose,
    english_ing,
    english_past,
    english_plural,
    english_third,
    honorific,
    particle,
    with_article,
)
from mt.data.demo_lexicon import ADJECTIVES, DEEDS, NOUNS, PLACES
from mt.data.demo_patterns import PATTERNS

ROOT = Path(__file__).resolve().parents[2]

# stem, class, then ending and hand-checked form
CONJUGATIONS = """
가 regular 어요 가요 | 가 regular 었어요 갔어요 | 가 regular (으)ㄹ_거예요 갈_거예요 | 가 regular (스)ㅂ니다 갑니다
보 regular 어요 봐요 | 보 regular 었습니다 봤습니다 | 보 regular (으)ㄹ까요 볼까요 | 보 regular (으)ㅂ시다 봅시다
마시 regular 어요 마셔요 | 마시 regular 었어요 마셨어요 | 마시 regular (으)러 마시러 | 마시 regular 고 마시고
배우 regular 어요 배워요 | 배우 regular 었어요 배웠어요 | 기다리 regular 어요 기다려요 | 가르치 regular 어요 가르쳐요
보내 regular 어요 보내요 | 보내 regular 었어요 보냈어요 | 켜 regular 어요 켜요 | 켜 regular 었어요 켰어요 | 되 regular 어요 돼요
주 regular 어요 줘요 | 쉬 regular 어요 쉬어요 | 쉬 regular 었어요 쉬었어요 | 추 regular 어요 춰요 | 오 regular 어서 와서
먹 regular 어요 먹어요 | 먹 regular (스)ㅂ니다 먹습니다 | 먹 regular (으)면 먹으면 | 먹 regular (으)ㄹ_겁니다 먹을_겁니다
읽 regular 어요 읽어요 | 읽 regular (으)니까 읽으니까 | 읽 regular (으)ㅂ시다 읽읍시다 | 읽 regular 지만 읽지만
앉 regular 어요 앉아요 | 닫 regular 어요 닫아요 | 닫 regular (으)면 닫으면 | 좋 regular 어요 좋아요 | 좋 regular (으)ㄴ 좋은
입 regular 어요 입어요 | 입 regular (으)ㄴ 입은 | 씻 regular 어요 씻어요 | 싶 regular 어요 싶어요 | 않 regular 었어요 않았어요
춥 ㅂ 어요 추워요 | 춥 ㅂ (으)ㄴ 추운 | 춥 ㅂ (으)니까 추우니까 | 춥 ㅂ (스)ㅂ니다 춥습니다 | 춥 ㅂ 었어요 추웠어요
돕 ㅂ 어요 도와요 | 돕 ㅂ 었어요 도왔어요 | 돕 ㅂ (으)ㄹ_거예요 도울_거예요 | 맵 ㅂ 어요 매워요 | 무겁 ㅂ 지만 무겁지만
듣 ㄷ 어요 들어요 | 듣 ㄷ (으)ㄴ 들은 | 듣 ㄷ (으)면서 들으면서 | 듣 ㄷ 는 듣는 | 듣 ㄷ (스)ㅂ니다 듣습니다
걷 ㄷ 어요 걸어요 | 걷 ㄷ 었어요 걸었어요 | 걷 ㄷ (으)ㄹ_거예요 걸을_거예요
만들 ㄹ 는 만드는 | 만들 ㄹ (스)ㅂ니다 만듭니다 | 만들 ㄹ (으)ㄹ_거예요 만들_거예요 | 만들 ㄹ (으)ㄴ 만든 | 만들 ㄹ (으)러 만들러
만들 ㄹ 어요 만들어요 | 살 ㄹ 어요 살아요 | 살 ㄹ (스)ㅂ니다 삽니다 | 열 ㄹ (으)니까 여니까
팔 ㄹ (으)면 팔면 | 알 ㄹ (으)시 아시
길 ㄹ (으)ㄴ 긴 | 달 ㄹ (스)ㅂ니다 답니다 | 열 ㄹ (으)ㅂ시다 엽시다 | 팔 ㄹ 고 팔고
부르 르 어요 불러요 | 부르 르 었어요 불렀어요 | 모르 르 어요 몰라요 | 모르 르 (스)ㅂ니다 모릅니다 | 빠르 르 (으)ㄴ 빠른
쓰 으 어요 써요 | 쓰 으 었어요 썼어요 | 쓰 으 (스)ㅂ니다 씁니다 | 크 으 어요 커요 | 바쁘 으 어요 바빠요 | 바쁘 으 (으)ㄴ 바쁜
끄 으 어요 꺼요 | 예쁘 으 어요 예뻐요 | 고프 으 었어요 고팠어요 | 나쁘 으 지만 나쁘지만
짓 ㅅ 어요 지어요 | 짓 ㅅ (으)ㄴ 지은 | 짓 ㅅ 고 짓고 | 빨갛 ㅎ 어요 빨개요 | 빨갛 ㅎ (으)ㄴ 빨간 | 하얗 ㅎ 어요 하얘요
까맣 ㅎ (스)ㅂ니다 까맣습니다 | 공부하 하 어요 공부해요 | 공부하 하 었어요 공부했어요 | 하 하 (으)ㄹ_수_있 할_수_있
""".replace("\n", "|").split("|")
CONJUGATIONS = [row.split() for row in CONJUGATIONS if row.strip()]


@pytest.mark.parametrize(("stem", "kind", "ending", "form"), CONJUGATIONS)
def test_conjugation(stem: str, kind: str, ending: str, form: str) -> None:
    assert Stem(stem, kind).attach(ending.replace("_", " ")) == form.replace("_", " ")


def test_conjugation_table_is_large() -> None:
    assert len(CONJUGATIONS) >= 60


def test_unknown_stem_class_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown stem class"):
        Stem("가", "ㅋ").attach("어요")


@pytest.mark.parametrize(("stem", "kind", "ending", "form"), [
    ("가", "regular", "어요", "가세요"), ("읽", "regular", "었어요", "읽으셨어요"), ("먹", "regular", "어요", "드세요"),
    ("마시", "regular", "(스)ㅂ니다", "드십니다"), ("자", "regular", "(으)ㄹ 거예요", "주무실 거예요"),
    ("듣", "ㄷ", "어요", "들으세요"),
    ("만들", "ㄹ", "었습니다", "만드셨습니다"), ("돕", "ㅂ", "어요", "도우세요"), ("바쁘", "으", "어요", "바쁘세요")])
def test_honorific(stem: str, kind: str, ending: str, form: str) -> None:
    assert honorific(Stem(stem, kind)).attach(ending) == form


@pytest.mark.parametrize(("stem", "kind", "tense", "form"), [
    ("사", "regular", "past", "산"), ("만나", "regular", "future", "만날"), ("만들", "ㄹ", "present", "만드는"),
    ("재미있", "regular", "state", "재미있는"), ("예쁘", "으", "state", "예쁜"), ("쉽", "ㅂ", "state", "쉬운")])
def test_adnominal(stem: str, kind: str, tense: str, form: str) -> None:
    assert adnominal(Stem(stem, kind), tense) == form


@pytest.mark.parametrize(("word", "pair", "result"), [
    ("책", "은/는", "책은"), ("저", "은/는", "저는"), ("꽃", "이/가", "꽃이"), ("개", "이/가", "개가"), ("물", "을/를", "물을"),
    ("커피", "을/를", "커피를"), ("형", "와/과", "형과"), ("지영 씨", "와/과", "지영 씨와"), ("버스", "로/으로", "버스로"),
    ("지하철", "로/으로", "지하철로"), ("집", "로/으로", "집으로"), ("의사", "이에요/예요", "의사예요"),
    ("학생", "이에요/예요", "학생이에요"),
    ("2023", "은/는", "2023은"), ("5", "을/를", "5를"), ("7", "로/으로", "7로")])
def test_particle(word: str, pair: str, result: str) -> None:
    assert particle(word, pair) == result


def test_every_syllable_survives_decomposition() -> None:
    assert all(compose(*decompose(chr(code))) == chr(code) for code in range(0xAC00, 0xD7A4))
    with pytest.raises(ValueError, match="not a Hangul syllable"):
        decompose("a")


def test_korean_numbers() -> None:
    assert [sino_number(n) for n in (1, 10, 15, 20, 111, 1500, 10000, 35000)] == [
        "일", "십", "십오", "이십", "백십일", "천오백", "만", "삼만 오천"]
    assert [korean_month(m) for m in (1, 6, 10, 12)] == ["일월", "유월", "시월", "십이월"]


def test_english_numbers() -> None:
    assert [english_number(n) for n in (7, 15, 40, 25, 1500, 35000)] == [
        "seven", "fifteen", "forty", "twenty-five", "one thousand five hundred", "thirty-five thousand"]
    assert [english_ordinal(n) for n in (1, 2, 3, 4, 5, 9, 12, 20, 21, 28)] == [
        "first", "second", "third", "fourth", "fifth", "ninth", "twelfth", "twentieth", "twenty-first", "twenty-eighth"]


@pytest.mark.parametrize(("verb", "third", "past", "participle", "ing"), [
    ("read", "reads", "read", "read", "reading"), ("write", "writes", "wrote", "written", "writing"),
    ("study", "studies", "studied", "studied", "studying"),
    ("play chess", "plays chess", "played chess", "played chess", "playing chess"),
    ("watch", "watches", "watched", "watched", "watching"), ("swim", "swims", "swam", "swum", "swimming"),
    ("teach", "teaches", "taught", "taught", "teaching"), ("do it", "does it", "did it", "done it", "doing it"),
    ("have", "has", "had", "had", "having"), ("go", "goes", "went", "gone", "going"), ("lose", "loses", "lost", "lost", "losing"),
    ("shop", "shops", "shopped", "shopped", "shopping"), ("open", "opens", "opened", "opened", "opening"),
    ("order", "orders", "ordered", "ordered", "ordering"), ("fix", "fixes", "fixed", "fixed", "fixing"),
    ("memorize", "memorizes", "memorized", "memorized", "memorizing"),
    ("turn on", "turns on", "turned on", "turned on", "turning on")])
def test_english_verbs(verb: str, third: str, past: str, participle: str, ing: str) -> None:
    assert (english_third(verb), english_past(verb)) == (third, past)
    assert (english_past(verb, participle=True), english_ing(verb)) == (participle, ing)


def test_english_nouns_and_articles() -> None:
    plurals = {"book": "books", "watch": "watches", "dictionary": "dictionaries", "toy": "toys", "class": "classes",
               "cell phone": "cell phones", "child": "children", "box": "boxes"}
    assert {noun: english_plural(noun) for noun in plurals} == plurals
    assert [with_article(word) for word in ("apple", "book", "umbrella", "old book", "university", "email")] == [
        "an apple", "a book", "an umbrella", "an old book", "a university", "an email"]


def test_tables_name_only_known_words() -> None:
    for deed in DEEDS:
        assert all(noun in NOUNS for noun in deed.objects)
        assert all(place in PLACES for place in deed.places)
        assert deed.objects or deed.places
    assert all(noun in NOUNS for adjective in ADJECTIVES for noun in adjective.nouns)


def everything() -> list[tuple[str, str]]:
    return [pair for split in SPLITS for pair in demo_pairs(split)]


def words(text: str) -> set[str]:
    return {word.strip(".,?") for word in text.split()}


def test_size_and_variety() -> None:
    assert len(set(everything())) == len(everything()) >= 20000
    assert len(demo_pairs("train")) >= 20000
    assert len(demo_pairs("valid")) == len(demo_pairs("test")) == 500
    assert len(PATTERNS) >= 30


def test_unknown_split_is_refused() -> None:
    for function in (demo_pairs, combinations):
        with pytest.raises(ValueError, match="unknown split 'dev'"):
            function("dev")


def test_text_is_clean() -> None:
    for korean, english in everything():
        for side in (korean, english):
            assert side == unicodedata.normalize("NFC", side) == side.strip()
            assert "  " not in side and "_" not in side and side[-1] in ".?"
        assert korean[-1] == english[-1]
        assert english[0].isupper()
        assert not any("가" <= letter <= "힣" for letter in english)
        assert not any("a" <= letter.lower() <= "z" for letter in korean)
        assert not any("ㄱ" <= letter <= "ㅣ" or letter in "()" for letter in korean), korean
        assert 2 <= len(korean.split()) <= 14 and len(english.split()) <= 20, (korean, english)


def test_one_translation_for_each_korean_sentence() -> None:
    assert len({korean for korean, _ in everything()}) == len(everything())


def test_register_is_consistent_within_a_sentence() -> None:
    for korean, _ in everything():
        sentences = korean.rstrip(".?").split(". ")
        assert len({sentence.endswith("요") for sentence in sentences}) == 1, korean
        assert all(sentence.endswith(("요", "다", "까")) for sentence in sentences), korean


def test_splits_share_no_sentence() -> None:
    for side in (0, 1):
        train, valid, test = ({pair[side] for pair in demo_pairs(split)} for split in SPLITS)
        assert not train & valid and not train & test and not valid & test


def test_held_out_sentences_combine_words_in_new_ways() -> None:
    train, valid, test = ({pair for combination in combinations(split) for pair in combination} for split in SPLITS)
    assert not set(combinations("train")) & set(combinations("test"))
    for split, other in (("test", valid), ("valid", test)):
        for combination in combinations(split):
            new = [pair for pair in combination if pair not in train]
            assert new, combination
            assert not any(pair in other for pair in new), combination


def test_every_held_out_word_occurs_in_train() -> None:
    known = set().union(*(words(korean) | words(english) for korean, english in demo_pairs("train")))
    for split in ("valid", "test"):
        for korean, english in demo_pairs(split):
            assert words(korean) | words(english) <= known


def test_every_verb_and_adjective_is_trained() -> None:
    trained = {word for combination in combinations("train") for pair in combination for word in pair}
    assert {deed.lemma + "다" for deed in DEEDS} <= trained
    assert {adjective.stem.text + "다" for adjective in ADJECTIVES} <= trained


def test_grammar_the_corpus_promises() -> None:
    text = "\n".join(korean for korean, _ in demo_pairs("train"))
    forms = """
    고 있어요|거예요|겁니다|지 않| 안 | 못 |지 못|고 싶어요|고 싶어 해요|수 있어요|수 없|보다|가장|야 해요|까요?|주세요|마세요
    두 명|한 마리|다섯 권|유월|시월|월요일에| 반에|만 원|기 때문에|그래서|니까|면서|기 전에|후에|적이 있|지만|러
    누가|언제|왜|어디에서|뭘|께서는|드세요|지하철로|에게|까지""".replace("\n    ", "|").strip("|").split("|")
    for form in forms:
        assert form in text, form


def test_same_in_another_process() -> None:
    code = ("import hashlib; from mt.data.demo import SPLITS, demo_pairs; "
            "print(hashlib.sha256(repr([demo_pairs(s) for s in SPLITS]).encode()).hexdigest())")
    here = hashlib.sha256(repr([demo_pairs(split) for split in SPLITS]).encode()).hexdigest()
    for seed in ("1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
        assert result.stdout.strip() == here
