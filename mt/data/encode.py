"""A corpus on disk (gather.py) turned into token ids on disk, by as many processes as there are cores.

Each shard of texts becomes one shard of ids, written when it is whole: an interrupted encoding goes on after the last of them.
`python -m mt.data.encode FOLDER NUMBER COUNT` is one of the processes; it needs no torch and starts in a moment.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy

from mt.data.pairs import Ragged
from mt.data.store import cache_root, cache_writable, open_shard, read_manifest, read_report, shard_path, write_manifest, write_shard
from mt.data.tokenizer import Tokenizer
from mt.errors import DataError, MtError
from mt.files import write_atomically
from mt.output import progress_bar

_FORMAT = 1
"""Another one where stores of earlier versions cannot be used."""
_JOB = "job.json"
_FEWEST_SHARDS = 4
"""Fewer shards than these are not worth more processes."""


@dataclass(frozen=True)
class Fit:
    """Which pairs are kept."""

    max_length: int
    """`data.max_length`, tokens of the longer side."""
    max_ratio: float
    """`data.max_ratio`, longer to shorter side; 0: any."""

    def reasons(self, lengths_N2: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Two masks over pairs: too long, and else too lopsided."""
        too_long = lengths_N2.max(axis=1) > self.max_length
        lopsided = numpy.zeros_like(too_long)
        if self.max_ratio > 0:
            lopsided = ~too_long & (lengths_N2.max(axis=1) > self.max_ratio * lengths_N2.min(axis=1))
        return too_long, lopsided


@dataclass(frozen=True)
class EncodedStore:
    """A corpus's token ids on disk."""

    folder: Path
    rows: Sequence[int]
    """Pairs kept of each shard."""
    text_rows: Sequence[int]
    """Pairs in each shard of texts."""
    too_long: tuple[int, ...]
    """Lines of the corpus that are left out."""
    lopsided: tuple[int, ...]
    """The others that are."""


def encode_store(texts: Path, digest: str, tokenizer: Tokenizer, fit: Fit) -> EncodedStore:
    """The token ids of the corpus in the folder `texts`: from the cache, or made now as far as they are missing.

    digest: of the corpus. DataError when the disk is full or a part of the cache is damaged.
    """
    key = f"{_FORMAT} {digest} {tokenizer.fingerprint()} {fit.max_length} {fit.max_ratio!r}"
    folder = cache_root() / "encoded" / hashlib.sha256(key.encode()).hexdigest()[:32]
    text_rows = read_manifest(texts)["rows"]
    manifest = read_manifest(folder)
    if manifest is None:
        with cache_writable(folder):
            folder.mkdir(parents=True, exist_ok=True)
            tokenizer.save(folder)
            write_atomically(folder / _JOB, json.dumps({"texts": str(texts), "shards": len(text_rows), **vars(fit)}))
        _encode_missing(folder, len(text_rows))
        reports = [read_report(shard_path(folder, number)) for number in range(len(text_rows))]
        manifest = {"rows": [report["kept"] for report in reports]}
        manifest |= {reason: [line for report in reports for line in report[reason]] for reason in ("too_long", "lopsided")}
        write_manifest(folder, manifest)
    return EncodedStore(folder, manifest["rows"], text_rows, tuple(manifest["too_long"]), tuple(manifest["lopsided"]))


def _encode_missing(folder: Path, shards: int) -> None:
    """Run the processes and show how far they are; here when there is little to do."""
    missing = _missing(folder, shards)
    processes = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, len(missing))
    if len(missing) < _FEWEST_SHARDS or processes == 1:
        encode_share(folder, 0, 1)
        return
    command = [sys.executable, "-m", "mt.data.encode", str(folder)]
    environment = os.environ | {"PYTHONIOENCODING": "utf-8"}
    children = [
        subprocess.Popen([*command, str(number), str(processes)], stderr=subprocess.PIPE, encoding="utf-8", env=environment)
        for number in range(processes)
    ]
    try:
        first = shards - len(missing)
        with progress_bar(total=shards, initial=first, desc="encoding", unit="shard", disable=None, leave=False) as bar:
            while any(child.poll() is None for child in children) and all(child.poll() in (None, 0) for child in children):
                time.sleep(0.1)
                bar.update(shards - len(_missing(folder, shards)) - bar.n)
        for child in children:
            if child.poll():
                said = child.stderr.read().strip().splitlines()
                reason = said[-1] if said else f"it ended with {child.returncode}: out of memory?"
                raise DataError(f"encoding the corpus stopped: {reason} What is encoded already is used again.")
    finally:
        for child in children:
            child.kill()
            child.wait()
            child.stderr.close()


def _missing(folder: Path, shards: int) -> list[int]:
    """The shards that are still to be made."""
    return [number for number in range(shards) if not shard_path(folder, number).exists()]


def encode_share(folder: Path, process: int, processes: int) -> None:
    """Make every processes-th missing shard."""
    job = json.loads((folder / _JOB).read_text("utf-8"))
    tokenizer = Tokenizer.load(folder)
    fit = Fit(job["max_length"], job["max_ratio"])
    for number in range(process, job["shards"], processes):
        if not shard_path(folder, number).exists():
            _encode_shard(shard_path(Path(job["texts"]), number), shard_path(folder, number), tokenizer, fit)


def _encode_shard(texts: Path, ids: Path, tokenizer: Tokenizer, fit: Fit) -> None:
    """Token ids of the pairs that fit, the row each had among the texts, and the lines of the others."""
    import pyarrow

    table = open_shard(texts)
    sides = [tokenizer.encode_source(table["source"].to_pylist()), tokenizer.encode_target(table["target"].to_pylist())]
    lengths_N2 = numpy.array([[len(row) for row in side] for side in sides], dtype=numpy.int64).T
    too_long, lopsided = fit.reasons(lengths_N2)
    kept = numpy.flatnonzero(~(too_long | lopsided))
    narrow = max(len(tokenizer.source), len(tokenizer.target)) <= 1 << 16
    type_ = pyarrow.uint16() if narrow else pyarrow.int32()
    columns = {name: _lists([side[row] for row in kept], type_) for name, side in zip(("source", "target"), sides, strict=True)}
    lines = table["line"].to_numpy()
    report = {"kept": len(kept), "too_long": lines[too_long].tolist(), "lopsided": lines[lopsided].tolist()}
    write_shard(ids, columns | {"row": pyarrow.array(kept.astype(numpy.int32))}, report)


def _lists(rows: Sequence[Sequence[int]], type_: object) -> object:
    """A pyarrow list array; ten times as fast as from the lists themselves."""
    import pyarrow


    ragged = Ragged.of(rows)
    return pyarrow.ListArray.from_arrays(pyarrow.array(ragged.starts.astype(numpy.int32)), pyarrow.array(ragged.flat).cast(type_))


if __name__ == "__main__":
    try:
        encode_share(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    except MtError as error:
        sys.exit(str(error))
