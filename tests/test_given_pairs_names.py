"""Names that mean nothing: a first pair with a header's word in it, columns called id, endings that are no languages, exchanged sides."""

from pathlib import Path

import pytest

from mt.config_file import load_config
from mt.data.columns import Wanted, choose
from mt.data.corpus import read_corpora
from mt.data.given_pairs import Asked, given_pairs
from mt.errors import ConfigError, DataError

KO = ["나는 학교에 간다.", "오늘은 날씨가 좋다.", "그는 책을 읽는다.", "우리는 밥을 먹었다.", "비가 온다.", "고양이가 잔다."]
EN = ["I go to the school.", "The weather is good today.", "He reads a book.", "We ate rice and it was good.", "It rains.",
      "The cat is here."]  # fmt: skip
MS = ["Rumah itu besar dan kebun ini hijau.", "Saya tidak tahu apa yang dia kata kepada anda.", "Ini adalah hari yang baik untuk saya."] * 2
SK = ["Dom je veľký a záhrada je zelená.", "Neviem, čo ti povedal.", "Nebola doma, keď sme prišli."] * 2
CS = ["Dům je velký a zahrada je zelená.", "Nevím, co ti řekl, ale není to tak.", "Nebyla doma, když jsme přišli."] * 2
NOTHING, EN_KO, KO_EN = Asked(), Asked("en", "ko"), Asked("ko", "en")


def write(name: str, *columns: list[str], separator: str = "\t") -> Path:
    path = Path(name)
    path.write_text("".join(f"{separator.join(row)}\n" for row in zip(*columns, strict=True)), encoding="utf-8")
    return path


def read(*files: Path, asked: Asked = NOTHING) -> tuple[str, str, list[tuple[str, str]]]:
    """The languages and all pairs."""
    given = given_pairs(files, asked)
    corpora = read_corpora(given.corpora, "train", given.source, given.target)
    return given.source, given.target, [pair for corpus in corpora for pair in zip(corpus.sources, corpus.targets, strict=True)]


FIRST_PAIRS = [
    ("Please translate this.", "번역 좀 해 주세요."),
    ("The source is unknown.", "원문은 알 수 없다."),
    ("I like English.", "나는 영어를 좋아한다."),
    ("He is tall.", "그는 키가 크다."),
    ("Hi.", "안녕하세요."),
    ("Hi", "안녕"),
    ("No.", "아니요."),
    ("It is", "그렇다"),
    ("Target reached", "도달"),
    ("Is it in Korean", "한국어 번역"),
]


@pytest.mark.parametrize("asked", [Asked(), EN_KO, Asked(source_column="1", target_column="2"), Asked("en", "ko", "1", "2")])
@pytest.mark.parametrize("first", FIRST_PAIRS)
def test_a_first_pair_with_a_header_word_in_it_is_a_pair(first: tuple[str, str], asked: Asked) -> None:
    table = write("a.tsv", [first[0], *EN], [first[1], *KO])
    assert read(table, asked=asked) == ("en", "ko", [first, *zip(EN, KO, strict=True)])
    checked = given_pairs([table], asked, strict=False)
    [corpus] = read_corpora(checked.corpora, "train", "en", "ko")
    assert len(corpus) == 7 and not choose(first, False, Wanted(("en", "ko")), "a.tsv").header


def test_columns_by_number_do_not_make_a_header() -> None:
    table = write("a.tsv", ["Chapter one", *"123456"], ["제일 장", *KO], ["The first chapter", *EN])
    asked = Asked("ko", "en", "2", "3")
    assert read(table, asked=asked)[2][0] == ("제일 장", "The first chapter")


@pytest.mark.parametrize("first", [("Hello", "안녕"), ("Hi", "안녕"), ("I like English", "나는 영어를 좋아한다"), ("No", "아니요")])
@pytest.mark.parametrize("asked", [Asked(), EN_KO, Asked("en", "ko", "1", "2")])
def test_a_csv_file_without_a_header_is_refused(first: tuple[str, str], asked: Asked) -> None:
    with pytest.raises(DataError, match="the first row looks like a pair, not like the names of columns"):
        given_pairs([write("a.csv", [first[0], *EN], [first[1], *KO], separator=",")], asked)


def test_a_csv_header_of_unknown_words_is_one_when_its_columns_are_named() -> None:
    table = write("a.csv", ["foo", *EN], ["bar", *KO], separator=",")
    assert read(table, asked=Asked(source_column="foo", target_column="bar"))[2] == list(zip(EN, KO, strict=True))


@pytest.mark.parametrize("ending", ["csv", "tsv"])
@pytest.mark.parametrize("names", [("ko_raw", "en_raw"), ("sent.ko", "sent.en"), ("Korean-v2", "English-v2")])
def test_names_joined_from_a_language_and_another_word_are_a_header(names: tuple[str, str], ending: str) -> None:
    table = write(f"a.{ending}", [names[0], *KO], [names[1], *EN], separator="," if ending == "csv" else "\t")
    assert read(table) == ("ko", "en", list(zip(KO, EN, strict=True)))


