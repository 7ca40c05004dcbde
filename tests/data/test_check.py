"""mt check: each kind is found where it was planted and nowhere else, shifted lines by their first, leaks exactly; --fix loses nothing."""

import json
import random
from pathlib import Path

import numpy
import pytest

from mt.config import CorpusConfig
from mt.data.alignment import shifted_runs
from mt.data.check import CheckReport, check_corpora
from mt.data.check_kinds import KEEPABLE, KINDS
from mt.data.check_store import PairStore, place, unpacked
from mt.data.demo import demo_pairs
from mt.data.lenient import LenientCorpus
from mt.data.pair_checks import RECORD, Rules, _anchors, _Lines, check_block, keys
from tests.command_line import run_mt

Pairs = list[tuple[str, str]]
GOOD: Pairs = demo_pairs("train")[:400]


def corpus(folder: Path, pairs: Pairs, split: str = "train", encodings: tuple[str, str] = ("utf-8", "utf-8")) -> LenientCorpus:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{split}.{language}" for language in ("ko", "en")]
    for path, side, encoding in zip(paths, zip(*pairs, strict=True), encodings, strict=True):
        path.write_bytes("".join(f"{line}\n" for line in side).encode(encoding, "surrogateescape"))
    return LenientCorpus(CorpusConfig(source=paths[0], target=paths[1]), split, "ko", "en")


def found(report: CheckReport, number: int = 0) -> dict[str, int]:
    return {kind: finding.count for kind, finding in report.corpora[number].findings.items()}


