"""Reading corpora: every format gives exactly the pairs that were written, and every mistake is told with its place."""

import gzip
import json
import logging
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from mt.config import CorpusConfig
from mt.data.corpus import Corpus, fingerprint, read_corpora, read_corpus, read_lines
from mt.data.encodings import decode_text, normalise
from mt.errors import DataError

KOREAN = ["안녕하세요.", '그는 "네"라고 말했다.', "오늘은 날씨가 좋습니다."]
ENGLISH = ["Hello.", 'He said "yes.', "The weather is nice today."]
ODD_CHARACTERS = "a\x0bb\x0cc\x1cd\x1de\x1ef\x85g\u2028h\u2029i"
"""All that Python's splitlines() takes for a line end and that is not one."""


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def text_corpus(folder: Path, source: str | bytes, target: str | bytes, **fields: object) -> CorpusConfig:
    write(folder / "a.ko", source)
    write(folder / "a.en", target)
    return CorpusConfig(source=str(folder / "a.ko"), target=str(folder / "a.en"), **fields)


def table_corpus(path: Path, content: str | bytes, **fields: object) -> CorpusConfig:
    return CorpusConfig(file=str(write(path, content)), **fields)


def read(corpus: CorpusConfig, **options: object) -> Corpus:
    return read_corpus(corpus, "train", "ko", "en", **options)


def refusal(corpus: CorpusConfig) -> str:
    with pytest.raises(DataError) as caught:
        read(corpus)
    return str(caught.value)


def lines(texts: list[str]) -> str:
    return "".join(f"{text}\n" for text in texts)


def tsv() -> str:
    return lines([f"{korean}\t{english}" for korean, english in zip(KOREAN, ENGLISH, strict=True)])


def csv() -> str:
    quoted = [[cell.replace('"', '""') for cell in pair] for pair in zip(KOREAN, ENGLISH, strict=True)]
    return "ko,en\r\n" + "".join(f'"{korean}","{english}"\r\n' for korean, english in quoted)


def json_lines() -> str:
    return lines([json.dumps({"id": i, "ko": k, "en": e}) for i, (k, e) in enumerate(zip(KOREAN, ENGLISH, strict=True))])


def json_array() -> str:
    return json.dumps([{"translation": {"en": e, "ko": k}} for k, e in zip(KOREAN, ENGLISH, strict=True)], indent=1)


# ── what is read is what was written ──────────────────────────────────────────────────────────────────────────────────


def test_parallel_files_give_their_lines_in_order(tmp_path: Path) -> None:
    corpus = read(text_corpus(tmp_path, lines(KOREAN), lines(ENGLISH), weight=2.0))
    assert (corpus.sources, corpus.targets, corpus.weight) == (KOREAN, ENGLISH, 2.0)
    assert corpus.origin == f"{tmp_path / 'a.ko'} + {tmp_path / 'a.en'}"
    assert corpus.name == f"{tmp_path.name}/a"
    assert [corpus.line_of(index) for index in range(len(corpus))] == [1, 2, 3]


