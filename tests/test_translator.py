"""The Python API: text in, text out, in order; and which model is meant when none is named."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mt import Translator
from mt.data.toy import toy_pairs
from mt.errors import ConfigError, DecodingError, RunError
from mt.minimum_bayes_risk import rank_by_agreement
from mt.runs import RunDirectory, find_model
from mt.training.trainer import train
from tests.tiny import tiny_config

SOURCES = [source for source, _ in toy_pairs("copy", "test")[:30]]


@pytest.fixture(scope="module")
def translator(trained_run: Path) -> Translator:
    return Translator.load(trained_run)


def runs() -> Path:
    return Path(os.environ["MT_RUNS"])


def copy_run(run: Path, name: str, finished: bool = True) -> Path:
    """A run of that name in the runs folder, changed now."""
    shutil.copytree(run, runs() / name, symlinks=True)
    now = time.time() + len(list(runs().iterdir()))  # later than those before, on a coarse clock too
    for file in ("config.yaml", "summary.json"):
        os.utime(runs() / name / file, (now, now))
    if not finished:
        (runs() / name / "summary.json").unlink()
        (runs() / name / "model.safetensors").unlink()
    return runs() / name


def test_what_was_learnt_comes_back_in_the_order_asked(translator: Translator) -> None:
    translations = translator.translate(SOURCES)
    assert sum(translation == source for translation, source in zip(translations, SOURCES, strict=True)) >= 24
    assert translator.translate(SOURCES[::-1]) == translations[::-1]
    assert translator.translate(SOURCES[:3] * 2) == translations[:3] * 2


def test_many_lines_are_searched_in_blocks_with_the_same_results(translator: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    whole = translator.translate_nbest([*SOURCES, ""], progress=counts.append)
    monkeypatch.setattr("mt.translator.BLOCK_LINES", 7)
    blocks = translator.translate_nbest([*SOURCES, ""], progress=counts.append)
    assert [[one.text for one in found] for found in blocks] == [[one.text for one in found] for found in whole]
    scores = [[one.log_prob for one in found] for found in whole]
    # To the last bit on the processors that was measured on (docs/LOG.md, 2026-11-25); others may differ in it: `mt selftest` tells.
    assert [[one.log_prob for one in found] for found in blocks] == [pytest.approx(each, abs=1e-5) for each in scores]
    assert sum(counts) == 2 * len(whole) == 2 * (len(SOURCES) + 1)


def test_a_line_without_text_stays_one(translator: Translator) -> None:
    lines = ["", SOURCES[0], "   ", "\n", SOURCES[1], ""]
    first, second = translator.translate(SOURCES[:2])
    assert translator.translate(lines) == ["", first, "", "", second, ""]
    assert translator.translate([""]) == [""]
    assert translator.translate([]) == []


def test_text_the_model_has_never_seen_is_translated_to_something(translator: Translator) -> None:
    odd = ["안녕하세요 😀", "\ud55c\u0000", "a" * 3000, "\u2028", "\t"]
    translations = translator.translate(odd)
    assert len(translations) == len(odd)
    assert not any("\n" in translation for translation in translations)


@pytest.mark.parametrize("method", ["greedy", "beam", "sampling"])
def test_a_batch_gives_what_each_sentence_gives_alone(translator: Translator, method: str) -> None:
    together = translator.translate(SOURCES, method=method, beam_size=4)
    assert [translator.translate([source], method=method, beam_size=4)[0] for source in SOURCES] == together
    assert translator.translate(SOURCES, method=method, beam_size=4, max_tokens=1) == together


def test_a_beam_of_one_is_greedy_search(translator: Translator) -> None:
    greedy = translator.translate_nbest(SOURCES, translator.options(method="greedy"))
    beam = translator.translate_nbest(SOURCES, translator.options(method="beam", beam_size=1))
    assert [nbest[0].text for nbest in greedy] == [nbest[0].text for nbest in beam]
    assert [nbest[0].log_prob for nbest in greedy] == pytest.approx([nbest[0].log_prob for nbest in beam], abs=1e-4)


def test_n_best_are_different_and_ranked(translator: Translator) -> None:
    for nbest in translator.translate_nbest(SOURCES, translator.options(beam_size=4, nbest=4)):
        assert len(nbest) == 4
        finished = [translation for translation in nbest if translation.finished]
        assert [one.score for one in finished] == sorted((one.score for one in finished), reverse=True)
        assert all(one.log_prob <= 0 for one in nbest)


def test_minimum_bayes_risk_chooses_among_the_n_best(translator: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = ["", *SOURCES]
    nbest = translator.translate_nbest(sources, translator.options(beam_size=6, nbest=6))
    expected = [rank_by_agreement(candidates, by_probability=True) for candidates in nbest]
    assert translator.translate_nbest(sources, translator.options(beam_size=2, mbr=6, nbest=3)) == [one[:3] for one in expected]
    assert translator.translate(sources, mbr=6) == [one[0].text for one in expected]
    wider = translator.translate_nbest(sources, translator.options(beam_size=8, mbr=6))
    assert [[one.text] for [one] in wider] == [
        [rank_by_agreement(candidates[:6], by_probability=True)[0].text]
        for candidates in translator.translate_nbest(sources, translator.options(beam_size=8, nbest=6))
    ]
    monkeypatch.setattr("mt.translator.BLOCK_LINES", 7)
    assert translator.translate(sources, mbr=6) == [one[0].text for one in expected], "block by block as well"


def test_sampling_is_repeatable(translator: Translator) -> None:
    def drawn(seed: int) -> list[str]:
        return translator.translate(SOURCES, method="sampling", temperature=3.0, seed=seed)

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_an_unknown_decoding_field_is_refused_with_the_nearest(translator: Translator) -> None:
    with pytest.raises(ConfigError, match="decoding.beam_siz.*beam_size"):
        translator.translate(SOURCES, beam_siz=2)
    with pytest.raises(ConfigError, match="beam_size"):
        translator.translate(SOURCES, beam_size=0)
    with pytest.raises((ConfigError, DecodingError), match="nbest"):
        translator.translate(SOURCES, nbest=9, method="beam", beam_size=2)


def test_one_string_instead_of_a_list_is_refused(translator: Translator) -> None:
    with pytest.raises(TypeError, match=r"takes a list of sentences, not one string: translate\(\[sentence\]\)"):
        translator.translate("ba be")


def test_progress_counts_every_line_once(translator: Translator) -> None:
    counts: list[int] = []
    translator.translate_nbest(["", *SOURCES, ""], translator.options(max_tokens=50), counts.append)
    assert sum(counts) == len(SOURCES) + 2 and len(counts) > 2


def test_decomposed_text_is_composed_first(translator: Translator) -> None:
    assert translator.translate(["e\u0301"]) == translator.translate(["\u00e9"])


# ── which model ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_name_the_latest_finished_run_is_meant(trained_run: Path) -> None:
    copy_run(trained_run, "older")
    newer = copy_run(trained_run, "newer")
    copy_run(trained_run, "newest-but-unfinished", finished=False)
    assert find_model() == newer
    assert Translator.load().translate(SOURCES[:1])


def test_a_path_a_name_a_checkpoint_and_the_variable_name_a_model(trained_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = copy_run(trained_run, "one"), copy_run(trained_run, "other")
    assert find_model("one") == one
    assert find_model(str(one)) == one
    best = one / "checkpoints" / "best"
    assert find_model(str(best)) == best
    assert Translator.load(best).translate(SOURCES[:1])
    assert Translator.load(Path("runs") / "one").config.name == "copy"
    monkeypatch.setenv("MT_MODEL", "one")
    assert find_model() == one
    assert find_model("other") == other, "what is asked for comes before the variable"


def test_an_unknown_name_is_told_with_those_there_are(trained_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError, match=r"--model: there is no run 'nonesuch' \(looked for nonesuch and runs/nonesuch\); runs here: none"):
        find_model("nonesuch")
    copy_run(trained_run, "one")
    copy_run(trained_run, "two")
    with pytest.raises(RunError, match="runs here: two, one"):
        find_model("nonesuch")
    monkeypatch.setenv("MT_MODEL", "gone")
    with pytest.raises(RunError, match="MT_MODEL: there is no run 'gone'"):
        find_model()


def test_without_any_run_the_next_thing_to_do_is_told() -> None:
    with pytest.raises(RunError, match=r"no trained model in runs; train one first \('mt train --config demo'\)"):
        find_model()


def test_unfinished_runs_are_told_and_can_be_used(trained_run: Path) -> None:
    run = copy_run(trained_run, "half", finished=False)
    with pytest.raises(RunError, match=r"no finished run in runs, but 1 unfinished; go on with one .*half.*--model runs/half"):
        find_model()
    assert Translator.load("half").translate(SOURCES[:1])
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(RunError, match="this run has saved no weights yet; go on with 'mt train --config runs/half/config.yaml'"):
        Translator.load("half")


def test_the_weights_of_a_run_that_goes_on_are_its_best_until_it_ends() -> None:
    train(tiny_config())
    run = RunDirectory(runs() / "tiny")
    run.summary_path.unlink()
    run.weights_path.unlink()
    assert Translator.load("tiny").translate(["ba"])


def test_a_translator_keeps_few_kernels_unless_told_otherwise(trained_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    monkeypatch.delenv(name, raising=False)
    Translator.load(trained_run)
    assert os.environ[name] == "256"
    monkeypatch.setenv(name, "7")
    Translator.load(trained_run)
    assert os.environ[name] == "7"


def test_translating_does_not_load_the_compiler(trained_run: Path) -> None:
    code = f"import sys; from mt import Translator; print(Translator.load({str(trained_run)!r}).translate(['ba be'])); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    translated, modules = done.stdout.splitlines()
    assert translated == str(Translator.load(trained_run).translate(["ba be"])) and "torch._dynamo" not in modules.split()
