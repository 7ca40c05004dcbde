"""A whole training: when it ends, what it measures, what it leaves out, and how it does without validation or test pairs."""

import json
import logging
import math
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import torch
import torch.nn.functional as functional

from mt.config_file import load_config
from mt.data.corpus import read_corpora
from mt.data.special_ids import BOS, EOS
from mt.data.tokenizer import Tokenizer
from mt.data.toy import toy_pairs
from mt.errors import DataError
from mt.evaluation import quick_scores
from mt.runs import RunDirectory, runs_root
from mt.stored_model import load_model
from mt.training import trainer
from mt.training.hardware import Hardware
from mt.training.prepare import EpochEncoder, prepare_data
from mt.training.setup import set_up
from mt.training.step import train_step
from mt.training.trainer import batches_from, train
from mt.training.validation import ValidationPairs, validate
from mt.translator import Translator
from tests.tiny import tiny_config

FP32 = Hardware("cpu", "fp32", "")


def the_run() -> RunDirectory:
    return RunDirectory(runs_root() / "tiny")


def metrics(kind: str) -> list[dict]:
    lines = [json.loads(line) for line in the_run().metrics_path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["kind"] == kind]


def write_pairs(path: Path, pairs: list[tuple[str, str]]) -> Path:
    path.write_text("".join(f"{source}\t{target}\n" for source, target in pairs), encoding="utf-8")
    return path


# ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_max_epochs_ends_the_run_after_the_last_batch_of_the_epoch(tmp_path: Path) -> None:
    pairs = toy_pairs("copy", "train")[:120]
    corpus = write_pairs(tmp_path / "pairs.tsv", pairs)
    config = tiny_config(f"data.train={corpus}", "training.max_epochs=2", "training.max_steps=1000", "training.max_tokens=200")
    summary = train(config)
    assert summary["epochs"] == 2 and 2 < summary["step"] < 1000
    tokenizer = Tokenizer.load(the_run().path)
    assert summary["target_tokens"] == 2 * sum(len(ids) for ids in tokenizer.encode_target([target for _, target in pairs]))
    assert the_run().checkpoint_steps()[-1] == summary["step"], "the end is saved"


def test_with_accumulation_updates_take_as_many_batches(tmp_path: Path) -> None:
    training = set_up(tiny_config("training.accumulation=3"), the_run())
    batches = batches_from(training)
    expected = sum(next(batches).num_target_tokens for _ in range(12))
    assert train(tiny_config("name=other", "training.accumulation=3", "training.max_steps=4"))["target_tokens"] == expected


def test_a_step_on_split_batches_is_the_step_on_the_whole() -> None:
    """Without dropout the gradient does not depend on how the pairs are divided among accumulated batches."""
    from mt.data.batching import make_batch, whole

    config = tiny_config("model.dropout=0", "training.optimizer=adam", "training.clip_norm=0")
    trainings = [set_up(config, RunDirectory(runs_root() / name)) for name in ("whole", "split")]
    results = []
    for training, parts in zip(trainings, ([range(12)], [range(5), range(5, 12)]), strict=True):
        pairs = EpochEncoder(config, training.data.tokenizer, training.data.train).pairs(0)
        batches = [make_batch(pairs, list(part)) for part in parts]
        results.append(train_step(training.model, training.optimizer, [whole(*batches)], 1, 0.001, config.training, FP32).result())
    assert results[0].num_target_tokens == results[1].num_target_tokens
    assert results[0].loss == pytest.approx(results[1].loss, rel=1e-6)
    assert results[0].gradient_norm == pytest.approx(results[1].gradient_norm, rel=1e-5)
    for one, other in zip(trainings[0].model.parameters(), trainings[1].model.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-6)


