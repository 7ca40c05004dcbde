"""READMEs and guides keep their promises: what they show is typed, in an empty folder, on drawn pairs; both languages show the same."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mt.data.demo import demo_pairs
from tests.command_line import run_mt
from tests.recommended import command_names, options_of
from tests.tiny_pairs import write_table, write_text

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md") if path.name not in ("LOG.md", "bad_input.md"))
GUIDES = ["README.md", *(page for page in PAGES if not page.endswith(".ko.md"))]
"""The English ones. bad_input has tests of its own; LOG is a record."""
SMALL = ["model.d_model=16", "model.num_heads=2", "model.d_ff=16", "model.encoder_layers=1", "model.decoder_layers=1",
         "tokenizer.vocab_size=900", "training.max_steps=2", "training.validate_sentences=2", "training.max_tokens=400",
         "decoding.max_length_ratio=0.1", "decoding.max_length_extra=2", "decoding.beam_size=2"]  # fmt: skip
KOREAN = {"실행": "RUN", "프로그램": "PROGRAM", "파일": "FILE", "문장": "SENTENCE"}
"""The same words on Korean pages."""
PLACEHOLDERS = {"RUN": "demo", "SENTENCE": "문장", "C": "my.yaml", "PROGRAM": "ctranslate2"}
"""What stands for something of one's own, and what the test gives."""
NOT_TYPED = re.compile(r"[…\[\]|]|\b(DIR|KEY|FILE|NAME|N|H)\b|--config (ko-en|multi30k\S*|rnn\S*)( |$)|--(input|data|config|model)$")
"""What is not a whole command, or needs corpora that do not come with mt."""


def text_of(guide: str) -> str:
    return (ROOT / guide).read_text(encoding="utf-8")


def korean(guide: str) -> str:
    """The Korean version of a page."""
    return guide.removesuffix(".md") + ".ko.md"


def blocks(guide: str) -> list[list[str]]:
    """Every `mt …` line of a page's shell blocks, as words."""
    found = re.findall(r"```sh\n(.*?)```", text_of(guide), flags=re.DOTALL)
    lines = [line.split("  #")[0] for block in found for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith("mt ")]


def commands(guide: str) -> list[list[str]]:
    """Every command of a page that can be typed, blocks and sentences, in order, without repetition."""
    found: list[str] = []
    for match in re.finditer(r"```(\w*)\n(.*?)```|`(mt [^`\n]+)`|^    (mt [^\n]+)", text_of(guide), flags=re.DOTALL | re.MULTILINE):
        is_whole = match[3] and match[3].removeprefix("mt ") not in command_names()  # else only the name of a command
        lines = [match[3]] if is_whole else [match[4]] if match[4] else match[2].splitlines() if match[1] == "sh" else []
        found += [line.split("  #")[0].strip() for line in lines if line.startswith("mt ")]
    english = [" ".join(KOREAN.get(word, word) for word in line.split(" ")) for line in found]
    return [shlex.split(line) for line in dict.fromkeys(english) if not NOT_TYPED.search(line)]


