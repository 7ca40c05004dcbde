"""One reader for each format: what it takes, what it refuses and what it says are the same for training, checking and translating."""

import bz2
import gzip
import json
import logging
import lzma
import zipfile
from pathlib import Path

import pytest

from mt.config import CorpusConfig
from mt.config_file import load_config
from mt.data import encodings
from mt.data.characters import comparison_key
from mt.data.columns import Choice, Wanted, choose, looks_like_header
from mt.data.corpus import Corpus, read_corpus, read_line_pairs
from mt.data.encodings import read_bytes, text_blocks
from mt.data.first_look import leaks
from mt.data.lenient import LenientCorpus
from mt.data.pair_checks import keys
from mt.data.table_text import csv_problem
from mt.data.tables import columns_of, sample_table
from mt.data.text_lines import lines_of, read_lines
from mt.documents.document import Document
from mt.documents.parts import Source
from mt.errors import ConfigError, DataError
from tests.command_line import run_mt


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def train(path: Path, languages: tuple[str, str] = ("ko", "en"), **fields: object) -> Corpus:
    return read_corpus(CorpusConfig(file=path, **fields), "train", *languages)


def refusals(path: Path) -> list[str]:
    """What training, translating and checking say, without the key and the path."""
    found = []
    with pytest.raises(DataError) as refused:
        train(path)
    found.append(str(refused.value))
    format = "jsonl" if path.suffix == ".json" else path.suffix[1:]
    with pytest.raises(DataError) as refused:
        list(Document(Source(path), format, "ko").parts())
    found.append(str(refused.value))
    lenient = LenientCorpus(CorpusConfig(file=path), "train", "ko", "en")
    list(lenient.blocks())
    found += [problem.text for problem in lenient.problems]
    return [text.rsplit(f"{path}: ", 1)[-1] for text in found]


# ── line ends ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.tsv", "ko\ten\r가\ta\r나\tb\r"), ("p.csv", "ko,en\r가,a\r나,b\r"), ("p.csv", 'ko,en\n"가\r나",a\n'),
        ("p.tsv", "가\ta\r나\n다\tb\n"),
        ("p.jsonl", '{"ko": "가", "en": "a"}\r{"ko": "나", "en": "b"}\r'),
    ],
)  # fmt: skip
def test_a_lone_carriage_return_is_refused_on_every_road(name: str, content: str, tmp_path: Path) -> None:
    told = refusals(write(tmp_path / name, content))
    assert len(told) >= 3
    assert all("carriage return" in text and "old Mac line ends" in text for text in told)


