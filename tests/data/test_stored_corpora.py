"""A corpus too large for memory goes to disk and stays the same corpus: its texts, ids, reports, epochs, and what is learned from it."""

import errno
import gzip
import json
import os
import signal
from collections import Counter
from pathlib import Path

import numpy
import pytest

from mt.config import Config, CorpusConfig
from mt.data import encode, encodings, gather, pairs, store
from mt.data.corpus import Corpus, fingerprint, read_corpus
from mt.data.encode import Fit, encode_store
from mt.data.pairs import MemoryPart, Ragged, StoredPart, TrainingPairs
from mt.data.toy import toy_pairs
from mt.errors import DataError, Interrupted
from mt.runs import RunDirectory, runs_root
from mt.training import trainer
from mt.training.prepare import EpochEncoder, prepare_data
from mt.training.trainer import train
from tests.tiny import tiny_config

PAIRS = [*toy_pairs("copy", "train")[:500], ("가 나 " * 12, "다"), ("a " * 30, "b " * 30), *toy_pairs("copy", "train")[500:900]]


@pytest.fixture(autouse=True)
def small_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything over 100 pairs is large; shards, chunks and blocks are tiny; the cache is this test's own."""
    monkeypatch.setenv("MT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(gather, "MOST_PAIRS_IN_MEMORY", 100)
    monkeypatch.setattr(gather, "SHARD_PAIRS", 64)
    monkeypatch.setattr(pairs, "CHUNK_PAIRS", 8)
    monkeypatch.setattr(pairs, "BLOCK_CHUNKS", 16)
    monkeypatch.setattr(encodings, "BLOCK_BYTES", 1000)
    monkeypatch.setattr("mt.data.corpus._LARGE_FILE", 1)


def written(folder: Path, kind: str, content: list[tuple[str, str]] = PAIRS) -> CorpusConfig:
    """The pairs as files of that kind."""
    folder.mkdir(exist_ok=True)
    if kind == "lines":
        for name, side in (("a.source", 0), ("a.target.gz", 1)):
            text = "".join(f"{pair[side]}\n" for pair in content).encode()
            (folder / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        return CorpusConfig(source=folder / "a.source", target=folder / "a.target.gz")
    path = folder / f"a.{kind}"
    if kind == "tsv":
        path.write_text("source\ttarget\n" + "".join(f"{source}\t{target}\n" for source, target in content), "utf-8")
    elif kind == "csv":
        path.write_text("source,target\n" + "".join(f'"{source}",{target}\n' for source, target in content), "utf-8")
    elif kind == "jsonl":
        path.write_text("\n".join(json.dumps({"target": target, "source": source}) + "\n" for source, target in content), "utf-8")
    else:
        import datasets

        datasets.Dataset.from_dict({"source": [pair[0] for pair in content], "target": [pair[1] for pair in content]}).to_parquet(path)
    return CorpusConfig(file=path)


def in_memory(config: CorpusConfig, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    """The same corpus as it is read where memory is plenty."""
    with monkeypatch.context() as patch:
        patch.setattr(gather, "MOST_PAIRS_IN_MEMORY", 10**6)
        patch.setenv("MT_CACHE", str(Path(os.environ["MT_CACHE"]) / "unused"))
        return read_corpus(config, "train", "xx", "yy")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("kind", ["lines", "tsv", "csv", "jsonl", "parquet"])
def test_a_large_corpus_has_the_same_pairs_lines_and_fingerprint_as_in_memory(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = written(tmp_path / "data", kind)
    stored, plain = read_corpus(config, "train", "xx", "yy"), in_memory(config, monkeypatch)
    assert stored.folder is not None and plain.folder is None
    assert stored.sources == plain.sources and stored.targets == plain.targets and len(stored) == len(PAIRS)
    assert [stored.line_of(index) for index in (0, 63, 64, 901)] == [plain.line_of(index) for index in (0, 63, 64, 901)]
    assert stored.sources[-1] == plain.sources[-1] and stored.sources[60:70] == list(plain.sources[60:70])
    assert fingerprint([stored]) == fingerprint([plain])


def test_it_is_read_once_and_found_again_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "mt")
    config = written(tmp_path / "data", "lines")
    first = read_corpus(config, "train", "xx", "yy")
    monkeypatch.setattr(gather.Gatherer, "add", None)  # calling it would fail
    again = read_corpus(config, "train", "xx", "yy")
    assert again.sources == first.sources and again.folder == first.folder
    assert f"{config.label}: 902 pairs, read before, in {first.folder}" in caplog.text
    monkeypatch.undo()
    written(tmp_path / "data", "lines", [*PAIRS[:-1], ("another", "one")])
    assert read_corpus(config, "train", "xx", "yy").sources[-1] == "another"


def test_a_shard_is_a_file_that_datasets_opens(tmp_path: Path) -> None:
    import datasets

    corpus = read_corpus(written(tmp_path / "data", "tsv"), "train", "xx", "yy")
    opened = datasets.Dataset.from_file(str(store.shard_path(corpus.folder, 0)))
    assert opened["source"][:] == [source for source, _ in PAIRS[:64]] and opened["line"][:3] == [2, 3, 4]


def test_a_wrong_byte_far_down_is_told_with_its_line_and_leaves_nothing_on_disk(tmp_path: Path) -> None:
    config = written(tmp_path / "data", "lines")
    with config.source.open("ab") as file:
        file.write(b"\xff\n")
    with gzip.open(config.target, "ab") as file:
        file.write(b"good\n")
    with pytest.raises(DataError, match=r"data.train\[0\].source: .*a.source: not UTF-8: byte 0xff at line 903\."):
        read_corpus(config, "train", "xx", "yy")
    assert list((tmp_path / "cache" / "corpora").iterdir()) == []


def test_unequal_files_an_empty_side_and_a_ragged_row_far_down_are_told(tmp_path: Path) -> None:
    config = written(tmp_path / "data", "lines")
    with config.source.open("ab") as file:
        file.write(b"\n\n")
    with pytest.raises(DataError, match=r"has 904 lines, but .* has 902\. .*a.source ends with 2 empty lines too many"):
        read_corpus(config, "train", "xx", "yy")
    for _ in range(2):  # also when it was read before
        with pytest.raises(DataError, match=r"1 pair of 903 with an empty side \(source 1, target 0\): line 904"):
            read_corpus(written(tmp_path / "data", "tsv", [*PAIRS, ("", "x")]), "train", "xx", "yy")
    assert len(read_corpus(CorpusConfig(file=tmp_path / "data" / "a.tsv"), "train", "xx", "yy", allow_empty_sides=True)) == 903
    with pytest.raises(DataError, match=r"the first row has 2 columns, unlike line 904 \(3\)"):
        read_corpus(written(tmp_path / "data", "tsv", [*PAIRS, ("x", "y\tz")]), "train", "xx", "yy")


def test_a_full_disk_is_told_with_the_folder_and_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store, "write_atomically", full)
    with pytest.raises(DataError, match=r"cache/corpora/.*: a corpus this large .* \(No space left on device\)\. .* set MT_CACHE"):
        read_corpus(written(tmp_path / "data", "lines"), "train", "xx", "yy")


def stored_config(tmp_path: Path, *settings: str) -> Config:
    """A training on 902 stored pairs in eight blocks."""
    path = written(tmp_path / "data", "tsv").file
    return tiny_config(f"data.train={path}", "data.max_length=20", "training.max_tokens=250", *settings)


def test_the_encoded_pairs_and_what_is_left_out_are_as_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = prepare_data(stored_config(tmp_path))
    monkeypatch.setattr(gather, "MOST_PAIRS_IN_MEMORY", 10**6)
    monkeypatch.setenv("MT_CACHE", str(tmp_path / "other"))
    plain = prepare_data(stored_config(tmp_path))
    assert isinstance(stored.train.parts[0], StoredPart) and isinstance(plain.train.parts[0], MemoryPart)
    assert [report.to_json() for report in stored.left_out] == [report.to_json() for report in plain.left_out]
    assert stored.left_out[0].too_long == (502, 503) and len(stored.train) == len(plain.train) == 900
    assert stored.fingerprint == plain.fingerprint and stored.tokenizer.fingerprint() == plain.tokenizer.fingerprint()
    everything = plain.train.block(1, 0, 0)
    expected = Counter((source.tobytes(), target.tobytes()) for source, target in zip(everything.sources, everything.targets, strict=True))
    orders = []
    for epoch in (0, 1):
        blocks = [stored.train.block(1, epoch, number) for number in range(stored.train.num_blocks)]
        seen = [
            (source.astype(numpy.int32).tobytes(), target.astype(numpy.int32).tobytes())
            for block in blocks for source, target in zip(block.sources, block.targets, strict=True)
        ]  # fmt: skip
        assert len(blocks) > 5 and Counter(seen) == expected, "every pair once in an epoch"
        orders.append(seen)
    assert orders[0] != orders[1]
    again = stored.train.block(1, 1, 3)
    assert again.targets.flat.tolist() == stored.train.block(1, 1, 3).targets.flat.tolist()


def test_the_texts_of_a_block_belong_to_its_ids(tmp_path: Path) -> None:
    data = prepare_data(stored_config(tmp_path))
    for number in range(data.train.num_blocks):
        ids, texts = data.train.block(1, 5, number), data.train.texts(1, 5, number)
        for side, encoded, lines in zip(("source", "target"), (ids.sources, ids.targets), texts, strict=True):
            tokens = getattr(data.tokenizer, f"encode_{side}")(lines)
            assert [row.tolist() for row in encoded] == tokens


@pytest.mark.parametrize("fewest", [1, 100])
def test_an_interrupted_encoding_goes_on_and_makes_the_same_files_in_one_process_or_more(
    fewest: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = prepare_data(stored_config(tmp_path))
    folder = data.train.parts[0].folder
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    for path in (folder / "manifest.json", store.shard_path(folder, 3), store.shard_path(folder, 7)):
        path.unlink()
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.suffix == ".arrow"}
    monkeypatch.setattr(encode, "_FEWEST_SHARDS", fewest)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    prepare_data(stored_config(tmp_path))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before, "what was there was not made again"


def test_a_damaged_part_of_the_cache_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = prepare_data(stored_config(tmp_path))
    part = data.train.parts[0]
    (part.folder / "manifest.json").unlink()
    for number in range(len(part.rows)):
        store.shard_path(part.folder, number).unlink()
    store.shard_path(part.text_folder, 2).write_bytes(b"ARROW")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    corpus_digest = store.read_manifest(part.text_folder)["digest"]
    with pytest.raises(DataError, match=r"encoding the corpus stopped: .*shard-000002.arrow: this part of the cache cannot be read"):
        encode_store(part.text_folder, corpus_digest, data.tokenizer, Fit(20, 0.0))


def test_training_on_a_stored_corpus_resumes_exactly_inside_any_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ["training.max_steps=40", "training.validate_every=40", "training.save_every=10", "tokenizer.sampling=0.1"]
    train(stored_config(tmp_path, *settings, "name=whole"))
    real = trainer.train_step

    def stopped_at(model, optimizer, shares, step, *others):
        if step in stops:
            stops.remove(step)
            os.kill(os.getpid(), signal.SIGINT)
        return real(model, optimizer, shares, step, *others)

    stops, places = {5, 6, 23, 31}, []
    monkeypatch.setattr(trainer, "train_step", stopped_at)
    while stops:
        with pytest.raises(Interrupted):
            train(stored_config(tmp_path, *settings, "name=stopped"))
        places.append(RunDirectory(runs_root() / "stopped"))
        step = places[-1].checkpoint_steps()[-1]
        places[-1] = places[-1].read_json(f"checkpoints/step-{step:08d}/state.json")
    train(stored_config(tmp_path, *settings, "name=stopped"))
    whole, stopped = (RunDirectory(runs_root() / name) for name in ("whole", "stopped"))
    assert stopped.weights_path.read_bytes() == whole.weights_path.read_bytes()
    assert {place["block"] for place in places} - {0} and any(place["batch"] for place in places), "they were stopped inside blocks"


def test_a_sampled_block_is_the_same_text_in_other_pieces(tmp_path: Path) -> None:
    config = stored_config(tmp_path, "tokenizer.sampling=0.3")
    data = prepare_data(config)
    encoder = EpochEncoder(config, data.tokenizer, data.train)
    plain, drawn = data.train.block(1, 2, 1), encoder.pairs(2, 1)
    assert [data.tokenizer.decode_target(row) for row in drawn.targets] == [data.tokenizer.decode_target(row) for row in plain.targets]
    assert drawn.targets.flat.tolist() != plain.targets.flat.tolist()
    fresh = EpochEncoder(config, data.tokenizer, data.train)
    fresh.pairs(0, 3)  # whatever was seen before
    assert fresh.pairs(2, 1).targets.flat.tolist() == drawn.targets.flat.tolist()


def test_weights_hold_in_blocks_and_a_small_corpus_may_stand_beside_a_large_one(tmp_path: Path) -> None:
    large = written(tmp_path / "data", "tsv").file
    (tmp_path / "few.tsv").write_text("source\ttarget\n" + "".join(f"{a}\t{b}\n" for a, b in toy_pairs("copy", "valid")[:20]), "utf-8")
    corpora = f"[{{file: {large}}}, {{file: {tmp_path / 'few.tsv'}, weight: 3}}]"
    data = prepare_data(tiny_config(f"data.train={corpora}", "data.max_length=20"))
    assert [type(part).__name__ for part in data.train.parts] == ["StoredPart", "MemoryPart"]
    weights = numpy.concatenate([data.train.block(1, 0, number).weights for number in range(data.train.num_blocks)])
    assert Counter(weights.tolist()) == {1.0: 900, 3.0: 20}


def test_the_plan_of_100_million_pairs_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "CHUNK_PAIRS", 512)
    monkeypatch.setattr(pairs, "BLOCK_CHUNKS", 256)
    rows = [1 << 16] * 1526
    huge = TrainingPairs([StoredPart(Path("nowhere"), rows, Path("nowhere"), rows, 1.0)])
    assert huge.num_pairs > 100_000_000 and huge.num_blocks == 763
    spans = huge._spans(1, 0, 17)
    assert sum(last - first for _, _, found in spans for first, last in found) == 131_072
    assert len(spans) > 200, "a block is drawn from the whole corpus"
    assert huge._firsts.nbytes + huge._shards.nbytes < 10_000_000


def test_ragged_rows_join_choose_and_select() -> None:
    rows = Ragged.of([[1, 2], [], [3], [4, 5, 6]])
    assert [row.tolist() for row in rows] == [[1, 2], [], [3], [4, 5, 6]] and rows[-1].tolist() == [4, 5, 6]
    kept = numpy.array([True, False, False, True])
    assert [row.tolist() for row in rows.where(kept)] == [[1, 2], [4, 5, 6]]
    assert [row.tolist() for row in Ragged.joined([rows.rows(2, 4), rows.rows(0, 1)])] == [[3], [4, 5, 6], [1, 2]]
    other = Ragged.of([[7], [8, 8], [9], []])
    assert [row.tolist() for row in rows.where_else(kept, other)] == [[1, 2], [8, 8], [9], [4, 5, 6]]
    with pytest.raises(IndexError):
        rows[4]
