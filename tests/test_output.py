r"""What leaves the program can be shown anywhere: no encoding makes it fail, no control character reaches the terminal, no word breaks."""

import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mt
from mt.output import Screen, put_lines, screen_width, terminal_width
from mt.text_table import display_width, fold, fold_line, text_table
from mt.visible import showable, visible
from tests.command_line import run_mt

SHOWN = [
    ("\x1b[31m", r"\x1b[31m"), ("a\rb", r"a\rb"), ("\x07", r"\x07"), ("\x9b2J", r"\x9b2J"), ("\u202eabc", r"\u202eabc"),
    ("\ufeffa", r"\ufeffa"), ("\udcff", r"\xff"), ("\ud800", r"\ud800"), ("\0", r"\0"), ("가\u200b나", r"가\u200b나"),
    ("a\nb\tc", "a\nb\tc"),
    ("\u200d", "\u200d"), ("한국어", "한국어"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), SHOWN, ids=[ascii(text) for text, _ in SHOWN])
def test_control_characters_are_written_out(text: str, expected: str) -> None:
    assert visible(text) == expected


@given(st.text(st.characters()), st.sampled_from(["cp949", "latin-1", "ascii", "utf-8", "cp1252", None]))
def test_whatever_is_shown_can_be_encoded_holds_nothing_that_moves_a_cursor_and_is_shown_once(text: str, encoding: str | None) -> None:
    shown = showable(text, encoding)
    shown.encode(encoding or "utf-8")
    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown)
    assert showable(shown, encoding) == shown


def test_the_programs_own_signs_stay_readable_without_unicode() -> None:
    assert showable("a → b … 3×", "ascii") == "a -> b ... 3x"
    assert showable("가 é", "latin-1") == r"\uac00 é"


WORDS = st.lists(st.text(st.sampled_from("ab가나é1.%-"), min_size=1, max_size=30), max_size=12)


@given(WORDS, st.integers(20, 100), st.integers(0, 30), st.integers(0, 30))
def test_lines_are_folded_between_words_only_and_never_wider_than_they_must_be(words: list[str], width: int, first: int, rest: int) -> None:
    lines = fold(" ".join(words), width, first, rest)
    assert " ".join(" ".join(lines).split()) == " ".join(words)
    for line in lines:
        assert display_width(line) <= width or len(re.sub(r"(\S) %", r"\1%", line.strip()).split()) == 1


@given(st.lists(st.tuples(*[st.text(st.sampled_from("ab 가1"), max_size=40)] * 4), max_size=4), st.integers(20, 120), st.integers(0, 4))
def test_a_table_keeps_to_its_width_without_breaking_a_word(rows: list[tuple[str, ...]], width: int, numbers_from: int) -> None:
    header = ("first", "second", "한국어", "last")
    rows = [tuple(cell.strip() for cell in row) for row in rows]
    table = text_table(header, rows, numbers_from, width)
    assert set(table.split()) >= {word for row in rows for cell in row for word in cell.split()}
    for line in table.split("\n"):
        assert display_width(line) <= width or len(line.split()) == 1


def test_what_follows_a_bullet_or_a_label_begins_below_its_text() -> None:
    assert fold_line("· one two three", 9) == ["· one two", "  three"]
    assert fold_line("   seen   one two three four", 30) == ["   seen   one two three four"]
    assert fold_line("  seen  one two three four", 24) == ["  seen  one two three", "        four"]
    assert fold_line("  seen  one-two-three-four-five-six", 24) == ["  seen", " one-two-three-four-five-six"[1:]]


def screen(encoding: str = "utf-8") -> tuple[Screen, io.BytesIO]:
    """A screen above bytes."""
    written = io.BytesIO()
    return Screen(io.TextIOWrapper(written, encoding=encoding, write_through=True)), written


def test_a_screen_never_fails_and_shows_what_the_encoding_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    for encoding in ("ascii", "latin-1", "cp949"):
        stream, written = screen(encoding)
        print("→ 가 \x1b[2J", "\udcff é", file=stream)
        text = written.getvalue().decode(encoding)
        assert r"\x1b[2J \xff" in text and text.endswith("\n") and ("가" in text) == (encoding == "cp949")


def test_a_screen_of_known_width_breaks_between_words_and_leaves_lines_that_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    stream, written = screen()
    print("one two three four five six", file=stream)
    print("begun ", end="", file=stream)
    print("and gone on with to the end of it", file=stream)
    assert written.getvalue().decode() == "one two three four\nfive six\nbegun and gone on with to the end of it\n"
    monkeypatch.delenv("COLUMNS")
    assert screen_width(stream) is None, "on a pipe nothing has to break"