PLANTED: dict[str, tuple[str, str]] = {
    "bytes": ("사과를 \udcff 샀다", "I bought an apple"),
    "nul": ("사과를\0 샀다", "I bought an apple"),
    "empty": ("사과를 샀다", ""),
    "script": ("I bought an apple", "I bought an apple today"),
    "untranslated": ("사과를 샀다", "I bought an 사과"),
    "copy": ("사과 apple", "사과 apple"),
    "long": ("사과를 샀다 " * 250, "I bought an apple " * 200),
    "ratio": ("사과를 샀다", "I bought an apple and then I went home to eat it with my family and all of my friends"),
    "repetition": ("사과 사과 사과 사과 사과 사과 사과", "apple, apple, apple, apple, apple, apple"),
    "control": ("사과를\x07 샀다", "I bought an apple"),
    "invisible": ("사과를\u200b 샀다", "I bought an apple"),
    "replaced": ("사과를 \ufffd 샀다", "I bought an apple"),
    "mojibake": ("사과를 샀다", "I bought an apple at the cafÃ©"),
    "html": ("사과와 배를 샀다", "I bought an apple &amp; a pear"),
    "nfd": ("\u1109\u1161과를 샀다", "I bought an apple"),
    "width": ("사과를 ３개 샀다", "I bought three apples"),
    "return": ("사과를\r샀다", "I bought an apple"),
    "numbers": ("사과를 3개 샀다", "I bought 5 apples"),
    "letterless": ("삼 더하기 사", "3+4"),
    "spaces": ("사과를  샀다", "I bought an apple"),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_what_a_pair_shows_is_found_where_it_stands_and_nowhere_else(kind: str, tmp_path: Path) -> None:
    pairs = [*GOOD[:100], PLANTED[kind], *GOOD[100:200]]
    report = check_corpora([corpus(tmp_path, pairs)], 256, processes=1)
    counts = found(report)
    assert counts.pop(kind) == 1
    assert set(counts) <= {"letterless", "script", "ratio", "repetition", "copy", "untranslated", "spaces"} - {kind}
    assert all(count == 1 for count in counts.values()), counts  # of the planted pair too
    [example] = report.corpora[0].findings[kind].examples
    assert example.where.endswith("train.ko, line 101")


def test_good_pairs_have_nothing(tmp_path: Path) -> None:
    assert found(check_corpora([corpus(tmp_path, GOOD)], 256, processes=1)) == {}


def test_all_kinds_are_planted_somewhere_in_these_tests() -> None:
    elsewhere = {"unreadable", "encoding", "unequal", "shifted", "unrelated", "swapped", "malformed", "leak", "leak-alike", "leak-source",
                 "duplicate", "ambiguous"}  # fmt: skip
    assert set(KINDS) == elsewhere | set(PLANTED)
    assert set(KEEPABLE) <= set(KINDS)


@pytest.mark.parametrize("encoding", ["cp949", "utf-16", "utf-16-le"])
def test_other_encodings_are_named_and_read(encoding: str, tmp_path: Path) -> None:
    report = check_corpora([corpus(tmp_path, GOOD, encodings=(encoding, "utf-8"))], 256, processes=1)
    assert found(report) == {"encoding": 1}
    assert encoding in report.corpora[0].findings["encoding"].examples[0].note
    assert report.corpora[0].pairs == 400


@pytest.mark.parametrize(("lost", "shift"), [(150, 1), (150, 2), (30, 1), (300, 3)])
@pytest.mark.parametrize("side", [0, 1])
def test_the_line_from_which_pairs_are_shifted_is_named(lost: int, shift: int, side: int, tmp_path: Path) -> None:
    columns = [list(column) for column in zip(*GOOD, strict=True)]
    del columns[side][lost : lost + shift]
    columns[1 - side] = columns[1 - side][: len(columns[side])]
    report = check_corpora([corpus(tmp_path, list(zip(*columns, strict=True)))], 256, processes=1)
    finding = report.corpora[0].findings["shifted"]
    line = int(finding.examples[0].where.rsplit(" ", 1)[1])
    assert abs(line - (lost + 1)) <= 12  # sentences of this corpus are alike
    assert finding.count > 0.8 * (400 - lost)
    assert "unrelated" not in report.corpora[0].findings


def test_a_line_lost_on_each_side_shifts_what_is_between_alone(tmp_path: Path) -> None:
    sources, targets = (list(side) for side in zip(*GOOD, strict=True))
    del sources[100], targets[300]
    report = check_corpora([corpus(tmp_path, list(zip(sources, targets, strict=True)))], 256, processes=1)
    assert 180 <= found(report)["shifted"] <= 215
    assert report.drop["shifted"][0].min() > 85
    assert report.drop["shifted"][0].max() < 315


def test_few_or_equal_lines_are_never_called_shifted() -> None:
    for lines in (["같은 줄"] * 200, [f"{number}" for number in range(300)], ["가"] * 3):
        side = _Lines(lines)
        assert shifted_runs(_anchors(side, side.numbers()), _anchors(side, side.numbers())) == []


def test_a_line_too_few_is_told_with_both_counts(tmp_path: Path) -> None:
    checked = corpus(tmp_path, GOOD)
    path = checked.config.target
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:200] + lines[201:]), encoding="utf-8")
    report = check_corpora([checked], 256, processes=1)
    assert found(report)["unequal"] == 1
    assert "400 lines" in report.corpora[0].findings["unequal"].examples[0].note
    assert found(report)["shifted"] > 180
    assert report.corpora[0].pairs == 399


def test_shuffled_sides_are_unrelated_and_pairs_sorted_by_length_are_not(tmp_path: Path) -> None:
    sources, targets = (list(side) for side in zip(*demo_pairs("train")[:3000], strict=True))
    ordered = sorted(zip(sources, targets, strict=True), key=lambda pair: len(pair[0]))
    assert "unrelated" not in found(check_corpora([corpus(tmp_path, ordered)], 256, processes=1))
    random.Random(1).shuffle(targets)
    assert "unrelated" in found(check_corpora([corpus(tmp_path, list(zip(sources, targets, strict=True)))], 256, processes=1))


def test_exchanged_sides_are_one_finding(tmp_path: Path) -> None:
    report = check_corpora([corpus(tmp_path, [(english, korean) for korean, english in GOOD])], 256, processes=1)
    assert found(report) == {"swapped": 400}


