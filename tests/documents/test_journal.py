"""A job that was stopped goes on where it was, and only if it is still the same job."""

import json
import os
import random
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from mt.document_command import shortlist_hash
from mt.documents.fit import Translated
from mt.documents.journal import Journal, journal_path
from mt.errors import DataError, MtError
from tests.command_line import run_mt
from tests.processes import num_lines, start_mt, wait_until

JOB = {"the text of the input": "a" * 64, "the model": ["b" * 64], "decoding.beam_size": 4, "--format": "text"}
DONE = [Translated("첫째\n줄"), Translated("", finished=False), Translated("third", kept=1, pieces=3, markup="in segments")]


def begun(path: Path, count: int = 3) -> None:
    with Journal(path, JOB, restart=False) as journal:
        journal.append(DONE[:1])
        journal.append(DONE[1:count])


def test_what_was_done_is_there_again(tmp_path: Path) -> None:
    begun(tmp_path / "j")
    with Journal(tmp_path / "j", JOB, restart=False) as journal:
        assert journal.done == 3 and list(journal.read()) == DONE
        journal.append(DONE[:1])
        assert list(journal.read()) == [*DONE, DONE[0]]
    with Journal(tmp_path / "j", JOB, restart=True) as journal:
        assert journal.done == 0 and list(journal.read()) == []


def test_wherever_a_journal_is_cut_its_whole_lines_count(tmp_path: Path) -> None:
    begun(tmp_path / "j")
    whole = (tmp_path / "j").read_bytes()
    for end in range(len(whole) + 1):
        (tmp_path / "cut").write_bytes(whole[:end])
        with Journal(tmp_path / "cut", JOB, restart=False) as journal:
            assert journal.done == max(0, whole[:end].count(b"\n") - 1)
            journal.append(DONE[journal.done :])
        assert (tmp_path / "cut").read_bytes() == whole


def test_a_damaged_line_ends_it(tmp_path: Path) -> None:
    begun(tmp_path / "j")
    lines = (tmp_path / "j").read_bytes().splitlines(keepends=True)
    for damaged in (b"\0" * len(lines[2]), b"[1, 2]\n", b'[5, "x", true, 1, 0, ""]\n', b'[1, 7, true, 1, 0, ""]\n', b"\xff\n", b"{}\n"):
        (tmp_path / "j").write_bytes(lines[0] + lines[1] + damaged + lines[3])
        with Journal(tmp_path / "j", JOB, restart=False) as journal:
            assert journal.done == 1 and list(journal.read()) == DONE[:1]
        assert (tmp_path / "j").read_bytes() == lines[0] + lines[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"the text of the input": "c" * 64}, "the text of the input has changed. Set it back"),
        ({"decoding.beam_size": 5}, "decoding.beam_size has changed (4, now 5)"),
        ({"the model": ["d" * 64]}, "the model has changed."),
        ({"--format": "tsv", "--column": "ko"}, "--format has changed (text, now tsv); --column has changed (null, now ko)"),
    ],
)
def test_another_job_is_refused_with_what_has_changed_and_may_begin_anew(change: dict, message: str, tmp_path: Path) -> None:
    begun(tmp_path / "j")
    before = (tmp_path / "j").read_bytes()
    with pytest.raises(DataError) as refused:
        Journal(tmp_path / "j", JOB | change, restart=False)
    assert message in str(refused.value) and "--restart" in str(refused.value)
    assert (tmp_path / "j").read_bytes() == before
    with Journal(tmp_path / "j", JOB | change, restart=True) as journal:
        assert journal.done == 0


def test_what_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    for content in (b"my notes\n", b"{}", b'{"mt": 1}\n'):
        (tmp_path / "j").write_bytes(content)
        for restart in (False, True):
            with pytest.raises(DataError, match="no journal of mt translate"):
                Journal(tmp_path / "j", JOB, restart)
        assert (tmp_path / "j").read_bytes() == content


