"""A model's folder from a stranger: loaded or refused in plain words, whatever is in it; nothing is run, nothing outside it is read."""

import os
import random
import re
import resource
import shutil
from pathlib import Path

import pytest
import torch

from mt.errors import MtError, RunError
from mt.runs import RunDirectory
from mt.stored_model import load_model


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> RunDirectory:
    """A copy to spoil, without the hashes that would tell at once."""
    copy = RunDirectory(tmp_path / "stranger")
    shutil.copytree(trained_run, copy.path, symlinks=True)
    shutil.rmtree(copy.checkpoints_path)
    copy.summary_path.unlink()
    return copy


def change(run: RunDirectory, key: str, value: object) -> None:
    text = run.config_path.read_text(encoding="utf-8")
    changed, count = re.subn(rf"^(  {key}:) .*$", rf"\1 {value}", text, flags=re.MULTILINE)
    assert count == 1
    run.config_path.write_text(changed, encoding="utf-8")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("d_model", 1_000_000, "do not belong to the configuration"),
        ("d_ff", 1_000_000, "do not belong to the configuration"),
        ("encoder_layers", 1000, "more layers than there are tensors"),
        ("decoder_layers", 1000, "more layers than there are tensors"),
    ],
)
def test_a_configuration_that_claims_an_absurd_size_takes_no_memory(run: RunDirectory, key: str, value: int, message: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    change(run, key, value)
    with pytest.raises(RunError, match=message):
        load_model(run.path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000, "kilobytes"


@pytest.mark.parametrize("name", ["model.safetensors", "config.yaml", "tokenizer.model"])
def test_links_that_lead_out_of_the_folder_are_not_followed(run: RunDirectory, tmp_path: Path, name: str) -> None:
    shutil.move(run.path / name, tmp_path / "outside")
    (run.path / name).symlink_to(tmp_path / "outside")
    with pytest.raises(RunError, match=rf"{re.escape(name)}: this is a link that leads out of the run's folder"):
        load_model(run.path)


def test_a_run_that_is_a_link_itself_is_fine(run: RunDirectory, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(run.path)
    assert load_model(tmp_path / "link").config == load_model(run.path).config


def test_pickled_weights_are_not_unpickled(run: RunDirectory, tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(tmp_path / "harm"),)

    torch.save({"weight": Harm()}, run.weights_path)
    with pytest.raises(RunError, match="damaged or cut short"):
        load_model(run.path)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.mkdir [harm]", "!!python/name:os.system", "*unknown", "&a [*a]", "{[]: 1}"])
def test_yaml_that_wants_to_run_something_is_text_or_refused(run: RunDirectory, tag: str) -> None:
    change(run, "d_ff", tag)
    with pytest.raises(MtError):
        load_model(run.path)
    assert not Path("harm").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "config.yaml"])
def test_spoiled_files_load_or_are_refused(run: RunDirectory, name: str) -> None:
    """Random bytes in, out and changed: only ever an MtError."""
    path = run.path / name
    whole = path.read_bytes()
    draw = random.Random(seed := random.randrange(10**6))
    for _ in range(60):
        content = bytearray(whole)
        for _ in range(draw.randrange(1, 5)):
            at = draw.randrange(min(len(content), 4000))
            kind = draw.randrange(4)
            if kind == 0:
                content[at] = draw.randrange(256)
            elif kind == 1:
                del content[at : at + draw.randrange(1, 40)]
            elif kind == 2:
                content[at:at] = draw.randbytes(draw.randrange(1, 20))
            else:
                content[at:at] = content[max(0, at - 30) : at]
        path.write_bytes(content)
        try:
            load_model(run.path)
        except MtError as error:
            assert str(error), seed
        except Exception as error:
            raise AssertionError(f"{seed=}: {type(error).__name__} instead of a message") from error