def test_leaks_by_the_exact_rule_and_alike_and_by_the_source_alone(tmp_path: Path) -> None:
    train = GOOD[:300]
    test = [*GOOD[300:], *train[7:12], (train[20][0].upper() + " ", train[20][1].upper()), (train[30][0], "Another translation of it.")]
    report = check_corpora([corpus(tmp_path, train), corpus(tmp_path, test, "test")], 256, processes=1)
    counts = found(report, 1)
    assert (counts["leak"], counts["leak-alike"], counts["leak-source"]) == (5, 1, 1)
    expected = [number for number, pair in enumerate(test, 1) if pair in set(train)]
    assert [int(each.where.rsplit(" ", 1)[1]) for each in report.corpora[1].findings["leak"].examples] == expected[:3]
    assert report.corpora[1].findings["leak"].examples[0].source == train[7][0]
    assert report.corpora[1].findings["leak"].examples[0].note.endswith("train.ko, line 8")
    assert report.drop["leak"][0].tolist() == [8, 9, 10, 11, 12, 21]


def test_duplicates_and_ambiguous_sources_equal_plain_counting(tmp_path: Path) -> None:
    draw = random.Random(3)
    pairs = [(f"문장 {chr(0xac00 + draw.randrange(40))}", f"sentence {draw.choice('abcdefgh')}") for _ in range(600)]
    report = check_corpora([corpus(tmp_path, pairs)], 256, processes=1)
    seen: set[tuple[str, str]] = set()
    again = []
    for number, pair in enumerate(pairs, 1):
        if pair in seen:
            again.append(number)
        seen.add(pair)
    assert report.drop["duplicate"][0].tolist() == again
    many = {source for source in dict(pairs) if len({target for other, target in pairs if other == source}) >= 4}
    assert found(report)["ambiguous"] == sum(source in many for source, _ in pairs)
    assert found(report)["duplicate"] == len(again)


def test_the_store_on_disk_tells_the_same_as_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = numpy.random.default_rng(0)
    records = numpy.zeros(5000, RECORD)
    for name in ("source", "target", "exact"):
        records[name] = generator.integers(1, 900, 5000)
    records["place"] = place(0, numpy.arange(1, 5001))
    results = []
    for pending in (1 << 20, 7):
        monkeypatch.setattr("mt.data.check_store._PENDING", pending)
        with PairStore() as store:
            for part in numpy.array_split(records, 11):
                store.add(part)
            results.append([each.again.tolist() for each in store.repeated([False])])
    assert results[0] == results[1]
    numbers, lines = unpacked(place(5, numpy.array([1, 1 << 39])))
    assert numbers.tolist() == [5, 5]
    assert lines.tolist() == [1, 1 << 39]


def test_several_processes_find_what_one_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mt.data.lenient.BLOCK_PAIRS", 90)
    pairs = [*GOOD[:150], *PLANTED.values(), *GOOD[150:]]
    checked = corpus(tmp_path, pairs)
    one, two = (check_corpora([checked], 256, processes=count) for count in (1, 2))
    assert found(one) == found(two)
    assert [finding.examples for finding in one.findings()] == [finding.examples for finding in two.findings()]


@pytest.mark.parametrize(
    ("name", "content", "malformed"),
    [
        ("p.tsv", "ko\ten\n사과\tapple\n배\n감\tpersimmon\tx\n귤\tmandarin\n", [3, 4]),
        ("p.tsv", "사과\tapple\n배\n귤\tmandarin\n", [2]),
        ("p.csv", 'ko,en\n사과,apple\n"배, 둘",two pears\n감\n귤,"man""darin"\n', [4]),
        ("p.csv", 'ko,en\n사과,apple\n배,"pear\n감,persimmon\n', [3]),
        ("p.jsonl", '{"ko": "사과", "en": "apple"}\n{"ko": "배"\n[1]\n\n{"ko": ["감"], "en": "p"}\n{"ko": "귤", "en": null}\n', [2, 3, 5]),
    ],
)
def test_rows_out_of_format_are_told_and_the_rest_is_read(name: str, content: str, malformed: list[int], tmp_path: Path) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    checked = LenientCorpus(CorpusConfig(file=tmp_path / name), "train", "ko", "en")
    pairs = [pair for block in checked.blocks() for pair in zip(block.sources, block.targets, block.lines, strict=True)]
    assert sorted(problem.line for problem in checked.problems if problem.kind == "malformed") == malformed
    assert pairs[0][:2] == ("사과", "apple")
    everything = content.count("\n") - (0 if content.startswith(("사과", "{")) else 1)
    assert len(pairs) + len(malformed) >= everything - 1


