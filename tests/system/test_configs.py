"""Every configuration that is shipped trains: one real update, from its own file, through to a finished run."""

import json
import random
import re
from pathlib import Path

import pytest

from mt.config import Config
from mt.config_file import load_config
from mt.training.trainer import train

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
NAMES = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
ONE_STEP = (
    "training.max_steps=1",
    "training.max_tokens=256",
    "training.validate_sentences=2",
    "training.precision=fp32",
    "training.device=cpu",
    "training.threads=1",
    "data.test=[]",
    "decoding.method=greedy",
    "decoding.max_length_ratio=0.1",
    "decoding.max_length_extra=2",
)
"""What makes a training short without touching the model, the tokenizer or the optimiser."""
NARROW = ("model.d_model=32", "model.d_ff=32", "model.encoder_layers=1", "model.decoder_layers=1")
KOREAN = "가 나 다 라 마 바 사 아 자 차 카 타 파 하 은 는 이 을 에서 에게 했다 한다 집 물 학교 사람 나무 바다"
LATIN = "the a house water school tree sea man woman goes sees takes slowly with from under über Straße and or not"


def make_text(path: Path, num_lines: int) -> None:
    """A file of made-up sentences in the script of the language its ending names."""
    words = (KOREAN if path.suffix == ".ko" else LATIN).split()
    generator = random.Random(path.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(" ".join(generator.choices(words, k=8)) + "\n" for _ in range(num_lines)), encoding="utf-8")


def make_data(name: str, folder: Path) -> None:
    """Small files in every place below MT_DATA that the configuration names."""
    named = re.findall(r"\$\{MT_DATA\}/(\S+)", (CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
    for place in named:
        make_text(folder / place, 60 if "train" in place else 4)


def train_one_step(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *overrides: str) -> int:
    """How many updates a training of the configuration has made; what it has written is looked at."""
    monkeypatch.setenv("MT_DATA", str(folder / "data"))
    make_data(name, folder / "data")
    config: Config = load_config(CONFIGS / f"{name}.yaml", [*ONE_STEP, *overrides])
    summary = train(config)
    run = folder / "runs" / name
    assert (run / "model.safetensors").is_file() and json.loads((run / "summary.json").read_text(encoding="utf-8")) == summary
    measured = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert measured, "the step and its validation are noted"
    return summary["step"]


def test_there_are_configurations_to_try() -> None:
    assert {"base", "copy", "demo"} <= set(NAMES)


def test_each_is_named_like_its_file_so_that_its_run_is_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MT_DATA", str(tmp_path))
    assert {name: load_config(name).name for name in NAMES} == {name: name for name in NAMES}


@pytest.mark.parametrize("name", [name for name in NAMES if name != "base"])
def test_it_trains_one_step_at_full_size(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert train_one_step(name, tmp_path, monkeypatch) == 1


def test_base_trains_one_step_when_made_narrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert train_one_step("base", tmp_path, monkeypatch, *NARROW) == 1


@pytest.mark.slow
def test_base_trains_one_step_at_full_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert train_one_step("base", tmp_path, monkeypatch) == 1


@pytest.mark.parametrize("name", [name for name in NAMES if "MT_DATA" in (CONFIGS / f"{name}.yaml").read_text(encoding="utf-8")])
def test_without_its_data_the_message_names_the_variable(name: str) -> None:
    from mt.errors import ConfigError

    with pytest.raises(ConfigError, match="MT_DATA"):
        load_config(name)