def test_a_lone_carriage_return_is_refused_in_text_subtitles_and_standard_input(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ko", "가\r나\r")
    with pytest.raises(DataError, match=r"line 1 has a carriage return \(\\r\) inside"):
        read_lines(path)
    with pytest.raises(DataError, match="standard input: line 2 has a carriage return"):
        lines_of("가\n나\r다".encode(), "standard input")
    for format in ("text", "srt", "vtt", "markdown"):
        with pytest.raises(DataError, match="line 1 has a carriage return"):
            list(Document(Source(path), format, "ko").parts())
    english = write(tmp_path / "a.en", "a\rb\r")
    outcome = run_mt("check", str(path), str(english), "--source", "ko", "--target", "en")
    assert outcome.exit_code == 1
    assert "error    return" in outcome.stdout


def test_carriage_returns_before_a_line_feed_or_the_end_belong_to_the_line_end(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ko", "가\r\r\n나\r\n다\r")
    assert read_lines(path) == ["가", "나", "다"]
    assert [part.text for part in Document(Source(path), "text", "ko").parts() if part.text] == ["가", "나", "다"]
    assert "".join(part.written(part.text) for part in Document(Source(path), "text", "ko").parts()) == "가\r\r\n나\r\n다\r"


def test_a_long_run_of_carriage_returns_takes_no_time() -> None:
    assert encodings.lone_return("\r" * 2_000_000 + "\n") == -1
    assert encodings.lone_return("a" + "\r" * 2_000_000 + "b\n") == 1


# ── CSV ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_space_before_a_quotation_mark_is_refused_alike(tmp_path: Path) -> None:
    told = refusals(write(tmp_path / "p.csv", 'ko, en\n"가", "a"\n'))
    assert all(text.removeprefix("line 2: ").startswith("a quotation mark inside a cell is written twice") for text in told)


def test_an_open_quotation_mark_is_called_so_however_much_follows(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", 'ko,en\n가,a\n"나,b\n' + "다,c\n" * 60_000)
    told = refusals(path)
    assert told[0] == told[1]
    assert told[0].startswith("line 3: a quoted cell that begins here does not end.")
    lenient = LenientCorpus(CorpusConfig(file=path), "train", "ko", "en")
    assert sum(len(block.lines) for block in lenient.blocks()) == 60_001
    assert [problem.line for problem in lenient.problems] == [3]


def test_a_large_cell_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", f'ko,en,html\n가,a,"{"<p>, " * 100_000}"\n')
    assert (train(path).sources, train(path).targets) == (["가"], ["a"])
    assert [part.text for part in Document(Source(path), "csv", "ko").parts() if part.text] == ["가"]


@pytest.mark.parametrize("record", ['"a""b",c', 'a,"b\n"', '""', "", "a,,", '","'])
def test_good_records_have_no_problem(record: str) -> None:
    assert csv_problem(record) == ""


def test_empty_lines_of_a_table_are_no_rows(tmp_path: Path) -> None:
    assert train(write(tmp_path / "p.tsv", "\nko\ten\n\n가\ta\n \n나\tb\n\n")).sources == ["가", "나"]
    assert train(write(tmp_path / "p.csv", "\r\nko,en\n\n가,a\n  \n나,b\n\n")).sources == ["가", "나"]


# ── JSON ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

ROWS = [{"ko": f"문장 {number}", "en": f"sentence {number}"} for number in range(4)]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "around",
    [ROWS, {"data": ROWS}, {"version": "1", "meta": {"n": 4}, "rows": ROWS, "ids": [1, 2]}, {str(at): row for at, row in enumerate(ROWS)}],
)
@pytest.mark.parametrize("name", ["p.json", "p.jsonl"])
def test_a_list_of_pairs_is_read_with_or_without_an_object_around_it(name: str, around: object, indent: int | None, tmp_path: Path) -> None:
    content = json.dumps(around, ensure_ascii=False, indent=indent)
    path = write(tmp_path / name, content)
    corpus = train(path)
    assert (corpus.sources, corpus.targets) == ([row["ko"] for row in ROWS], [row["en"] for row in ROWS])
    parts = list(Document(Source(path), "jsonl", "ko").parts())
    assert [(part.line, part.text) for part in parts if part.text] == [(at + 1, row["ko"]) for at, row in enumerate(ROWS)]
    assert "".join(part.written(part.text) for part in parts) == content
    lenient = LenientCorpus(CorpusConfig(file=path), "train", "ko", "en")
    assert [text for block in lenient.blocks() for text in block.sources] == corpus.sources
    assert lenient.problems == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": ROWS, "b": ROWS}, "this is an object with 2 lists of objects: 'a', 'b'."),
        ({"a": ["x"], "b": {"c": 1}}, "this is one object with the names 'a', 'b', and no list of pairs in it."),
        ({f"name {at}": at for at in range(20_000)}, "(20,000 columns), and no list of pairs in it."),
    ],
)
def test_any_other_object_is_told_for_what_it_is(content: dict, message: str, tmp_path: Path) -> None:
    told = refusals(write(tmp_path / "p.json", json.dumps(content, indent=1)))
    assert all(message in text and len(text) < 500 for text in told)


@pytest.mark.parametrize("value", ["true", "false", "1e400", "-1e400", "NaN", "Infinity", "[1]", '"\\u0000"', '"\\ud800"'])
def test_a_value_that_is_no_text_is_refused_alike(value: str, tmp_path: Path) -> None:
    told = refusals(write(tmp_path / "p.jsonl", f'{{"ko": "가", "en": "a"}}\n{{"ko": {value}, "en": "b"}}\n'))
    assert len({text.removeprefix("line 2: ") for text in told}) == 1
    assert told[0].startswith("line 2: column 'ko' holds ")