def test_exchanged_sides_are_noticed_where_one_side_shows_it() -> None:
    """Malay is not among the languages that are known by their words, and English is."""
    assert read(write("a.tsv", MS, EN), asked=Asked("en", "ms"))[2] == list(zip(EN, MS, strict=True))
    assert read(write("h.tsv", ["en", *MS], ["ms", *EN]), asked=Asked("ms", "en"))[2] == list(zip(MS, EN, strict=True))
    for files, asked in ((("z.en", "z.ms"), Asked()), (("a.txt", "b.txt"), Asked("en", "ms"))):
        paths = [write(files[0], MS), write(files[1], EN)]
        with pytest.raises(ConfigError, match="would be Malay .ms., but it is English"):
            given_pairs(paths, asked)
    with pytest.raises(ConfigError, match="column 2 ms would be Malay"):
        given_pairs([Path("h.tsv")], Asked())


def test_related_languages_are_not_taken_for_exchanged() -> None:
    assert read(write("a.sk", SK), write("a.cs", CS))[:2] == ("sk", "cs")
    assert read(write("a.txt", CS), write("b.txt", SK), asked=Asked("cs", "sk"))[:2] == ("cs", "sk")


IDS = {
    "numbers": [str(n) for n in range(6)],
    "textual": [f"s{n}-x" for n in range(6)],
    "words": ["alpha", "beta", "gamma", "delta", "eta", "mu"],
}


@pytest.mark.parametrize("kind", IDS)
@pytest.mark.parametrize("name", ["id", "no", "ID", "note", "reference"])
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_a_column_of_numbers_or_notes_is_no_side(kind: str, name: str, ending: str) -> None:
    table = write(f"a.{ending}", [name, *IDS[kind]], ["ko", *KO], ["en", *EN], separator="," if ending == "csv" else "\t")
    assert read(table) == ("ko", "en", list(zip(KO, EN, strict=True)))
    assert read(table, asked=EN_KO) == ("en", "ko", list(zip(EN, KO, strict=True)))


def test_id_is_indonesian_where_the_text_is() -> None:
    asked = Asked("id", "en")
    assert read(write("a.tsv", ["id", *MS], ["en", *EN])) == ("id", "en", list(zip(MS, EN, strict=True)))
    assert read(write("b.tsv", ["ko", *KO], ["id", *MS], ["en", *EN]), asked=asked)[2] == list(zip(MS, EN, strict=True))
    with pytest.raises(DataError, match="no two columns are Indonesian"):
        given_pairs([write("c.tsv", ["id", *IDS["textual"]], ["ko", *KO], ["en", *EN])], asked)


@pytest.mark.parametrize("asked", [Asked(), KO_EN])
@pytest.mark.parametrize("other", ["en_google", "en-mt", "English MT", "translation.en"])
def test_the_exact_name_of_a_language_comes_first(asked: Asked, other: str) -> None:
    machine = [f"{text} (machine)" for text in EN]
    assert read(write("a.tsv", ["ko", *KO], [other, *machine], ["en", *EN]), asked=asked) == ("ko", "en", list(zip(KO, EN, strict=True)))
    table = write("b.csv", ["ko", *KO], ["en", *EN], [other, *machine], separator=",")
    assert read(table, asked=asked)[2] == list(zip(KO, EN, strict=True))


@pytest.mark.parametrize("endings", [("dev", "tst"), ("ko", "out"), ("hyp", "ref"), ("in", "out")])
def test_endings_that_are_no_languages_say_nothing(endings: tuple[str, str]) -> None:
    assert read(write(f"a.{endings[0]}", KO), write(f"b.{endings[1]}", EN))[:2] == ("ko", "en")


def test_where_order_alone_decides_the_statement_says_so_and_its_advice_works() -> None:
    table = write("a.tsv", ["Hund", "Katze", "Haus"], ["dog", "cat", "house"])
    [statement] = given_pairs([table], Asked("en", "de")).statements
    assert "column 1 is taken for English because it comes first; if not: --source-column 2 --target-column 1" in statement
    other = given_pairs([table], Asked("en", "de", "2", "1"))
    assert other.statements == ("a.tsv: column 2 is English (en), column 1 is German (de); translating en → de",)
    assert read(table, asked=Asked("en", "de", "2", "1"))[2][0] == ("dog", "Hund")


def test_a_column_number_needs_no_quotes() -> None:
    write("a.tsv", KO, EN)
    text = "source: en\ntarget: ko\ndata: {train: {file: a.tsv, source_column: 2, target_column: 1}}\n"
    Path("c.yaml").write_text(text, encoding="utf-8")
    for overrides in ([], ["data.train[0].source_column=2"]):
        config = load_config("c.yaml", overrides)
        assert (config.data.train[0].source_column, config.data.train[0].target_column) == ("2", "1")
        [corpus] = read_corpora(config.data.train, "train", "en", "ko")
        assert corpus.sources[0] == EN[0]
    Path("c.yaml").write_text(text.replace("source_column: 2", "source_column: true"), encoding="utf-8")
    with pytest.raises(ConfigError, match="source_column"):
        load_config("c.yaml")
