"""The report names what a person should look at, and little else."""

import csv
import re
from pathlib import Path

import pytest

from mt.documents.fit import Translated
from mt.documents.parts import Part
from mt.documents.report import REASONS, Report, flags, is_copy, missing_numbers, repeats
from tests.command_line import run_mt


@pytest.mark.parametrize(
    ("source", "result", "expected"),
    [
        ("나는 어제 학교에 갔다.", Translated("I went to school yesterday."), []),
        ("네.", Translated("Yes, of course, I think so."), []),
        ("사과 3개를 샀다.", Translated("I bought three apples."), []),
        ("사과 30개를 샀다.", Translated("I bought apples."), ["numbers"]),
        ("1,234원과 3.5점", Translated("1.234 won and 3.5 points"), []),
        ("2024년 2024명", Translated("2024 people"), ["numbers"]),
        ("나는 어제 학교에 갔다.", Translated("I went to school", finished=False), ["cut"]),
        ("나는 어제 학교에 갔다.", Translated("  "), ["empty"]),
        ("나는 어제 학교에 갔다.", Translated("to the to the to the to the school."), ["repetition"]),
        ("하하하하하하 웃었다.", Translated("hahahahahaha, they laughed"), []),
        ("나는 어제 학교에 갔다.", Translated("나는 어제 학교에 갔다."), ["copy"]),
        ("NASA", Translated("NASA"), ["copy"]),
        ("어제 아침에 친구와 함께 학교에 가서 오랫동안 공부를 하고 저녁에 돌아왔다.", Translated("Yes."), ["length"]),
        ("네.", Translated("I do not know at all what you could possibly mean by that question, my dear old friend of mine."), ["length"]),
        ("나는 " + "x" * 50 + " 갔다", Translated("I went " + "x" * 50 + " there", kept=1, markup="in segments"), ["kept", "markup"]),
        ("123", Translated("123"), []),
    ],
)
def test_flags(source: str, result: Translated, expected: list[str]) -> None:
    assert flags(source, result, same_language=False) == expected
    assert set(expected) <= set(REASONS)


def test_a_copy_is_right_within_a_language() -> None:
    assert flags("the same words", Translated("the same words"), same_language=True) == []
    assert is_copy("install python modules with setuptools", "Install python modules with setuptools!")
    assert not is_copy("함수 print 를 쓴다", "use the function print")


def test_numbers_and_repetitions() -> None:
    assert missing_numbers("1 2 3 3", "3 two") == ["1", "3"]
    assert missing_numbers("١٢ and 12,000", "12 and 12000") == []
    assert [repeats(text) for text in ("", "a", "a a", "a b a b a b", "가나" * 7, "one two three")] == [1, 1, 1, 3, 7, 1]


def test_the_file_lists_them_with_their_lines_and_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "r.tsv"
    with Report(path, False) as report:
        report.add(Part(text="나는 어제\n갔다", line=3), Translated("나는 어제\n갔다"))
        report.add(Part(text="나는 간다", line=4), Translated("I go"))
        assert not path.exists()
        assert report.finish() == f"note: 1 of 2 translations may need a look (1 copy); they are in {path}"
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    assert rows == [["line", "flags", "source", "translation"], ["3", "copy", "나는 어제 갔다", "나는 어제 갔다"]]
    with pytest.raises(KeyboardInterrupt), Report(path, False) as report:
        report.add(Part(text="가", line=1), Translated("가"))
        raise KeyboardInterrupt
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2 and [entry.name for entry in path.parent.iterdir()] == ["r.tsv"]
    with Report(None, False) as report:
        report.add(Part(text="나는 간다", line=4), Translated("I go"))
        assert report.finish() == ""


def test_the_command_writes_a_report_and_a_summary(trained_run: Path) -> None:
    Path("in.txt").write_text("ba be bi\n\nda mu 12 ki\n", encoding="utf-8")
    outcome = run_mt("translate", "--model", str(trained_run), "-i", "in.txt", "-o", "out.txt", "--report", "r.tsv")
    assert outcome.exit_code == 0, outcome.stderr
    note, last = outcome.stderr.splitlines()
    assert note == "note: 1 of 2 translations may need a look (1 numbers); they are in r.tsv"
    assert re.fullmatch(r"out\.txt: 2 units translated, 1 flagged; \d+\.\d s", last)
    assert Path("r.tsv").read_text(encoding="utf-8").splitlines()[1].startswith("3\tnumbers\tda mu 12 ki\t")
    streamed = run_mt("translate", "--model", str(trained_run), "-i", "in.txt")
    assert streamed.stdout == Path("out.txt").read_text(encoding="utf-8") and "--report FILE lists them" in streamed.stderr