def test_numbers_are_texts_as_they_are_written(tmp_path: Path) -> None:
    numbers = ["1.50", "-0", "1E3", "123456789012345678901234567890", "5", "9" * 5000]
    path = write(tmp_path / "p.jsonl", "".join(f'{{"ko": {number}, "en": "x"}}\n' for number in numbers))
    assert train(path).sources == numbers


def test_a_name_twice_and_deep_nesting_are_refused_alike(tmp_path: Path) -> None:
    told = refusals(write(tmp_path / "p.jsonl", '{"ko": "가", "en": "a"}\n{"ko": "가", "en": "a", "ko": "나"}\n'))
    assert all("the name 'ko' occurs twice in one object" in text for text in told)
    told = refusals(write(tmp_path / "q.jsonl", '{"ko": "가", "en": "a"}\n{"ko": ' + "[" * 100_000 + "]" * 100_000 + "}\n"))
    assert all("nested too deeply" in text for text in told)


# ── columns ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "header", ["English\tGerman", "EN\tDE", "en \tde", "eng\tdeu", "영어\t독일어", "target\tsource", "English text\tDE text"]
)
def test_a_header_is_recognised_whatever_way_it_names_the_languages(header: str, tmp_path: Path) -> None:
    path = write(tmp_path / "p.tsv", f"{header}\nmy brother\tmein Bruder\n")
    corpus = train(path, ("de", "en"))
    assert (corpus.sources, corpus.targets) == (["mein Bruder"], ["my brother"])
    assert sample_table(path).header


def test_a_header_with_a_number_is_no_pair(tmp_path: Path) -> None:
    path = write(tmp_path / "p.tsv", "SID\t원문\t번역문\n0\t가\ta\n")
    assert (train(path).sources, train(path).targets) == (["가"], ["a"])
    assert columns_of(path) == ["SID", "원문", "번역문"]
    numbered = train(path, source_column="3", target_column="2")
    assert (numbered.sources, numbered.targets) == (["a"], ["가"])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["id", "text"], "there are no 'ko' and 'en'. Set source_column and target_column"),
        (["7", "가", "8", "a"], "the first row is no header and has 4 columns"),
        (["ko", "ko"], "names the column 'ko' twice"),
        (["Korean", "한국어", "en"], "2 columns may be 'ko': 'Korean', '한국어'"),
        ([f"k{at}" for at in range(900)], "(900 columns)"),
    ],
)
def test_what_nothing_tells_is_asked(names: list[str], message: str) -> None:
    with pytest.raises(DataError) as refused:
        choose(names, len(names) == 900, Wanted(("ko", "en")), "p.tsv")
    assert message in str(refused.value)
    assert len(str(refused.value)) < 400


def test_a_number_is_a_number_where_a_text_is_the_same() -> None:
    assert choose(["1", "가", "2", "a"], False, Wanted(("ko", "en"), ("2", "4")), "") == Choice((1, 3), False)
    assert choose(["2", "1"], True, Wanted(("ko", "en"), ("1", "2")), "") == Choice((1, 0), True)
    assert not looks_like_header(["가", "a"])


def test_which_column_is_read_as_which_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="mt"):
        train(write(tmp_path / "p.tsv", "가\x1b[31m\ta\n"))
        train(write(tmp_path / "q.csv", "en,Korean\na,가\n"))
    assert caplog.messages == [
        f"{tmp_path / 'p.tsv'}: no header; column 1 is the source (ko): '가\\x1b[31m', column 2 is the target (en): 'a'",
        f"{tmp_path / 'q.csv'}: column 'Korean' is the source (ko): '가', column 'en' is the target (en): 'a'",
    ]