@pytest.mark.parametrize(
    ("name", "content"),
    [("p.tsv", tsv), ("p.csv", csv), ("p.jsonl", json_lines), ("p.json", json_array), ("P.TSV", tsv), ("p.json", json_lines)],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_every_text_format_gives_the_same_pairs_also_compressed(
    tmp_path: Path, name: str, content: Callable[[], str], compressed: bool
) -> None:
    data = content().encode()
    path = tmp_path / (f"{name}.gz" if compressed else name)
    corpus = read(table_corpus(path, gzip.compress(data) if compressed else data))
    assert (corpus.sources, corpus.targets) == (KOREAN, ENGLISH)


@pytest.mark.parametrize("nested", [False, True])
def test_parquet_gives_the_same_pairs_whatever_characters_its_name_has(tmp_path: Path, nested: bool) -> None:
    import pyarrow
    import pyarrow.parquet

    rows = [{"ko": k, "en": e} for k, e in zip(KOREAN, ENGLISH, strict=True)]
    path = tmp_path / "p[1]*.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([{"translation": row} for row in rows] if nested else rows), path)
    corpus = read(CorpusConfig(file=str(path)))
    assert (corpus.sources, corpus.targets) == (KOREAN, ENGLISH)
    assert corpus.line_of(2) == 3


def test_a_parquet_file_that_has_changed_is_read_anew(tmp_path: Path) -> None:
    import os

    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "p.parquet"
    for word in ("가", "나"):
        pyarrow.parquet.write_table(pyarrow.table({"ko": [word], "en": ["x"]}), path)
        os.utime(path, (1, 1))
        assert read(CorpusConfig(file=str(path))).sources == [word]


def test_a_data_set_folder_is_read_like_one_from_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "pairs"
    folder.mkdir()
    write(folder / "train.jsonl", json_lines())
    corpus = read(CorpusConfig(dataset=str(folder), split="train[1:]"))
    assert (corpus.sources, corpus.targets) == (KOREAN[1:], ENGLISH[1:])


def test_a_missing_line_feed_at_the_end_makes_no_difference(tmp_path: Path) -> None:
    assert read(text_corpus(tmp_path, "가\n나\n", "a\nb")).targets == ["a", "b"]


def test_byte_order_marks_and_windows_line_ends_are_not_part_of_a_sentence(tmp_path: Path) -> None:
    corpus = read(text_corpus(tmp_path, "\ufeff가\r\n나\r\n", "a\r\nb\r\n"))
    assert (corpus.sources, corpus.targets) == (["가", "나"], ["a", "b"])
    table = read(table_corpus(tmp_path / "p.tsv", "\ufeffen\tko\r\na\t가\r\n"))
    assert (table.sources, table.targets) == (["가"], ["a"])


def test_only_a_line_feed_ends_a_line_in_text_tsv_and_csv(tmp_path: Path) -> None:
    content = f"{ODD_CHARACTERS}x\r\r\n둘\n"
    assert read_lines(write(tmp_path / "a.ko", content)) == [f"{ODD_CHARACTERS}x", "둘"]
    table = read(table_corpus(tmp_path / "p.tsv", f"{ODD_CHARACTERS}\ta\r\n둘\tc\r\r\n"))
    assert (table.sources, table.targets) == ([ODD_CHARACTERS, "둘"], ["a", "c"])
    table = read(table_corpus(tmp_path / "p.csv", f"ko,en\n{ODD_CHARACTERS},a\n둘,c\n"))
    assert table.sources == [ODD_CHARACTERS, "둘"]
    table = read(table_corpus(tmp_path / "p.jsonl", '{"ko": "x\u2028\x85y", "en": "a"}\n'))
    assert table.sources == ["x\u2028\x85y"]


def test_decomposed_korean_is_composed_and_the_number_of_lines_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="mt"):
        corpus = read(text_corpus(tmp_path, unicodedata.normalize("NFD", lines(KOREAN)), lines(ENGLISH)))
    assert corpus.sources == KOREAN
    assert caplog.messages == [
        f"{tmp_path / 'a.ko'}: 3 of 3 lines were not in Unicode NFC (decomposed Korean, as from macOS) and have been composed."
    ]
    escaped = json.dumps({"ko": unicodedata.normalize("NFD", "한국"), "en": "Korea"})
    assert read(table_corpus(tmp_path / "p.jsonl", escaped)).sources == ["한국"]


def test_normalise_drops_line_ends_and_nothing_else() -> None:
    assert normalise(" \t가\u00a0나\u200b \r\n") == " \t가\u00a0나\u200b "


def test_a_lone_quotation_mark_in_tsv_swallows_nothing(tmp_path: Path) -> None:
    corpus = read(table_corpus(tmp_path / "p.tsv", '"가\t"a\n나"\tb\n"다"\t"c"\n'))
    assert (corpus.sources, corpus.targets) == (['"가', '나"', '"다"'], ['"a', "b", '"c"'])


def test_texts_that_look_like_numbers_dates_or_nothing_stay_as_they_are(tmp_path: Path) -> None:
    odd = ["NA", "null", "007", "1.50", "2020-01-01", "True", "None", "nan"]
    for name, content in {
        "p.tsv": lines([f"{text}\t{text}" for text in odd]),
        "p.csv": "ko,en\n" + lines([f"{text},{text}" for text in odd]),
        "p.jsonl": lines([json.dumps({"ko": text, "en": text}) for text in odd]),
        "q.jsonl": lines([json.dumps({"ko": "2020-01-01", "en": "2021-01-01"})] * 8),
    }.items():
        corpus = read(table_corpus(tmp_path / name, content))
        assert corpus.sources == (odd if name[0] == "p" else ["2020-01-01"] * 8)