# ── what is measured ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_validation_figures_are_those_of_a_direct_computation(trained_run: Path) -> None:
    """One sentence at a time: teacher forcing with torch's own cross-entropy, and greedy translations through the Python API."""
    loaded = load_model(trained_run)
    corpora = read_corpora(loaded.config.data.valid, "valid", "en", "en")
    valid = ValidationPairs.build(corpora, loaded.tokenizer, 30)
    result = validate(loaded.model, loaded.tokenizer, valid, loaded.config, FP32)

    total, tokens = 0.0, 0
    for source, target in zip(corpora[0].sources, corpora[0].targets, strict=True):
        source_1S = torch.tensor(loaded.tokenizer.encode_source([source]))
        ids = loaded.tokenizer.encode_target([target])[0]
        with torch.no_grad():
            logits_TV = (loaded.model.states(source_1S, torch.tensor([[BOS, *ids[:-1]]])) @ loaded.model.output_weight_VD.T)[0]
        total += functional.cross_entropy(logits_TV, torch.tensor(ids), reduction="sum").item()
        tokens += len(ids)
        assert ids[-1] == EOS
    assert result.loss == pytest.approx(total / tokens, rel=1e-4)
    assert result.perplexity == math.exp(result.loss)
    translator = Translator.load(trained_run)
    texts = translator.translate(valid.sources[:30], method="greedy")
    scores = quick_scores(texts, valid.targets[:30], "en")
    assert (result.bleu, result.chrf) == (scores["bleu"], scores["chrf"])
    assert result.bleu > 50, "the trained run has learned to copy"
    by_source = dict(zip(valid.sources, texts, strict=False))
    assert len(result.samples) == 3
    assert all(sample.translation == by_source[sample.source] and sample.reference == sample.source for sample in result.samples)


@pytest.mark.parametrize("count", [0, 1, 7, 60, 99, 100, 1000])
def test_the_translated_validation_sentences_are_spread_evenly(count: int) -> None:
    training = set_up(tiny_config(), the_run())
    corpora = training.data.valid
    valid = ValidationPairs.build(corpora, training.data.tokenizer, count)
    assert valid.translated == (count if 0 < count < 100 else 100)
    assert sorted(valid.sources) == sorted(corpora[0].sources) and len(valid.pairs.sources) == 100
    places = [corpora[0].sources.index(source) for source in valid.sources[: valid.translated]]
    assert places == sorted(set(places))
    assert max(numpy.diff([*places, 100]), default=1) <= math.ceil(100 / valid.translated)


@pytest.mark.parametrize("metric", ["loss", "chrf", "bleu"])
def test_the_metric_decides_what_is_best(metric: str) -> None:
    settings = ("training.max_steps=12", "training.validate_every=2", "training.average=none", "training.learning_rate=0.02")
    summary = train(tiny_config(*settings, f"training.metric={metric}"))
    lines = metrics("valid")
    values = [-line["loss"] if metric == "loss" else line[metric] for line in lines]
    best = lines[values.index(max(values))]
    assert summary["best_step"] == best["step"] == the_run().pointed("best")
    assert [line["step"] for line in lines if line["best"]] == [
        line["step"] for place, line in enumerate(lines) if all(values[place] > before for before in values[:place])
    ]
    figures = {key: best[key] for key in ("loss", "perplexity", "bleu", "chrf")}
    assert summary["valid"] == pytest.approx(figures, rel=1e-6)
    assert summary["final_weights"] in ("last", f"best (step {best['step']})")
    for line in lines:
        assert line["perplexity"] == pytest.approx(math.exp(line["loss"]))


def test_without_validation_pairs_the_run_trains_and_has_no_best() -> None:
    summary = train(tiny_config("data.valid=[]"))
    assert (summary["valid"], summary["best_step"], summary["test"]) == (None, None, None)
    assert summary["final_weights"] == "last" and metrics("valid") == []
    assert the_run().pointed("best") is None and the_run().pointed("last") == 10
    assert load_model(the_run().path).path == the_run().weights_path