def mentioned_options(guide: str) -> set[tuple[str, str]]:
    """(command, option) for every `mt COMMAND … --option` of a page, usage lines too."""
    pairs = set()
    for line in re.findall(r"`(mt [^`\n]+)`", text_of(guide)) + [shlex.join(words) for words in blocks(guide)]:
        words = line.split()
        name = " ".join(words[1:3]) if words[1] in ("inspect", "config", "tokenizer") and words[2:] and words[2].isalpha() else words[1]
        if name.startswith("-"):
            continue  # mt --help
        pairs |= {(name, option) for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", line)}
    return pairs


def put_files() -> None:
    """The files that the pages name, drawn."""
    pairs = demo_pairs("train")[:180]
    for split, count in (("train", 180), ("valid", 6), ("test", 3)):
        for ending, side in (("ko", 0), ("en", 1)):
            Path(f"{split}.{ending}").write_text("".join(f"{pair[side]}\n" for pair in pairs[:count]), encoding="utf-8")
    Path("letters.ko").write_text(f"{pairs[0][0]}\n{pairs[1][0]}\n\n", encoding="utf-8")
    Path("letters.txt").write_text(f"{pairs[0][0]}\n", encoding="utf-8")
    Path("made.txt").write_text(f"{pairs[0][0]}\n", encoding="utf-8")
    Path("notes.md").write_text(f"# {pairs[0][0]}\n\n* {pairs[1][0]}\n", encoding="utf-8")
    cues = "".join(f"{number}\n00:00:0{number},000 --> 00:00:0{number},500\n{pairs[number][0]}\n\n" for number in (1, 2))
    Path("film.srt").write_text(cues, encoding="utf-8")
    Path("reviews.csv").write_text(f"id,review\n1,{pairs[0][0]}\n2,{pairs[1][0]}\n", encoding="utf-8")
    Path("big.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in demo_pairs("train")[:400]), encoding="utf-8")
    write_table("pairs.tsv", "number", "ko", "en", header="SID\t원문\t번역문", count=320)
    write_text("corpus.ko", "ko")
    write_text("corpus.en", "en")
    example = re.search(r"```yaml\n(# my.yaml.*?)```", text_of("README.md"), flags=re.DOTALL)
    assert example is not None
    text = example[1].replace("train: pairs.tsv", "train: {source: train.ko, target: train.en}")
    Path("my.yaml").write_text(text, encoding="utf-8")


def typed(words: list[str]) -> list[str]:
    """A command as the test types it: placeholders filled, and a model that is small enough."""
    words = ["diff", "demo", "my"] if words[1] == "diff" else [PLACEHOLDERS.get(word, word) for word in words[1:]]
    if words[0] == "train" and "--verify-resume" not in words:
        words += [option for setting in SMALL for option in ("--set", setting)]
    if "--verify-resume" in words:
        words += [option for setting in [*SMALL, "training.save_every=1"] for option in ("--set", setting)]
    return words


@pytest.mark.parametrize("guide", GUIDES)
def test_both_languages_show_the_same_commands(guide: str) -> None:
    if not (ROOT / korean(guide)).is_file():
        pytest.skip("has no Korean version")
    assert blocks(guide) == blocks(korean(guide))
    assert {tuple(words) for words in commands(guide)} == {tuple(words) for words in commands(korean(guide))}


@pytest.mark.parametrize("guide", [page for guide in GUIDES for page in (guide, korean(guide)) if (ROOT / page).is_file()])
def test_every_option_that_a_page_shows_exists(guide: str) -> None:
    missing = [(name, option) for name, option in sorted(mentioned_options(guide)) if option not in options_of(name)]
    assert missing == []


@pytest.mark.parametrize("guide", GUIDES)
def test_the_commands_of_a_page_run_in_their_order(guide: str, tmp_path: Path) -> None:
    """As written, in an empty folder with pairs of one's own, but for a model that is small enough for a test."""
    put_files()
    small = [option for setting in SMALL for option in ("--set", setting)]
    if not commands(guide):
        pytest.skip("shows no commands")
    assert run_mt("train", "--config", "demo", *small).exit_code == 0
    if guide == "README.md":
        assert run_mt("train", "--config", "my.yaml", *small, "--set", "training.save_every=1").exit_code == 0
    for words in commands(guide):
        command = typed(words)
        if words[1] == "init":
            command.append("--force")
        if "--max-hours" in words or "--max-minutes" in words:
            command += ["--set", "training.max_epochs=1", "--restart"]
        if command[:2] == ["train", "--config"] and not {"--verify-resume", "--restart"} & set(command):
            command += ["--restart"]
        if "--verify-resume" in command:
            assert run_mt(*[word for word in command if word != "--verify-resume"], "--restart").exit_code == 0
        if "--processes" in command:
            continue  # tests/training/test_distributed.py starts processes
        outcome = run_mt(*command)
        expected = (0, 1) if words[1] in ("check", "selftest") else (0,)
        assert outcome.exit_code in expected, (words, outcome.stderr)
        assert "Traceback" not in outcome.stderr
    if guide == "README.md":
        assert Path("letters.en").read_text(encoding="utf-8").count("\n") == 3
        assert Path("scores.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("readme", ["README.md", "README.ko.md"])
def test_the_first_block_ends_in_a_correct_translation(readme: str) -> None:
    """Typed as it is."""
    first = re.findall(r"```sh\n(mt .*?)```", text_of(readme), flags=re.DOTALL)[0]
    for line in first.splitlines():
        outcome = run_mt(*shlex.split(line)[1:])
        assert outcome.exit_code == 0, outcome.stderr
        if line.startswith("mt translate"):
            assert outcome.stdout == "I bought three apples at the market yesterday.\n"
    assert "`I bought three apples at the market\nyesterday.`" in text_of(readme)


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    named = set(re.findall(r"^make ([a-z-]+)", text_of("README.md"), flags=re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


def test_make_alone_lists_every_target() -> None:
    listed = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert all(f"make {target} " in listed for target in targets)


def test_the_file_map_is_current() -> None:
    checked = subprocess.run([sys.executable, "scripts/make_file_map.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_the_python_example_names_what_exists() -> None:
    import mt
    from mt.translator import Translator

    assert mt.Translator is Translator
