"""`mt translate --input`: what is written is the document that was read, with its text translated."""

import gzip
import os
import random
import shutil
import threading
import unicodedata
from pathlib import Path

import pytest

from mt.documents.document import Document
from mt.documents.fit import FittingTranslator
from mt.documents.kinds import FORMATS
from mt.documents.parts import Source
from mt.translation import Translation
from tests.command_line import run_mt
from tests.documents.rewriting import rewritten


def translated(run: Path, *arguments: str, stdin: bytes | None = None) -> str:
    outcome = run_mt("translate", "--model", str(run), *arguments, stdin=stdin)
    assert outcome.exit_code == 0, outcome.stderr
    return outcome.stderr


@pytest.mark.parametrize("data", [b"", b"\n", b"a", b"a\r\n", b"a\r\n\r\nb", b"\xef\xbb\xbfa\n", b"\xef\xbb\xbf", b" \n\t\nxy\r\r\nz\r\n"])
def test_text_comes_back_byte_for_byte(data: bytes, tmp_path: Path) -> None:
    assert rewritten(data, "text") == data
    (tmp_path / "in.txt").write_bytes(data)
    parts = Document(Source(tmp_path / "in.txt"), "text", "ko").parts()
    assert "".join(part.written(part.text) for part in parts).encode("utf-8") == data


def test_lines_keep_their_numbers_ends_and_emptiness() -> None:
    draw = random.Random(1)
    for _ in range(300):
        lines = [draw.choice(["", "  ", "말 ", "word one", "x\u2028y"]) + draw.choice(["\n", "\r\n"]) for _ in range(draw.randrange(9))]
        data = ("".join(lines) + draw.choice(["", "last"])).encode("utf-8")
        assert rewritten(data, "text") == data
        text, changed = data.decode("utf-8"), rewritten(data, "text", lambda text: "T").decode("utf-8")
        assert changed.count("\n") == data.count(b"\n") and changed.count("\r\n") == data.count(b"\r\n")
        empty, empty_too = ([not line.strip() for line in one.split("\n")] for one in (text, changed))
        assert empty == empty_too


def test_decomposed_korean_is_translated_composed() -> None:
    asked = []
    rewritten(unicodedata.normalize("NFD", "나는 간다\n").encode("utf-8"), "text", lambda text: asked.append(text) or text)
    assert asked == ["나는 간다"]


def test_a_file_has_the_translations_of_its_lines_and_its_own_line_ends(trained_run: Path) -> None:
    Path("in.txt").write_bytes(b"\xef\xbb\xbfba be bi\r\n\r\nda mu ki\nbo bu mi")
    translated(trained_run, "--input", "in.txt", "--output", "folder/out.txt")
    assert Path("folder/out.txt").read_bytes() == b"\xef\xbb\xbfba be bi\r\n\r\nda mu ki\nbo bu mi"
    assert sorted(path.name for path in Path("folder").iterdir()) == ["out.txt"]
    Path("odd.txt").write_bytes(b"mu ki da di\nbu bu bu bu bu bu bu bu\n")
    alone = run_mt("translate", "--model", str(trained_run), stdin=Path("odd.txt").read_bytes()).stdout
    assert run_mt("translate", "--model", str(trained_run), "--input", "odd.txt").stdout == alone