def test_without_validation_pairs_the_running_average_is_final() -> None:
    assert train(tiny_config("data.valid=[]", "training.ema_decay=0.5"))["final_weights"] == "ema"
    ema = the_run().checkpoint_path(10) / "ema.safetensors"
    assert the_run().weights_path.read_bytes() == ema.read_bytes()


def test_test_pairs_are_scored_once_with_the_final_weights() -> None:
    summary = train(tiny_config("data.test=[{builtin: copy}]", "training.max_steps=4"))
    corpus = read_corpora(load_config("copy").data.test, "test", "en", "en")[0]
    texts = Translator.load(the_run().path).translate(corpus.sources)
    scores = quick_scores(texts, corpus.targets, "en")
    assert (summary["test"]["bleu"]["score"], summary["test"]["chrf"]["score"]) == pytest.approx((scores["bleu"], scores["chrf"]))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_both_precisions_learn(precision: str) -> None:
    settings = ("training.max_steps=40", "training.learning_rate=0.02", "training.validate_every=20", "training.log_every=5")
    train(tiny_config(*settings, f"training.precision={precision}", "training.metric=loss", "model.dropout=0"))
    losses = [line["loss"] for line in metrics("train")]
    assert losses[-1] < losses[0] - 0.5
    assert the_run().read_json("environment.json")["precision"] == precision
    saved = load_model(the_run().path).model
    assert {parameter.dtype for parameter in saved.parameters()} == {torch.float32}