def test_a_line_break_inside_a_cell_becomes_a_space_and_line_numbers_stay_true(tmp_path: Path) -> None:
    corpus = read(table_corpus(tmp_path / "p.csv", 'ko,en\n"가\n나\n","a\r\nb"\n다,c\n'))
    assert (corpus.sources, corpus.targets) == (["가 나", "다"], ["a b", "c"])
    assert [corpus.line_of(0), corpus.line_of(1)] == [2, 6]


def test_numbers_are_written_out_and_null_is_an_empty_side(tmp_path: Path) -> None:
    content = '{"ko": 5, "en": "five"}\n\n{"ko": "넷", "en": null}\n{"ko": "셋"}\n'
    corpus = table_corpus(tmp_path / "p.jsonl", content)
    assert read(corpus, allow_empty_sides=True).sources == ["5", "넷", "셋"]
    assert read(corpus, allow_empty_sides=True).targets == ["five", "", ""]
    assert "2 pairs of 3 with an empty side (source 0, target 2): lines 3, 4." in refusal(corpus)


# ── columns ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("header", ["en\tid\tko", "target\tid\tsource"])
def test_a_tsv_header_is_recognised_by_its_names(tmp_path: Path, header: str) -> None:
    corpus = read(table_corpus(tmp_path / "p.tsv", f"{header}\na\t7\t가\n"))
    assert (corpus.sources, corpus.targets, corpus.line_of(0)) == (["가"], ["a"], 2)


def test_a_tsv_without_header_gives_its_first_two_columns_or_the_numbered_ones(tmp_path: Path) -> None:
    corpus = read(table_corpus(tmp_path / "q.tsv", "가\ta\n나\tb\n"))
    assert (corpus.sources, corpus.targets) == (["가", "나"], ["a", "b"])
    content = "1\t가\t2\ta\n3\t나\t4\tb\n"
    corpus = read(table_corpus(tmp_path / "p.tsv", content, source_column="2", target_column="4"))
    assert (corpus.sources, corpus.targets, corpus.line_of(0)) == (["가", "나"], ["a", "b"], 1)


def test_a_first_pair_that_is_one_and_two_is_not_a_header(tmp_path: Path) -> None:
    assert read(table_corpus(tmp_path / "p.tsv", "1\t2\n3\t4\n")).sources == ["1", "3"]


@pytest.mark.parametrize(("name", "separator"), [("p.tsv", "\t"), ("p.csv", ",")])
def test_configured_columns_are_taken_by_name(tmp_path: Path, name: str, separator: str) -> None:
    content = f"ko{separator}en{separator}formal\n가{separator}a{separator}A\n"
    corpus = read(table_corpus(tmp_path / name, content, target_column="formal"))
    assert (corpus.sources, corpus.targets) == (["가"], ["A"])


def test_a_missing_column_is_told_with_the_columns_there_are_nearest_first(tmp_path: Path) -> None:
    corpus = table_corpus(tmp_path / "p.csv", "id,en,ko_text\n1,a,가\n", source_column="text_ko")
    assert refusal(corpus).startswith(
        f"data.train[0].file: {tmp_path / 'p.csv'}: there is no column 'text_ko'. The columns are 'ko_text', "
    )
    corpus = table_corpus(tmp_path / "p.tsv", "가\ta\n", source_column="korean")
    assert "In a TSV file without a header, columns are called by their number: '1', '2'." in refusal(corpus)


def test_unknown_columns_ask_for_the_two_to_take(tmp_path: Path) -> None:
    message = refusal(table_corpus(tmp_path / "p.csv", "mine,yours\n가,a\n"))
    assert "there are no 'ko' and 'en'. Set source_column and target_column" in message
    assert message.endswith("to two of 'mine', 'yours'.")


def test_one_column_for_both_sides_is_refused(tmp_path: Path) -> None:
    message = refusal(table_corpus(tmp_path / "p.csv", "ko,en\n가,a\n", source_column="en", target_column="en"))
    assert "source_column and target_column are both 'en'" in message


