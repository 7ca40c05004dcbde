"""What must hold for any input: an answer in time, one message instead of a traceback, and every line in its place.

Each subject is a class whose `run` takes a hypothesis data object, so that tests draw a few inputs and scripts/fuzz.py many thousands.
"""

import json
import shutil
import signal
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import strategies as st

from mt.config import Config
from mt.config_file import load_config
from mt.documents.kinds import FORMATS
from mt.errors import MtError
from tests.command_line import Outcome, run_mt
from tests.documents.rewriting import rewritten
from tests.fuzz.inputs import OF_FORMAT, damaged, damages, files, scalars, trees

MOST_SECONDS = 30
"""After which an input counts as one that hangs."""
_ENDINGS = {"text": ".txt", "markdown": ".md"}


@contextmanager
def in_time() -> Iterator[None]:
    """TimeoutError when what is inside takes too long."""

    def too_long(*_: object) -> None:
        raise TimeoutError(f"no answer in {MOST_SECONDS} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def answered(*arguments: str, codes: tuple[int, ...] = (0, 2)) -> Outcome:
    """A command that must end with one of the codes, and with a message where it is 2."""
    with in_time():
        outcome = run_mt(*arguments)
    assert outcome.exit_code in codes, outcome
    assert "Traceback" not in outcome.stderr, outcome
    assert outcome.exit_code != 2 or outcome.stderr.strip(), "refused without a word"
    return outcome


class Subject:
    """One part of the program under fire. folder: a place of its own; run: a trained run, for reading."""

    def __init__(self, folder: Path, run: Path):
        self.folder, self.run = folder, run

    def fresh(self) -> Path:
        """An empty folder, always the same."""
        place = self.folder / "here"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        return place

    def throw(self, data: st.DataObject) -> None:
        """Draw an input, use it, and look at what came of it."""
        raise NotImplementedError


class Check(Subject):
    """`mt check --fix` of two files or a table: every line is in the copy or in the list of changes."""

    def throw(self, data: st.DataObject) -> None:
        place = self.fresh()
        kind = data.draw(st.sampled_from(("text", "text", "tsv", "csv", "jsonl")))
        paths = [place / "a.ko", place / "a.en"] if kind == "text" else [place / f"a.{kind}"]
        contents = [data.draw(files(OF_FORMAT[kind])) for _ in paths]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        outcome = answered(
            "check", *map(str, paths), "--source", "ko", "--target", "en", "--fix", str(place / "out"), "--json", str(place / "found.json"),
            codes=(0, 1, 2),
        )  # fmt: skip
        if outcome.exit_code == 2:
            assert not (place / "out").exists(), "refused, but something was written"
            return
        assert [path.read_bytes() for path in paths] == contents, "the input was changed"
        if kind == "text" and all(_is_plain(content) for content in contents):
            self._all_lines_are_somewhere(place, contents)

    @staticmethod
    def _all_lines_are_somewhere(place: Path, contents: list[bytes]) -> None:
        written = (place / "out" / "changes.jsonl").read_text(encoding="utf-8")
        changes = [json.loads(line) for line in written.split("\n") if line]  # not splitlines: U+2028 may stand in a text
        left_out = [entry["line"] for entry in changes if entry["what"] == "left out"]
        counts = [(path.read_bytes()).count(b"\n") for path in sorted((place / "out" / "train").rglob("a.*"))]
        lines = [content.count(b"\n") + (not content.endswith(b"\n") and bool(content)) for content in contents]
        assert len(left_out) == len(set(left_out)), "a line is left out twice"
        assert len(set(counts)) == 1 and counts[0] + len(left_out) == max(lines), (counts, len(left_out), lines)


class Translate(Subject):
    """`mt translate --input` of documents in every format: as many lines as before, and what is not text stays, byte for byte."""

    def throw(self, data: st.DataObject) -> None:
        place = self.fresh()
        kind = data.draw(st.sampled_from(FORMATS))
        content = data.draw(files(OF_FORMAT[kind]))
        path, output = place / f"in{_ENDINGS.get(kind, f'.{kind}')}", place / "out"
        path.write_bytes(content)
        outcome = answered("translate", "--model", str(self.run), "--input", str(path), "--output", str(output), "--beam", "1")
        if outcome.exit_code == 2:
            assert not output.exists(), "refused, but something was written"
        elif kind == "text" and _is_plain(content):
            assert output.read_bytes().count(b"\n") == content.count(b"\n"), "lines were lost or added"
        assert path.read_bytes() == content, "the input was changed"
        assert {one.name for one in place.iterdir()} <= {path.name, output.name}, "something was left beside it"
        if _is_plain(content):
            try:
                again = rewritten(content, kind)
            except MtError:
                return
            assert _composed(again) == _composed(content), "what was not to be translated came back otherwise"


class Configuration(Subject):
    """A configuration and --set of any values: a configuration, or a message."""

    def throw(self, data: st.DataObject) -> None:
        place = self.fresh()
        shipped = sorted((Path(__file__).resolve().parents[2] / "configs").glob("*.yaml"))
        text = data.draw(st.sampled_from(shipped)).read_text(encoding="utf-8")
        lines = text.split("\n")
        for _ in range(data.draw(st.integers(0, 4))):
            at = data.draw(st.integers(0, len(lines) - 1))
            value = data.draw(st.one_of(scalars, trees))
            written = data.draw(st.sampled_from((json.dumps(value, ensure_ascii=False), str(value), repr(value))))
            what = data.draw(st.sampled_from(("value", "line", "lost", "twice", "indent")))
            if what == "value" and ":" in lines[at]:
                lines[at] = lines[at].split(":", 1)[0] + ": " + written
            elif what == "line":
                lines.insert(at, written)
            elif what == "lost":
                lines[at] = ""
            elif what == "twice":
                lines.insert(at, lines[at])
            else:
                lines[at] = " " * data.draw(st.integers(1, 5)) + lines[at]
        content = "\n".join(lines).encode("utf-8", "surrogatepass")
        if data.draw(st.integers(0, 3)) == 0:
            content = damaged(content, data.draw(damages))
        path = place / "c.yaml"
        path.write_bytes(content)
        keys = st.sampled_from([*_keys(), "model", "data.train", "nothing", "model.nothing", "", "=", "training."])
        overrides = data.draw(st.lists(st.builds(lambda key, value: f"{key}={value}", keys, st.one_of(scalars, trees)), max_size=2))
        with in_time():
            try:
                config = load_config(path, overrides)
            except MtError as error:
                assert str(error).strip(), "refused without a word"
            else:
                assert isinstance(config, Config)


class Model(Subject):
    """A run from a stranger: one of its files damaged or exchanged. Loaded and used, or refused; nothing outside is touched."""

    def throw(self, data: st.DataObject) -> None:
        place = self.fresh()
        run = place / "run"
        shutil.copytree(self.run, run, ignore=shutil.ignore_patterns("checkpoints", "tensorboard", "projections.jsonl"))
        path = run / data.draw(st.sampled_from(("config.yaml", "model.safetensors", "tokenizer.model", "summary.json", "data.json")))
        content = path.read_bytes()
        if path.suffix == ".json" and data.draw(st.booleans()):
            content = _other_json(content, data)
        elif path.suffix == ".safetensors" and data.draw(st.booleans()):
            length = int.from_bytes(content[:8], "little")
            head = damaged(content[8 : 8 + length], data.draw(damages))
            if data.draw(st.booleans()):
                head = _other_json(content[8 : 8 + length], data)
            content = data.draw(st.sampled_from((len(head), length, 2**40, 2**63))).to_bytes(8, "little") + head + content[8 + length :]
        else:
            content = damaged(content, data.draw(damages))
        path.write_bytes(content)
        if data.draw(st.booleans()) and (run / "summary.json").is_file():
            (run / "summary.json").unlink()  # with it the hashes go: the weights' own checks are left
        before = _listing(place)
        answered("translate", "--model", str(run), "--beam", data.draw(st.sampled_from("13")), "ba be bi")
        assert _listing(place) == before, "translating wrote something"


SUBJECTS = {"check": Check, "translate": Translate, "config": Configuration, "model": Model}


def _keys() -> list[str]:
    """Every setting's name."""
    found = []
    for name, field in Config.model_fields.items():
        inner = getattr(field.annotation, "model_fields", {})
        found += [f"{name}.{key}" for key in inner] or [name]
    return found


def _is_plain(content: bytes) -> bool:
    """Whether these bytes are UTF-8 with no byte order mark and no NUL, of which nothing has to be guessed."""
    if content.startswith(b"\xef\xbb\xbf") or b"\0" in content:
        return False
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _composed(content: bytes) -> str:
    return unicodedata.normalize("NFC", content.decode("utf-8"))


def _other_json(content: bytes, data: st.DataObject) -> bytes:
    """A JSON object with some of its values exchanged, at any depth."""
    tree = json.loads(content)
    for _ in range(data.draw(st.integers(1, 3))):
        place = tree
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
                place = place[key]
                continue
            if isinstance(place, dict) and data.draw(st.integers(0, 4)) == 0:
                del place[key]
            else:
                place[key] = data.draw(st.one_of(scalars, trees))
            break
    return json.dumps(tree).encode("utf-8", "surrogatepass")


def _listing(place: Path) -> dict[str, int]:
    """Every file and its size, but for what the first translation notes of the numpy engine."""
    return {str(path.relative_to(place)): path.stat().st_size for path in place.rglob("*") if path.name != "engines.json"}