def test_two_processes_do_not_share_a_journal(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", JOB, restart=False), pytest.raises(DataError, match="another process is translating"):
        Journal(tmp_path / "j", JOB, restart=True)


def test_a_journal_that_cannot_be_written_is_told_and_keeps_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with Journal(tmp_path / "j", JOB, restart=False) as journal:
        journal.append(DONE[:1])
        with monkeypatch.context() as patch, pytest.raises(MtError, match="j: cannot be written \\(No space left on device\\)"):
            patch.setattr("mt.documents.journal.os.fsync", full)
            journal.append(DONE[1:])
    with Journal(tmp_path / "j", JOB, restart=False) as journal:
        assert list(journal.read())[:1] == DONE[:1]


def sentences(count: int) -> str:
    """Sentences of the toy's language, all different."""
    draw = random.Random(11)
    words = [a + b for a in "bdkm" for b in "aeiou"]
    return "".join(" ".join(draw.choices(words, k=draw.randrange(3, 10))) + "\n" for _ in range(count))


def test_a_killed_translation_goes_on_and_ends_as_if_nothing_had_been(trained_run: Path) -> None:
    Path("in.txt").write_text(sentences(1500), encoding="utf-8")
    command = ["translate", "--model", str(trained_run), "--input", "in.txt", "--output", "out.txt", "--beam", "3", "--method", "beam"]
    whole = run_mt(*command[:-6], "--output", "whole.txt", *command[-4:])
    assert whole.exit_code == 0, whole.stderr
    journal, process = journal_path(Path("out.txt")), start_mt(*command)
    try:
        wait_until(lambda: num_lines(journal) > 1, process)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    done = num_lines(journal) - 1
    assert not Path("out.txt").exists() and 0 < done < 1500
    with journal.open("ab") as stream:
        stream.write(b'[99, "cut')
    refused = run_mt(*command[:-3], "2", *command[-2:])
    assert refused.exit_code == 2 and "decoding.beam_size has changed (3, now 2)" in refused.stderr
    resumed = run_mt(*command)
    assert resumed.exit_code == 0 and f"going on after {done} of 1500 translations" in resumed.stderr
    assert Path("out.txt").read_bytes() == Path("whole.txt").read_bytes()
    assert sorted(path.name for path in Path().iterdir() if "out" in path.name) == ["out.txt"]


def test_a_file_that_changes_meanwhile_is_told_and_the_output_is_not_touched(trained_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("in.txt").write_text("ba be bi\nda mu ki\n", encoding="utf-8")
    Path("out.txt").write_text("before", encoding="utf-8")
    append = Journal.append

    def appending(journal: Journal, block: list[Translated]) -> None:
        append(journal, block)
        Path("in.txt").write_text("ba be bi\nda mu mu\n", encoding="utf-8")

    monkeypatch.setattr(Journal, "append", appending)
    outcome = run_mt("translate", "--model", str(trained_run), "-i", "in.txt", "-o", "out.txt")
    assert outcome.exit_code == 2 and "has changed while it was translated" in outcome.stderr
    assert Path("out.txt").read_text(encoding="utf-8") == "before" and journal_path(Path("out.txt")).exists()


def test_a_full_disk_keeps_what_was_done(trained_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("in.txt").write_text("ba be bi\nda mu ki\n", encoding="utf-8")

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device", "out.txt")

    command = ["translate", "--model", str(trained_run), "-i", "in.txt", "-o", "out.txt"]
    with monkeypatch.context() as patch:
        patch.setattr("mt.documents.job.write_parts_atomically", full)
        outcome = run_mt(*command)
    assert outcome.exit_code == 2 and "No space left on device" in outcome.stderr
    assert [json.loads(line) for line in journal_path(Path("out.txt")).read_bytes().splitlines()[1:]][0][1] == "ba be bi"
    assert run_mt(*command).exit_code == 0 and Path("out.txt").read_text(encoding="utf-8") == "ba be bi\nda mu ki\n"


def test_a_shortlist_that_was_learned_again_makes_another_job(tmp_path: Path) -> None:
    translator = SimpleNamespace(path=tmp_path / "model.safetensors")
    jobs = []
    for content in (b"first", b"second"):
        (tmp_path / "shortlist.safetensors").write_bytes(content)
        jobs.append(JOB | shortlist_hash(translator, {"decoding.shortlist": True}))
        assert shortlist_hash(translator, {"decoding.shortlist": False}) == shortlist_hash(translator, {}) == {}
    for job in (jobs[0], jobs[0]):
        with Journal(tmp_path / "j", job, restart=False) as journal:
            journal.append(DONE[:1])
    with pytest.raises(DataError, match="the shortlist has changed"), Journal(tmp_path / "j", jobs[1], restart=False):
        pass