def test_the_figures_of_an_update_are_means_since_the_last_line() -> None:
    train(tiny_config("training.log_every=1", "name=each", "data.valid=[]"))
    train(tiny_config("training.log_every=5", "data.valid=[]"))
    fives = metrics("train")
    each = [json.loads(line) for line in (runs_root() / "each" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in fives] == [5, 10]
    for line, singles in zip(fives, (each[:5], each[5:]), strict=True):
        for figure in ("loss", "negative_log_likelihood", "padding"):
            assert line[figure] == pytest.approx(sum(single[figure] for single in singles) / 5)
        assert line["learning_rate"] == singles[-1]["learning_rate"] and line["epoch"] == 0
        assert line["target_tokens_per_second"] > 0 and 0 <= line["padding"] < 1


# ── what is left out ────────────────────────────────────────────────────────────────────────────────────────────────


def test_pairs_that_are_too_long_or_lopsided_are_left_out_and_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pairs = [(source, target) for source, target in toy_pairs("copy", "train") if len(source.split()) <= 6][:60]
    long = " ".join(["ba"] * 40)
    for place in (3, 9, 20, 33):
        pairs[place] = (long, pairs[place][1])
    pairs[50] = ("ba", " ".join(["ba"] * 8))
    corpus = write_pairs(tmp_path / "pairs.tsv", pairs)
    train(tiny_config(f"data.train={corpus}", "data.max_length=20", "data.max_ratio=3", "training.max_steps=2"))
    (report,) = the_run().read_json("data.json")["train"]
    assert report == {"name": report["name"], "pairs": 60, "too_long": [4, 10, 21, 34], "lopsided": [51]}
    said = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert said == [
        f"{report['name']}: 5 of 60 pairs (8.33%) are left out of training: 4 longer than data.max_length=20 tokens "
        "(lines 4, 10, 21, …); 1 with sides more than 3 to 1 in length (line 51)"
    ]


def test_the_limit_itself_is_not_too_long(tmp_path: Path) -> None:
    corpus = write_pairs(tmp_path / "pairs.tsv", [pair for pair in toy_pairs("copy", "train")[:200]])
    config = tiny_config(f"data.train={corpus}")
    data = prepare_data(config)
    lengths = [len(ids) for ids in data.tokenizer.encode_source(data.train.texts(1, 0, 0)[0])]
    longest = max(lengths)
    for limit, left in ((longest, 0), (longest - 1, lengths.count(longest))):
        (report,) = prepare_data(tiny_config(f"data.train={corpus}", f"data.max_length={limit}")).left_out
        assert len(report.too_long) == left


def test_a_corpus_of_pairs_that_are_all_too_long_is_refused() -> None:
    with pytest.raises(DataError, match=r"no training pair is left: all 4000 are longer than data.max_length=2 tokens .* raise"):
        train(tiny_config("data.max_length=2"))
    assert not the_run().exists()


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_a_sampled_segmentation_over_the_limit_gives_way_to_the_plain_one(model_type: str) -> None:
    amount = 0.0001 if model_type == "unigram" else 0.9
    config = tiny_config("data.max_length=8", f"tokenizer.model_type={model_type}", f"tokenizer.sampling={amount}")
    data = prepare_data(config)
    encoder = EpochEncoder(config, data.tokenizer, data.train)
    plain = data.tokenizer.encode_source(data.train.texts(1, 0, 0)[0])
    drawn = encoder.pairs(0).sources
    assert max(map(len, drawn)) <= 8
    assert [data.tokenizer.decode_target(ids) for ids in list(drawn)[:200]] == data.train.texts(1, 0, 0)[0][:200]
    assert any(ids.tolist() != usual for ids, usual in zip(drawn, plain, strict=True)), "some were drawn otherwise"


def test_both_sides_of_a_pair_are_sampled_independently() -> None:
    config = tiny_config("tokenizer.sampling=0.1")
    data = prepare_data(config)
    pairs = EpochEncoder(config, data.tokenizer, data.train).pairs(0)
    assert data.train.texts(1, 0, 0)[0] == data.train.texts(1, 0, 0)[1]
    assert any(source.tolist() != target.tolist() for source, target in zip(pairs.sources, pairs.targets, strict=True))


def test_figures_that_are_read_an_update_late_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU: the figures of an update are awaited only after the next one was started."""
    settings = ["training.ema_decay=0.9", "training.log_every=1", "training.save_every=4"]
    train(tiny_config(*settings, "name=at-once"))
    real, order = trainer.train_step, []

    class Event:
        def __init__(self, step: int):
            self.step = step

        def synchronize(self) -> None:
            order.append(("read", self.step))

    def late(model, optimizer, shares, step, *others):
        order.append(("started", step))
        return replace(real(model, optimizer, shares, step, *others), ready=Event(step))

    monkeypatch.setattr(trainer, "train_step", late)
    train(tiny_config(*settings, "name=late"))
    assert order[:4] == [("started", 1), ("started", 2), ("read", 1), ("started", 3)]
    assert order.index(("read", 4)) < order.index(("started", 5)), "all is read before a checkpoint is written"
    assert [step for what, step in order if what == "read"] == list(range(1, 11))
    one, other = (RunDirectory(runs_root() / name) for name in ("at-once", "late"))
    assert one.weights_path.read_bytes() == other.weights_path.read_bytes()
    kept = ("loss", "negative_log_likelihood", "gradient_norm", "step", "learning_rate")
    lines = [[{key: line.get(key) for key in kept} for line in map(json.loads, each.metrics_path.read_text().splitlines())]
             for each in (one, other)]  # fmt: skip
    assert lines[0] == lines[1]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch.compile warns of its own parts, and fails where warnings are errors
def test_compiled_layers_compute_the_same_and_their_weights_are_like_any_others(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mt")
    settings = ["training.log_every=1", "model.norm_position=pre"]
    train(tiny_config(*settings, "name=plain"))
    train(tiny_config(*settings, "name=compiled", "training.compile=true"))
    assert "training.compile: the layers were compiled in" in caplog.text
    plain, compiled = (RunDirectory(runs_root() / name) for name in ("plain", "compiled"))
    losses = [[line["loss"] for line in map(json.loads, run.metrics_path.read_text().splitlines()) if line["kind"] == "train"]
              for run in (plain, compiled)]  # fmt: skip
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    train(tiny_config(*settings, "name=compiled", "training.max_steps=12"))  # goes on without
