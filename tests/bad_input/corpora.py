"""Corpora that cannot be trained on as they are."""

import gzip
import json

from tests.bad_input.kinds import ENGLISH, KOREAN, Place, kind

TABLE = "".join(f"{korean}\t{english}\n" for korean, english in zip(KOREAN[:120], ENGLISH[:120], strict=True))
G = "corpus"


@kind(G, "a file that is not there", "없는 파일", "train.koo: there is no such file", "train.ko")
def missing(place: Place) -> list[str]:
    place.config(source="train.koo")
    return place.training()


@kind(G, "a folder instead of a file", "파일 대신 폴더", "this is a folder", "texts")
def folder(place: Place) -> list[str]:
    (place.folder / "texts").mkdir()
    place.config(source="texts")
    return place.training()


@kind(G, "an empty file", "빈 파일", "train.en", "Fill the empty file")
def empty(place: Place) -> list[str]:
    place.write("train.en", "")
    return place.training()


@kind(G, "both files empty", "양쪽 다 빈 파일", "train.ko")
def both_empty(place: Place) -> list[str]:
    place.write("train.ko", "")
    place.write("train.en", "")
    return place.training()


@kind(G, "a line too few on one side", "한쪽에 한 줄이 모자람", "train.ko has 120 lines", "train.en has 119")
def unequal(place: Place) -> list[str]:
    place.lines("train.en", ENGLISH[:50] + ENGLISH[51:120])
    return place.training()


@kind(G, "empty lines too many at the end", "끝에 남는 빈 줄", "3 empty lines too many")
def trailing(place: Place) -> list[str]:
    place.lines("train.en", [*ENGLISH[:120], "", "", ""])
    return place.training()


@kind(G, "old Mac line ends", "옛 맥 줄바꿈", "carriage return")
def mac(place: Place) -> list[str]:
    place.write("train.en", "\r".join(ENGLISH[:120]))
    return place.training()


@kind(G, "nothing but empty lines", "빈 줄뿐인 말뭉치", "train.ko")
def only_empty(place: Place) -> list[str]:
    place.lines("train.ko", [""] * 30)
    place.lines("train.en", [""] * 30)
    return place.training()


@kind(G, "cp949 (Korean Windows)", "cp949 (한글 윈도우)", "cp949", "iconv")
def cp949(place: Place) -> list[str]:
    place.lines("train.ko", KOREAN[:120], "cp949")
    return place.training()


@kind(G, "UTF-16 with a byte order mark", "BOM이 있는 UTF-16", "utf-16", "iconv")
def utf16(place: Place) -> list[str]:
    place.lines("train.ko", KOREAN[:120], "utf-16")
    return place.training()


@kind(G, "UTF-16 without a mark", "BOM이 없는 UTF-16", "utf-16", "iconv")
def utf16_bare(place: Place) -> list[str]:
    place.lines("train.en", ENGLISH[:120], "utf-16-le")
    return place.training()


@kind(G, "Latin-1", "Latin-1", "train.en", "line 1", "iconv")
def latin1(place: Place) -> list[str]:
    place.lines("train.en", ["Déjà vu à l’école"[:8], *ENGLISH[1:120]], "latin-1")
    return place.training()


@kind(G, "a single broken byte", "깨진 바이트 하나", "train.ko", "line 3")
def broken_byte(place: Place) -> list[str]:
    lines = [line.encode() for line in KOREAN[:120]]
    lines[2] = lines[2][:4] + b"\xff" + lines[2][4:]
    place.write("train.ko", b"\n".join(lines) + b"\n")
    return place.training()


@kind(G, "an image by mistake", "실수로 준 그림 파일", "train.en")
def image(place: Place) -> list[str]:
    place.write("train.en", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20)
    return place.training()


@kind(G, "a gzip file cut short", "잘린 gzip 파일", "train.ko.gz", "gzip")
def cut_gzip(place: Place) -> list[str]:
    place.write("train.ko.gz", gzip.compress("".join(f"{line}\n" for line in KOREAN[:120]).encode())[:200])
    place.config(source="train.ko.gz")
    return place.training()