# ── what is refused ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("encoding", ["cp949", "euc-kr"])
def test_korean_windows_text_is_recognised_and_the_conversion_given(tmp_path: Path, encoding: str) -> None:
    corpus = text_corpus(tmp_path, lines(KOREAN).encode(encoding), lines(ENGLISH))
    path = tmp_path / "a.ko"
    assert refusal(corpus) == (
        f"data.train[0].source: {path}: not UTF-8: looks like cp949 (Korean Windows, a superset of EUC-KR). "
        "Add --encoding cp949 (in a configuration `encoding: cp949`), "
        f"or convert it with: iconv -f cp949 -t utf-8 {path} > {tmp_path / 'a.utf8.ko'}"
    )


def test_compressed_korean_windows_text_is_converted_through_gunzip(tmp_path: Path) -> None:
    path = write(tmp_path / "p.tsv.gz", gzip.compress(tsv().encode("cp949")))
    message = refusal(CorpusConfig(file=str(path)))
    assert message.endswith(f"gunzip -c {path} | iconv -f cp949 -t utf-8 > {tmp_path / 'p.utf8.tsv'}")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", [lines(KOREAN), lines(ENGLISH), "가\n", "a\n"])
def test_wide_encodings_are_named_without_a_byte_order_mark(encoding: str, text: str) -> None:
    with pytest.raises(DataError, match=f"not UTF-8: looks like {encoding} .*iconv -f {encoding} -t utf-8"):
        decode_text(text.encode(encoding), "a.ko")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("order", ["le", "be"])
def test_wide_encodings_are_named_by_their_byte_order_mark(encoding: str, order: str) -> None:
    data = ("\ufeff" + lines(KOREAN)).encode(f"{encoding}-{order}")
    with pytest.raises(DataError, match=f"looks like {encoding} .it begins with that byte order mark"):
        decode_text(data, "a.ko")


@pytest.mark.parametrize("rest", [lines(KOREAN), lines(ENGLISH), ""])
def test_any_other_wrong_byte_is_told_with_its_line(rest: str) -> None:
    data = rest.encode() + "하나\n둘\n".encode() + b"caf\xe9 au lait\n" + rest.encode()
    with pytest.raises(DataError, match=f"^a.ko: not UTF-8: byte 0xe9 at line {rest.count(chr(10)) + 3}. Repair"):
        decode_text(data, "a.ko")


@pytest.mark.parametrize(("text", "line"), [("가\n나\0다\n", 2), ("hello \0world\nand more\n", 1), ("a\nb\0", 2)])
def test_a_nul_byte_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(DataError, match=f"a.ko: line {line} holds a NUL byte"):
        decode_text(text.encode(), "a.ko")


def test_files_that_are_no_text_at_all_are_named() -> None:
    with pytest.raises(DataError, match="this is a gzip file. Add `.gz` to its name"):
        decode_text(gzip.compress(b"a"), "a.ko")
    with pytest.raises(DataError, match="ZIP archive or an Excel file"):
        decode_text(b"PK\x03\x04rest", "a.csv")


@pytest.mark.parametrize("data", [b"plain text", gzip.compress(b"many words " * 50, mtime=0)[:-9], gzip.compress(b"a" * 99, mtime=0)[:12]])
def test_a_damaged_gzip_file_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DataError, match=r"a.ko.gz: this gzip file is damaged, cut short or not gzip at all"):
        read_lines(write(tmp_path / "a.ko.gz", data))


def test_unequal_numbers_of_lines_are_told_with_both_files(tmp_path: Path) -> None:
    message = refusal(text_corpus(tmp_path, "가\n나\n", "a\nb\nc\n"))
    assert message.startswith(f"data.train[0]: {tmp_path / 'a.ko'} has 2 lines, but {tmp_path / 'a.en'} has 3. ")
    assert "look for a sentence broken in two or a lost line" in message


@pytest.mark.parametrize(
    ("source", "target", "hint"),
    [
        ("가\n나\n", "a\nb\n\n", "a.en ends with 1 empty line too many: delete what is too much."),
        ("가\n나\n\n \n", "a\nb\n", "a.ko ends with 2 empty lines too many: delete what is too much."),
        ("가\n나\n", "a\n\nb\n", "a.en has as many empty lines as it is longer (line 2): delete them."),
        ("가\r나\r다", "a\nb\nc\n", "a.ko: line 1 has a carriage return (\\r) inside, perhaps old Mac line ends."),
        ("", "a\n", "a.en has 1. Fill the empty file, or correct its name."),
    ],
)
def test_the_likely_reason_of_unequal_numbers_is_given(tmp_path: Path, source: str, target: str, hint: str) -> None:
    assert hint in refusal(text_corpus(tmp_path, source, target))