# ── bytes ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (lzma.compress(b"a"), "an xz archive"), (bz2.compress(b"a"), "a bzip2 archive"),
        (b"\x28\xb5\x2f\xfd\x00\x01", "a Zstandard archive"),
        (gzip.compress(b"a", mtime=0), "a gzip file"), (b"PAR1\0\0", "a Parquet file"), (b"7z\xbc\xaf\x27\x1c\0", "a 7z archive"),
    ],
)  # fmt: skip
def test_archives_are_named(content: bytes, what: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.ko", content)
    with pytest.raises(DataError, match=f"this is {what}"):
        read_lines(path)
    lenient = LenientCorpus(CorpusConfig(source=path, target=write(tmp_path / "a.en", "a\n")), "train", "ko", "en")
    list(lenient.blocks())
    assert what in lenient.problems[0].text


def test_a_zip_file_is_named_and_words_that_begin_like_an_archive_are_words(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.ko", "w") as archive:
        archive.writestr("x", "y")
    with pytest.raises(DataError, match="this is a ZIP archive"):
        read_lines(tmp_path / "a.ko")
    for text in ("BZh is a word", "PAR1 too", "7z and more"):
        assert read_lines(write(tmp_path / "b.ko", text)) == [text]


@pytest.mark.parametrize(
    ("name", "says"), [("p.tsv.xz", "archive"), ("p.csv.zip", "archive"), ("p.xlsx", "spreadsheet"), ("p.tsv.zst", "gzip")]
)
def test_a_configuration_says_what_to_do_with_an_archive(name: str, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config("demo", [f"data.train={name}"])
    assert says in str(refused.value)


def test_what_cannot_be_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.ko.gz", gzip.compress("가".encode()))
    errors = {"no permission": PermissionError(13, "Permission denied"), "cannot be read: Input": OSError(5, "Input/output error")}
    for says, error in errors.items():

        def refuse(*arguments: object, error: OSError = error, **options: object) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", refuse)
            for read in (read_bytes, lambda path: list(text_blocks(path))):
                with pytest.raises(DataError, match=says) as refused:
                    read(path)
                assert "damaged" not in str(refused.value)


def test_a_line_without_end_is_refused_where_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodings, "BLOCK_BYTES", 50)
    for length in (990, 999, 1000, 1001, 5000):
        path = write(tmp_path / "a.ko", "가\n나\n" + "x" * length + "\nb\n")
        if length <= 1000:
            assert "".join(text_blocks(path, longest=1000)).count("\n") == 4
            continue
        with pytest.raises(DataError, match="line 3 is longer than"):
            list(text_blocks(path, longest=1000))


@pytest.mark.parametrize("encoding", ["cp949", "utf-16", "utf-16-le", "euc-kr", "utf-32"])
def test_a_named_encoding_is_read_on_every_road(encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodings, "BLOCK_BYTES", 7)
    table = "ko\ten\n안녕하세요.\tHello.\n고마워요.\tThanks.\n"
    path = write(tmp_path / "p.tsv", table.encode(encoding))
    corpus = train(path, encoding=encoding)
    assert (corpus.sources, corpus.targets) == (["안녕하세요.", "고마워요."], ["Hello.", "Thanks."])
    parts = list(Document(Source(path, encoding=encoding), "tsv", "ko").parts())
    assert "".join(part.written(part.text) for part in parts) == table
    lenient = LenientCorpus(CorpusConfig(file=path, encoding=encoding), "train", "ko", "en")
    assert [text for block in lenient.blocks() for text in block.sources] == corpus.sources
    assert lenient.problems == []
    lines = [write(tmp_path / f"a.{side}", text.encode(encoding)) for side, text in (("ko", "가\n나\n"), ("en", "a\nb\n"))]
    assert read_line_pairs(*lines, encoding) == (["가", "나"], ["a", "b"])


def test_a_wrong_encoding_is_told_with_the_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ko", "가\n나\n".encode("cp949") + b"\xff\xff\n")
    with pytest.raises(DataError, match="line 3 is not cp949, the encoding that was asked for"):
        read_lines(path, "cp949")
    with pytest.raises(ConfigError, match="no encoding of texts"):
        load_config("demo", ["data.train={source: a, target: b, encoding: rot13}"])


def test_commands_take_the_encoding(trained_run: Path) -> None:
    for name, text in (("a.ko", "가나다 라마바\n" * 30), ("a.en", "one two\n" * 30), ("p.tsv", "가나다 라마바\tone two\n" * 30)):
        write(Path(name), text.encode("utf-16"))
    for files in (["a.ko", "a.en"], ["p.tsv"]):
        outcome = run_mt("check", *files, "--source", "ko", "--target", "en", "--encoding", "utf-16")
        assert (outcome.exit_code, outcome.stderr) == (0, "")
        assert "30  " in outcome.stdout
    write(Path("in.txt"), "ba be bi\n".encode("utf-16"))
    model = ("--model", str(trained_run))
    assert run_mt("translate", *model, "--input", "in.txt", "--encoding", "utf-16").stdout == "ba be bi\n"
    assert run_mt("translate", *model, "--encoding", "utf-16", stdin="ba be bi\n".encode("utf-16")).stdout == "ba be bi\n"
    outcome = run_mt("score", "in.txt", "in.txt", *model, "--encoding", "utf-16")
    assert outcome.exit_code == 0, outcome.stderr
    outcome = run_mt("translate", *model, "--input", "in.txt", "--encoding", "klingon")
    assert outcome.exit_code == 2
    assert "'klingon' is no encoding of texts" in outcome.stderr


# ── what is compared ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_vowel_signs_count_when_sentences_are_compared() -> None:
    for one, other in (("कि", "की"), ("ที่นี่", "ทีนี"), ("பல", "பாலா")):
        assert comparison_key(one) != comparison_key(other)
        assert keys([one, other])[0] != keys([one, other])[1]
        assert keys([one]) == [comparison_key(one)]
    assert comparison_key("Café!") == comparison_key("cafe\u0301") == comparison_key("CAFÉ")
    assert comparison_key("ok ✔\ufe0f") == comparison_key("OK ✔")


def test_leaks_are_found_among_any_number_of_pairs_and_a_limit_is_stated() -> None:
    train = [Corpus("a", [f"s{at}" for at in range(1000)], [f"t{at}" for at in range(1000)])]
    valid = Corpus("v", ["s5", "s7", "x", "s999"], ["t5", "other", "y", "t999"])
    assert leaks(train, [("valid", valid)])[0].startswith("v: 2 of 4 valid pairs also occur in training")
    limited = leaks(train, [("valid", valid)], most=500)
    assert limited[0].startswith("v: 1 of 4")
    assert limited[1].startswith("only the first 500 of 1,000 training pairs were compared")
    assert leaks(train, []) == []


def test_keeping_copies_keeps_one_that_has_something_to_mend(tmp_path: Path) -> None:
    rows = [f"문장 {at} 입니다.\tThis is sentence {at}.\n" for at in range(60)]
    path = write(tmp_path / "p.tsv", "".join([*rows, "ACME  Ltd. 5\tACME  Ltd. 5\n", "사과  &amp; 배 A\t사과 & 배 A\n"]))
    kept = ("--keep", "copy", "--keep", "script", "--keep", "untranslated")
    run_mt("check", str(path), "--source", "ko", "--target", "en", "--fix", str(tmp_path / "out"), *kept)
    [copy] = (tmp_path / "out").glob("train/**/*.jsonl")
    texts = [tuple(json.loads(line).values()) for line in copy.read_text(encoding="utf-8").splitlines()]
    assert ("ACME Ltd. 5", "ACME Ltd. 5") in texts
    assert len(texts) == 62
    run_mt("check", str(path), "--source", "ko", "--target", "en", "--fix", str(tmp_path / "two"), *kept[2:])
    [copy] = (tmp_path / "two").glob("train/**/*.jsonl")
    assert len(copy.read_text(encoding="utf-8").splitlines()) == 60


def test_init_compares_given_pairs_with_training(tmp_path: Path) -> None:
    from mt.data.demo import demo_pairs

    pairs = demo_pairs("train")[:400]
    for name, part in (("p.tsv", pairs), ("v.tsv", [*pairs[:3], *demo_pairs("valid")[:40]])):
        write(tmp_path / name, "".join(f"{korean}\t{english}\n" for korean, english in part))
    from mt.data.given_pairs import Asked
    from mt.init_command import Given, InitRequest

    request = InitRequest([tmp_path / "p.tsv"], Asked("ko", "en"), [tmp_path / "v.tsv"], (), None, 1.0, False)
    import contextlib
    import io

    with contextlib.redirect_stderr(io.StringIO()) as told:
        Given.read_from(request)
    assert "3 of 43 valid pairs also occur in training" in told.getvalue()