@kind(G, "plain text named .gz", ".gz라는 이름의 일반 텍스트", "train.ko.gz", "gzip")
def false_gzip(place: Place) -> list[str]:
    place.lines("train.ko.gz", KOREAN[:120])
    place.config(source="train.ko.gz")
    return place.training()


@kind(G, "a TSV row without a tab", "탭이 없는 TSV 줄", "pairs.tsv", "line 3")
def tsv_without_tab(place: Place) -> list[str]:
    rows = TABLE.splitlines(keepends=True)
    return place.table("pairs.tsv", "".join([*rows[:2], rows[2].replace("\t", " "), *rows[3:]]))


@kind(G, "a column that the table has not", "표에 없는 열", "pairs.tsv", "korean")
def no_column(place: Place) -> list[str]:
    return place.table("pairs.tsv", "ko\ten\n" + TABLE, "source_column: korean", "target_column: en")


@kind(G, "a CSV quote that is never closed", "닫히지 않은 CSV 따옴표", "pairs.csv", "line")
def open_quote(place: Place) -> list[str]:
    rows = [f"{korean},{english}\n" for korean, english in zip(KOREAN[:120], ENGLISH[:120], strict=True)]
    return place.table("pairs.csv", "".join(["ko,en\n", *rows[:9], '"' + rows[9], *rows[10:]]))


@kind(G, "a broken line of JSON", "깨진 JSON 줄", "pairs.jsonl", "line 5")
def broken_json(place: Place) -> list[str]:
    rows = [json.dumps({"ko": korean, "en": english}) for korean, english in zip(KOREAN[:120], ENGLISH[:120], strict=True)]
    rows[4] = rows[4][:-3]
    return place.table("pairs.jsonl", "\n".join(rows))


@kind(G, "JSON that is not pairs", "짝이 아닌 JSON", "pairs.json")
def wrong_json(place: Place) -> list[str]:
    return place.table("pairs.json", "[1, 2, 3]")


@kind(G, "lists where sentences are expected", "문장 자리에 목록", "pairs.jsonl", "line 1")
def lists(place: Place) -> list[str]:
    return place.table("pairs.jsonl", "".join(f'{{"ko": [{number}], "en": [{number}]}}\n' for number in range(50)))


@kind(G, "a damaged Parquet file", "손상된 Parquet 파일", "pairs.parquet")
def parquet(place: Place) -> list[str]:
    return place.table("pairs.parquet", b"PAR1" + b"\0" * 200)


@kind(G, "an ending that is not known", "모르는 확장자", "pairs.xlsx", ".tsv")
def ending(place: Place) -> list[str]:
    return place.table("pairs.xlsx", b"PK\3\4")


@kind(G, "every pair longer than the limit", "모두 한도보다 긴 짝", "train: 120 of 120 pairs", "data.max_length=2")
def all_long(place: Place) -> list[str]:
    return place.training("--set", "data.max_length=2")


@kind(G, "validation pairs that are not there", "없는 검증 짝", "valid.en: there is no such file")
def no_valid(place: Place) -> list[str]:
    (place.folder / "valid.en").unlink()
    return place.training()


@kind(G, "a vocabulary larger than the text gives", "글보다 큰 어휘", "vocab_size", "9000 asked", exit_code=0)
def vocabulary(place: Place) -> list[str]:
    return place.training("--set", "tokenizer.vocab_size=9000")


@kind(G, "no pairs given to init", "짝이 없는 init", "nothing.tsv: there is no such file")
def init_missing(place: Place) -> list[str]:
    return ["init", "nothing.tsv", "--source", "ko", "--target", "en"]


@kind(G, "three files given to init", "파일 셋을 준 init", "valid.ko", "one table of pairs", "two text files")
def init_three(place: Place) -> list[str]:
    return ["init", "train.ko", "train.en", "valid.ko"]