@pytest.mark.parametrize(("columns", "width"), [("20", 20), ("7", 20), ("59", 59), ("500", 160), ("none", 100), ("", 100)])
def test_the_width_is_the_one_that_is_given(columns: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert terminal_width() == width


def test_data_on_a_pipe_is_exact_and_utf8_whatever_the_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, written = screen("ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("COLUMNS", "20")
    line = "가나다 → \x1b[31m and a line that is longer than the screen\r"
    put_lines([line], None)
    assert written.getvalue() == f"{line}\n".encode()


def on_a_terminal(*arguments: str, columns: int, environment: dict[str, str]) -> str:
    """What `mt ARGUMENTS` shows on a terminal of that width."""
    master, slave = pty.openpty()
    import fcntl

    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    root = str(Path(mt.__file__).parents[1])
    plain = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", "mt", *arguments], stdin=slave, stdout=slave, stderr=slave,
        env=plain | {"PYTHONPATH": root} | environment,
    )  # fmt: skip
    os.close(slave)
    seen = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        seen += part
    process.wait()
    os.close(master)
    return seen.decode("utf-8").replace("\r\n", "\n")


def test_a_terminal_gets_whole_words_and_no_control_characters(tmp_path: Path) -> None:
    seen = on_a_terminal("explain", "-m", "no\x1b[31msuch\rrun \u202ethat has a long name", "ba", columns=40, environment={})
    assert r"no\x1b[31msuch\rrun \u202ethat" in " ".join(seen.split()) and "\x1b" not in seen and "\r" not in seen
    assert all(display_width(line) <= 40 or len(line.split()) == 1 for line in seen.split("\n")) and len(seen.split("\n")) > 3


COMMANDS = [
    ["--help"], ["translate", "--help"], ["train", "--help"], ["inspect", "attention", "--help"], ["config", "explain"],
    ["config", "explain", "decoding.beam_size"], ["train"], ["check", "nothing.tsv"], ["nonsense"],
]  # fmt: skip


@pytest.mark.parametrize("columns", [20, 33, 60, 100, 200])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_breaks_a_word_at_any_width(command: list[str], columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    whole = run_mt(*command)
    words = {word for line in (whole.stdout + whole.stderr).split("\n") for word in line.split()}
    monkeypatch.setenv("COLUMNS", str(columns))
    done = run_mt(*command)
    assert done.exit_code == whole.exit_code and done.stdout + done.stderr
    for line in (done.stdout + done.stderr).split("\n"):
        assert display_width(line) <= columns or len(line.split()) == 1, line
        assert {word.rstrip(":") for word in line.split() if "…" not in word} <= {word.rstrip(":") for word in words}, line


@pytest.mark.parametrize("encoding", ["cp949", "latin-1", "ascii"])
def test_no_encoding_stops_a_command(encoding: str, trained_run: Path, tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text("ko\ten\n" + "저는 책을 읽었어요.\tI read a book — “yes”.\n" * 3, encoding="utf-8")
    model = ("--model", str(trained_run))
    for command in (
        ["--help"], ["runs"], ["explain", "ba de", *model], ["inspect", "attention", "ba de", *model], ["translate", "ba de", *model],
        ["inspect", "shapes", "--source", "ba de", *model], ["check", "pairs.tsv"], ["config", "explain"],
        ["translate", "-m", "없음", "ba"],
    ):  # fmt: skip
        done = run_mt(*command, encoding=encoding)
        assert done.exit_code in (0, 1, 2) and done.stdout + done.stderr, command
    assert "저는" in done.stderr or "\\uc5c6\\uc74c" in done.stderr or "없음" in done.stderr
    assert run_mt("translate", "ba de", *model, encoding=encoding).stdout == "ba de\n"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp949"])
def test_usage_errors_and_help_go_through_the_screen_too(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Click writes past a stream whose encoding it finds too small."""
    monkeypatch.setenv("COLUMNS", "20")
    done = run_mt("non\x1b[31m\u202esense 가", encoding=encoding)
    assert done.exit_code == 2 and r"\x1b[31m\u202esense" in done.stderr and "\x1b" not in done.stderr
    assert all(display_width(line) <= 20 or len(line.split()) == 1 for line in done.stderr.split("\n"))
    assert run_mt("train", "--help", encoding=encoding).stdout.count("…") == (0 if encoding in ("ascii", "latin-1") else 1)


@pytest.mark.parametrize("arguments", [["translate", "\udcff"], ["explain", "ba", "--target", "\udcff"], ["check", "\udcff.tsv"]])
def test_arguments_that_are_no_text_are_one_message(arguments: list[str]) -> None:
    done = run_mt(*arguments)
    assert done.exit_code == 2 and done.stderr.count("\n") == 1
    assert r"\xff" in done.stderr and "is not valid UTF-8" in done.stderr


def test_a_run_whose_path_is_no_text_is_not_called_damaged(trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    runs = tmp_path / "r\udcff"
    shutil.copytree(trained_run, runs / "copy", symlinks=True)
    monkeypatch.setenv("MT_RUNS", str(runs))
    done = run_mt("translate", "ba")
    assert done.exit_code == 2 and "MT_RUNS" in done.stderr and "is not valid UTF-8" in done.stderr and "damaged" not in done.stderr
    os.rename(runs / "copy", tmp_path / "x\udcfe")
    monkeypatch.setenv("MT_RUNS", str(tmp_path))
    for command in (["explain", "ba"], ["translate", "ba"], ["inspect", "doctor"]):
        done = run_mt(*command)
        assert done.exit_code == 2 and r"x\xfe: this path is not valid UTF-8; rename the folder" in done.stderr, command
    listed = run_mt("runs", "--json", "runs.json")
    assert listed.exit_code == 0 and r"x\xfe  finished" in listed.stdout and (tmp_path / "runs.json").read_text(encoding="utf-8")


def test_the_run_that_is_taken_by_default_is_named(trained_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MT_RUNS", str(trained_run.parent))
    for command in (["translate", "ba"], ["explain", "ba"], ["inspect", "attention", "ba"], ["inspect", "shapes", "--source", "ba"]):
        assert run_mt(*command).stderr.splitlines()[0] == f"using {trained_run}, the latest finished run", command
    for command in (["inspect", "doctor"], ["inspect", "projections"]):
        assert f"using {trained_run}, the run changed last" in run_mt(*command).stderr, command
    assert "using" not in run_mt("translate", "ba", "--model", str(trained_run)).stderr
    monkeypatch.setenv("MT_MODEL", str(trained_run))
    assert "using" not in run_mt("translate", "ba").stderr