def test_a_json_array_and_a_builtin_corpus_are_checked_too(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(json.dumps([{"ko": "사과", "en": "사과"}] * 3, ensure_ascii=False), encoding="utf-8")
    configs = (CorpusConfig(file=tmp_path / "p.json"), CorpusConfig(builtin="demo"))
    corpora = [LenientCorpus(config, "train", "ko", "en") for config in configs]
    report = check_corpora(corpora, 256, processes=1)
    assert found(report, 0) == {"copy": 3, "script": 3, "duplicate": 2}
    assert found(report, 1) == {}


def test_keys_forget_look_alone() -> None:
    assert keys(["Hello,  World!", "ＨＥＬＬＯ world", "안녕\u1112\u1161세요.", "?!"]) == ["helloworld", "helloworld", "안녕하세요", "?!"]


def test_a_block_of_one_kind_of_text_has_rules_of_its_own() -> None:
    report = check_block(["Привет мир"], ["hello world"], Rules("Cyrillic", "Latin", 100))
    assert report.hits == {}
    assert check_block(["hello"], ["hello you"], Rules(None, None, 100)).hits == {}


def test_a_clean_copy_and_its_list_hold_every_pair(tmp_path: Path) -> None:
    pairs = [*GOOD[:100], *PLANTED.values(), *GOOD[100:200], GOOD[5], GOOD[5]]
    train = corpus(tmp_path / "data", pairs)
    test = corpus(tmp_path / "data", [*GOOD[300:350], GOOD[7], ("전혀 다른 문장", "one &amp; another")], "test")
    files = [str(path) for each in (train, test) for path in (each.config.source, each.config.target)]
    outcome = run_mt("check", *files[:2], "--test", files[2], "--test", files[3], "--fix", str(tmp_path / "out"), "--keep", "numbers",
                     "--json", str(tmp_path / "f.json"))  # fmt: skip
    assert outcome.exit_code == 2
    assert "--keep: 'numbers' is none of" in outcome.stderr
    outcome = run_mt("check", *files[:2], "--test", files[2], "--test", files[3], "--fix", str(tmp_path / "out"), "--keep", "untranslated",
                     "--json", str(tmp_path / "f.json"))  # fmt: skip
    assert outcome.exit_code == 1, outcome.stderr
    clean = [(tmp_path / "out" / "train" / "data" / f"train.{side}").read_text(encoding="utf-8").split("\n")[:-1] for side in ("ko", "en")]
    changes = [json.loads(line) for line in (tmp_path / "out" / "changes.jsonl").read_text(encoding="utf-8").splitlines()]
    own = {entry["line"]: entry for entry in changes if entry["corpus"] == files[0]}
    copy = list(zip(*clean, strict=True))
    expected = []
    for line, pair in enumerate(pairs, 1):
        entry = own.get(line)
        if entry is None:
            expected.append(pair)
        elif entry["what"] == "left out":
            assert tuple(entry["was"]) == pair
        else:
            assert entry["what"] == "changed"
            expected.append(None)
    assert len(copy) == len(expected)
    assert all(wanted is None or wanted == got for wanted, got in zip(expected, copy, strict=True))
    assert PLANTED["untranslated"] in copy
    assert ("사과와 배를 샀다", "I bought an apple & a pear") in copy
    assert ("사과를 샀다", "I bought an apple at the café") in copy
    assert copy.count(GOOD[5]) == 1
    assert GOOD[7] not in copy
    kept = (tmp_path / "out" / "test" / "data" / "test.en").read_text(encoding="utf-8").split("\n")[:-1]
    assert len(kept) == 52
    assert kept[-1] == "one &amp; another"
    assert json.loads((tmp_path / "f.json").read_text())["findings"][0]["severity"] == "error"
    again = run_mt("check", *files[:2], "--fix", str(tmp_path / "out"))
    assert again.exit_code == 2
    assert "there is something already" in again.stderr


def test_a_fixed_corpus_has_no_errors_left(tmp_path: Path) -> None:
    sources, targets = (list(side) for side in zip(*GOOD, strict=True))
    del targets[250]
    (tmp_path / "t.ko").write_bytes("".join(f"{line}\n" for line in sources).encode("cp949"))
    (tmp_path / "t.en").write_text("".join(f"{line}\n" for line in targets), encoding="utf-8")
    assert run_mt("check", str(tmp_path / "t.ko"), str(tmp_path / "t.en"), "--fix", str(tmp_path / "out")).exit_code == 1
    copy = next((tmp_path / "out" / "train").iterdir())
    outcome = run_mt("check", str(copy / "t.ko"), str(copy / "t.en"))
    assert outcome.exit_code == 0, outcome.stdout
    assert 240 <= len((copy / "t.ko").read_text(encoding="utf-8").splitlines()) <= 256
    changes = [json.loads(line) for line in (tmp_path / "out" / "changes.jsonl").read_text(encoding="utf-8").splitlines()]
    left_out = {entry["line"] for entry in changes if entry["what"] == "left out"}
    assert len(left_out) + len((copy / "t.ko").read_text(encoding="utf-8").splitlines()) == 400


def test_exchanged_sides_are_exchanged_in_the_copy(tmp_path: Path) -> None:
    (tmp_path / "p.tsv").write_text("".join(f"{english}\t{korean}\n" for korean, english in GOOD), encoding="utf-8")
    outcome = run_mt("check", str(tmp_path / "p.tsv"), "--source", "ko", "--target", "en", "--fix", str(tmp_path / "out"))
    assert outcome.exit_code == 1
    [copy] = (tmp_path / "out").glob("train/**/*.jsonl")
    assert [tuple(json.loads(line).values()) for line in copy.read_text(encoding="utf-8").splitlines()] == GOOD


def test_corpora_of_one_name_get_copies_of_their_own(tmp_path: Path) -> None:
    words = []
    for folder, pairs in (("x", GOOD[:50]), ("y", GOOD[50:120])):
        (tmp_path / folder).mkdir()
        corpus(tmp_path / folder / "same", pairs)
        words.append(f"  - source: {tmp_path}/{folder}/same/train.ko\n    target: {tmp_path}/{folder}/same/train.en\n")
    (tmp_path / "c.yaml").write_text(f"source: ko\ntarget: en\ndata:\n train:\n{''.join(words)}", encoding="utf-8")
    outcome = run_mt("check", "--config", str(tmp_path / "c.yaml"), "--fix", str(tmp_path / "out"))
    assert outcome.exit_code == 0, outcome.stderr
    copies = sorted((tmp_path / "out" / "train" / "same").glob("*.ko"))
    assert [path.name for path in copies] == ["train-2.ko", "train.ko"]
    assert [len(path.read_text(encoding="utf-8").splitlines()) for path in copies] == [70, 50]


def test_training_says_the_worst_in_a_line_or_three(tmp_path: Path) -> None:
    from tests.tiny import SETTINGS

    sources, targets = (list(side) for side in zip(*GOOD, strict=True))
    del targets[100], sources[-1]
    for name, lines in (("a.ko", sources), ("a.en", targets)):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    (tmp_path / "c.yaml").write_text(f"source: ko\ntarget: en\ndata:\n  train:\n    source: {tmp_path}/a.ko\n    target: {tmp_path}/a.en\n"
                                     "  valid: demo\ntokenizer:\n  vocab_size: 800\n", encoding="utf-8")  # fmt: skip
    words = [word for setting in (*SETTINGS, "training.max_steps=2") for word in ("--set", setting)]
    outcome = run_mt("train", "--config", str(tmp_path / "c.yaml"), *words)
    assert outcome.exit_code == 0, outcome.stderr
    told = [line for line in outcome.stderr.splitlines() if "mt check" in line]
    assert 1 <= len(told) <= 3
    assert "lines that fit a neighbour better than their partner" in told[0]
    assert not [line for line in run_mt("train", "--config", str(tmp_path / "c.yaml"), *words).stderr.splitlines() if "mt check" in line]


def test_a_column_in_no_encoding_is_shown_as_a_terminal_can(tmp_path: Path) -> None:
    (tmp_path / "p.tsv").write_bytes(b"\n\x00\t\x00\x80\x00")
    outcome = run_mt("check", str(tmp_path / "p.tsv"), "--source", "ko", "--target", "en")
    assert outcome.exit_code == 1, outcome.stderr
    assert "\\x00\\t\\x00�" in outcome.stdout