def test_a_line_that_is_too_long_for_the_model_is_translated_in_pieces(trained_run: Path) -> None:
    long = " ".join(["ba be bi bo bu"] * 200)
    address = "ba" * 1000
    Path("in.txt").write_text(f"{long}\n\nda mu {address} ki\n", encoding="utf-8")
    told = translated(trained_run, "--input", "in.txt", "--output", "out.txt")
    first, second, third = Path("out.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    assert second == "" and len(first.split()) > 30 and f" {address} " in third
    assert "1 kept" in told and "--report" in told
    outcome = run_mt("translate", "--model", str(trained_run), "--scores", f"da mu {address} ki")
    assert address in outcome.stdout and "line 1: a part longer than 256 tokens" in outcome.stderr
    whole = run_mt("translate", "--model", str(trained_run), "--prefix", "ba", long)
    assert "line 1: longer than 256 tokens" in whole.stderr and "--prefix" in whole.stderr


def test_lines_are_cut_at_every_sentence_when_asked() -> None:
    document = Document(Source(Path("x"), "  가다. 나.\n다\n".encode()), "text", "ko", sentences=True)
    parts = list(document.parts())
    asked: list[str] = []

    def search(lines, progress):
        asked.extend(lines)
        return [Translation(line, 0.0, 0.0, True) for line in lines]

    translator = FittingTranslator(search, lambda lines: [1] * len(lines), 9, "en")
    found = translator.parts([part for part in parts if part.text], lambda count: None)
    assert [result.text for result in found] == ["  가다. 나.", "다"] and asked == ["가다.", "나.", "다"]


REFUSED = {
    "an unknown format": (["--input", "a.txt", "--format", "word"], "'word' is none of text, tsv"),
    "an ending whose structure would be lost": (["--input", "a.docx"], "'.docx' (a document) is not a format"),
    "a column of text": (["--input", "a.txt", "--column", "ko"], "text has no columns"),
    "n-best of a table": (["--input", "a.csv", "--nbest", "2", "--method", "beam", "--beam", "2"], "--nbest is of single lines"),
    "scores with a report": (["--input", "a.txt", "--scores", "--report", "r.tsv"], "--scores is of single lines, and --report"),
    "a report of arguments": (["--report", "r.tsv", "ba"], "--report is of a file"),
    "standard input without a format": (["--input", "-", "--column", "ko"], "say what it is with --format"),
    "the input as the output": (["--input", "a.txt", "--output", "a.txt"], "--input and --output are the same file, a.txt"),
    "one file twice": (["--input", "a.txt", "--output", "b", "--report", "./b"], "--output and --report are the same file, b"),
    "a compressed output": (["--input", "a.txt", "--output", "b.gz"], "not compressed"),
    "cp949": (["--input", "cp949.txt"], "looks like cp949"),
    "UTF-16": (["--input", "utf16.txt"], "looks like utf-16"),
    "a report that cannot be": (["--input", "a.txt", "--report", "a.txt/r"], "cannot be written"),
    "a file that is not there": (["--input", "b.txt"], "there is no such file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_told_in_one_line_and_nothing_is_written(case: str, trained_run: Path) -> None:
    arguments, message = REFUSED[case]
    for name in ("a.txt", "a.docx", "a.csv"):
        Path(name).write_text("ba\n", encoding="utf-8")
    Path("cp949.txt").write_bytes("나는 어제 학교에 갔다\n".encode("cp949"))
    Path("utf16.txt").write_bytes("나는 어제 학교에 갔다\n".encode("utf-16"))
    before = sorted(Path().rglob("*"))
    outcome = run_mt("translate", "--model", str(trained_run), *arguments)
    assert (outcome.exit_code, outcome.stdout) == (2, "") and message in outcome.stderr and outcome.stderr.count("\n") == 1
    assert sorted(Path().rglob("*")) == before
    assert len(FORMATS) == 7


def test_standard_input_is_a_document_when_its_format_is_named(trained_run: Path) -> None:
    outcome = run_mt("translate", "--model", str(trained_run), "--input", "-", "--format", "text", stdin=b"ba be bi\r\nda mu ki")
    assert (outcome.exit_code, outcome.stdout) == (0, "ba be bi\r\nda mu ki"), outcome.stderr


def test_a_pipe_and_a_compressed_file_are_read_too(trained_run: Path) -> None:
    os.mkfifo("pipe.txt")
    writer = threading.Thread(target=lambda: Path("pipe.txt").write_bytes(b"ba be bi\r\nda mu ki"))
    writer.start()
    translated(trained_run, "--input", "pipe.txt", "--output", "out.txt")
    writer.join()
    assert Path("out.txt").read_bytes() == b"ba be bi\r\nda mu ki"
    Path("in.csv.gz").write_bytes(gzip.compress(b"\xef\xbb\xbfid,en\n1,ba be bi\n"))
    translated(trained_run, "--input", "in.csv.gz", "--output", "out.csv")
    assert Path("out.csv").read_bytes() == b"\xef\xbb\xbfid,en\n1,ba be bi\n"


def test_ensembles_and_minimum_bayes_risk_translate_documents_as_they_translate_lines(trained_run: Path, tmp_path: Path) -> None:
    shutil.copytree(trained_run, tmp_path / "other")
    Path("in.md").write_text("# ba be bi\n\nda mu ki\n", encoding="utf-8")
    translated(trained_run, "--model", str(tmp_path / "other"), "--mbr", "3", "--input", "in.md", "--output", "out.md")
    assert Path("out.md").read_text(encoding="utf-8") == "# ba be bi\n\nda mu ki\n"


def test_an_export_translates_documents_too(trained_run: Path, tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2", reason="the `export` extra is not installed; `make test` installs it")
    exported = run_mt("export", str(trained_run), "--output", str(tmp_path / "exported"), "--lines", "5")
    assert exported.exit_code == 0, exported.stderr
    Path("in.txt").write_bytes(b"ba be bi\r\n\r\nda mu")
    translated(tmp_path / "exported", "--input", "in.txt", "--output", "out.txt")
    assert Path("out.txt").read_bytes() == b"ba be bi\r\n\r\nda mu"
    translated(tmp_path / "exported", "--input", "in.txt", "--output", "/dev/null")


@pytest.mark.parametrize(
    ("format", "content"),
    [
        ("markdown", "[" + "![](x)" * 300 + "\n"),
        ("markdown", "[a](" * 300 + "\n"),
        ("markdown", "[" + "\\[`" * 300 + "\n"),
        ("srt", "1\n00:00:01,000 --> 00:00:02,000\na " + "♪" * 3000 + "x\n\n"),
        ("srt", "1\n00:00:01,000 --> 00:00:02,000\n" + "- " * 3000 + "x\n\n"),
    ],
    ids=["images", "links", "escapes", "notes", "dashes"],
)
def test_what_nothing_closes_is_read_in_no_more_ways_than_one(format: str, content: str) -> None:
    """Each took longer than anyone waits, or might have: a pattern that reads a character in two ways doubles its time with every one."""
    assert rewritten(content.encode(), format) == content.encode()