def test_empty_sides_are_counted_and_the_first_five_lines_listed(tmp_path: Path) -> None:
    message = refusal(text_corpus(tmp_path, "가\n\n" * 7, "a\n" * 13 + " \u3000\n"))
    assert message.endswith(
        "7 pairs of 14 with an empty side (source 7, target 1): lines 2, 4, 6, 8, 10, …. Remove every such line from both files."
    )


def test_empty_sides_pass_where_they_are_allowed(tmp_path: Path) -> None:
    corpus = text_corpus(tmp_path, "가\n\n", "a\nb\n")
    assert read_corpora([corpus], "valid", "ko", "en", allow_empty_sides=True)[0].sources == ["가", ""]


@pytest.mark.parametrize("name", ["p.tsv", "p.csv", "p.jsonl", "p.json"])
def test_an_empty_table_is_refused(tmp_path: Path, name: str) -> None:
    assert refusal(table_corpus(tmp_path / name, "")).endswith(f"{name}: the file is empty.")


def test_a_corpus_without_a_pair_is_refused(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    assert refusal(text_corpus(tmp_path, "", "")).endswith("there is not a single pair in it; give a file that has some.")
    assert refusal(table_corpus(tmp_path / "p.csv", "ko,en\n")).endswith("there is not a single pair in it; give a file that has some.")
    pyarrow.parquet.write_table(pyarrow.table({"ko": pyarrow.array([], pyarrow.string())}), tmp_path / "p.parquet")
    assert refusal(CorpusConfig(file=str(tmp_path / "p.parquet"))).endswith("p.parquet: the file is empty.")


def test_a_missing_file_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    write(tmp_path / "train.ko", "가\n")
    corpus = CorpusConfig(source=str(tmp_path / "trian.ko"), target=str(tmp_path / "nowhere" / "train.en"))
    assert refusal(corpus).splitlines() == [
        f"data.train[0].source: {tmp_path / 'trian.ko'}: there is no such file. The nearest name in that folder is train.ko.",
        f"data.train[0].target: {tmp_path / 'nowhere' / 'train.en'}: there is no such file. "
        f"Its folder {tmp_path / 'nowhere'} does not exist either (the current folder is {Path.cwd()}).",
    ]
    for name in ("p.tsv", "p.parquet"):
        message = refusal(CorpusConfig(file=str(tmp_path / name)))
        assert "there is no such file. No file in" in message
    with pytest.raises(DataError, match="a part of the path is a file and not a folder"):
        read_lines(tmp_path / "train.ko" / "train.ko")


@pytest.mark.parametrize("name", ["folder.tsv", "folder.parquet"])
def test_a_folder_is_not_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert refusal(CorpusConfig(file=str(tmp_path / name))).endswith(f"{name}: this is a folder. Give the name of a file in it.")


def test_a_file_without_permission_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # file modes do not stop a test that runs as root
    with pytest.raises(DataError, match="a.ko: no permission to read this file. Try: chmod u\\+r a.ko"):
        read_lines(Path("a.ko"))


def test_the_same_file_for_both_sides_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ko", lines(KOREAN))
    (tmp_path / "link.en").symlink_to(path)
    message = refusal(CorpusConfig(source=str(path), target=str(tmp_path / "link.en")))
    assert message == f"data.train[0]: source and target are the same file, {path}. Give each side its own."


@pytest.mark.parametrize("name", ["p.tsv", "p.csv"])
def test_rows_with_another_number_of_cells_are_refused_with_their_lines(tmp_path: Path, name: str) -> None:
    separator = "\t" if name == "p.tsv" else ","
    rows = [["ko", "en"], ["가", "a", "b"], ["나", "b"], ["다"]]
    message = refusal(table_corpus(tmp_path / name, lines([separator.join(row) for row in rows])))
    assert "the first row has 2 columns, unlike line 2 (3), line 4 (1)." in message


def test_broken_tables_are_refused_with_their_line(tmp_path: Path) -> None:
    assert "line 1 has no tab" in refusal(table_corpus(tmp_path / "p.tsv", "가,a\n"))
    assert "the header names the column 'ko' twice" in refusal(table_corpus(tmp_path / "p.csv", "ko,ko\n가,a\n"))
    message = refusal(table_corpus(tmp_path / "q.csv", 'ko,en\n가,a\n"나,b\n다,c\n'))
    assert "q.csv: line 3: a quoted cell that begins here does not end." in message
    assert "line 2: this is not JSON: Expecting value (column 8)" in refusal(table_corpus(tmp_path / "p.jsonl", '{}\n{"ko": }\n'))
    assert "line 2: this is not an object" in refusal(table_corpus(tmp_path / "q.jsonl", '{"ko": "가"}\n5\n'))
    assert "line 3: this is not JSON" in refusal(table_corpus(tmp_path / "p.json", '[\n{"ko": "가"},\n}\n]'))
    assert "cannot be read as Parquet" in refusal(table_corpus(tmp_path / "p.parquet", "PAR1 and then nonsense"))


def test_cells_that_are_no_text_are_refused_with_their_line(tmp_path: Path) -> None:
    message = refusal(table_corpus(tmp_path / "p.jsonl", '{"ko": "가", "en": "a"}\n{"ko": ["나"], "en": "b"}\n'))
    assert "line 2: column 'ko' holds a list, not a text" in message
    for escape, code in (("\\ud83d", "U+D83D"), ("\\u0000", "U+0000")):
        message = refusal(table_corpus(tmp_path / "p.jsonl", f'{{"ko": "가{escape}", "en": "a"}}\n'))
        assert f"line 1: column 'ko' holds {code}, which is a NUL or half a character." in message


def test_the_hub_without_a_connection_is_told_with_the_name_of_the_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    message = refusal(CorpusConfig(dataset="nobody/there-is-no-such-data-set", split="train"))
    assert message.startswith(
        "data.train[0].dataset: the data set 'nobody/there-is-no-such-data-set' (subset default, split train) cannot be loaded: "
    )
    assert "Check its name on huggingface.co/datasets" in message


def test_all_problems_of_all_corpora_are_told_at_once(tmp_path: Path) -> None:
    good = table_corpus(tmp_path / "good.tsv", tsv())
    broken = [CorpusConfig(file=str(tmp_path / "no.tsv")), good, table_corpus(tmp_path / "empty.csv", "")]
    with pytest.raises(DataError) as caught:
        read_corpora(broken, "valid", "ko", "en")
    first, second = str(caught.value).splitlines()
    assert first.startswith("data.valid[0].file: ")
    assert second.startswith("data.valid[2].file: ")


# ── built-in corpora, fingerprints ────────────────────────────────────────────────────────────────────────────────────


def test_the_demo_corpus_is_read_in_either_direction_and_refused_for_other_languages() -> None:
    demo = CorpusConfig(builtin="demo")
    forward, backward = read_corpus(demo, "valid", "ko", "en"), read_corpus(demo, "valid", "en", "ko")
    assert (forward.sources, forward.targets) == (backward.targets, backward.sources)
    assert any("가" <= character <= "힣" for character in forward.sources[0])
    with pytest.raises(DataError, match="demo is Korean and English, but the configuration asks for de and en"):
        read_corpus(demo, "valid", "de", "en")


def test_a_toy_corpus_has_no_language() -> None:
    corpus = read_corpus(CorpusConfig(builtin="reverse"), "test", "xx", "yy")
    assert (len(corpus), corpus.name) == (100, "reverse")


def test_a_fingerprint_changes_with_every_text_its_order_and_its_weight_and_with_nothing_else() -> None:
    base = Corpus("a", ["x", "y"], ["1", "2"])
    same = Corpus("b", ["x", "y"], ["1", "2"], 1.0, "elsewhere", [5, 6])
    others = [
        [Corpus("a", ["y", "x"], ["2", "1"])],
        [Corpus("a", ["x", "y"], ["1", "3"])],
        [Corpus("a", ["x", "y"], ["1", "2"], 2.0)],
        [Corpus("a", ["1", "2"], ["x", "y"])],
        [Corpus("a", ["x"], ["1"]), Corpus("a", ["y"], ["2"])],
        [base, base],
        [],
    ]
    assert fingerprint([base]) == fingerprint([same])
    assert len({fingerprint(corpora) for corpora in [[base], *others]}) == len(others) + 1
