"""The READMEs keep their promises: commands run, files exist, the map is current, both languages show the same commands."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line import run_mt

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["model.d_model=16", "model.num_heads=2", "model.d_ff=16", "model.encoder_layers=1", "model.decoder_layers=1",
         "tokenizer.vocab_size=900", "training.max_steps=2", "training.validate_sentences=2", "training.max_tokens=400",
         "decoding.max_length_ratio=0.1", "decoding.max_length_extra=2", "decoding.beam_size=2"]  # fmt: skip


def commands(readme: str) -> list[list[str]]:
    """Every `mt …` line of the README's shell blocks, as words."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    lines = [line.split("  #")[0] for block in blocks for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith("mt ")]


def test_there_are_commands_and_both_languages_show_the_same() -> None:
    assert len(commands("README.md")) >= 6
    assert commands("README.md") == commands("README.ko.md")


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    named = set(re.findall(r"^make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


def test_make_alone_lists_every_target() -> None:
    listed = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert all(f"make {target} " in listed for target in targets)


def test_the_file_map_is_current() -> None:
    checked = subprocess.run([sys.executable, "scripts/make_file_map.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_the_readmes_commands_run_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As written, but for a model that is small enough for a test."""
    monkeypatch.chdir(tmp_path)
    korean, english = ["나는 간다.", "너는 온다.", "그는 본다."] * 60, ["I go.", "You come.", "He sees."] * 60
    for name, lines in {"valid.ko": korean[:6], "valid.en": english[:6], "test.ko": korean[:3], "test.en": english[:3],
                        "letters.ko": korean[:2] + [""]}.items():  # fmt: skip
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    pairs = "".join(f"{ko}\t{en}\n" for ko, en in zip(korean, english, strict=True))
    (tmp_path / "pairs.tsv").write_text(pairs, encoding="utf-8")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    example = re.search(r"```yaml\n(# my.yaml.*?)```", text, flags=re.DOTALL)
    assert example is not None
    (tmp_path / "my.yaml").write_text(example[1], encoding="utf-8")
    for words in commands("README.md"):
        if words[1] == "train":
            words += [option for setting in SMALL for option in ("--set", setting)]
        outcome = run_mt(*words[1:])
        assert outcome.exit_code == 0, (words, outcome.stderr)
    assert (tmp_path / "letters.en").read_text(encoding="utf-8").count("\n") == 3
    assert (tmp_path / "scores.json").is_file()


def test_the_python_example_names_what_exists() -> None:
    import mt
    from mt.translator import Translator

    assert mt.Translator is Translator
