"""The training doctor on made-up histories: each finding on a history that shows it, and silence on healthy ones."""

import json
import math
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mt.config import Config
from mt.config_file import load_config
from mt.training.doctor.examine import CHECKS, EXPLAINS, examine, in_full, not_judged, said_while_training, summary_line
from mt.training.doctor.history import Finding, History, read_history

OUTPUTS = {
    "length_ratio": 0.95, "cut_off": 0.01, "cut_off_references": 0.0, "identical_outputs": 0.03, "identical_references": 0.03,
    "copied_outputs": 0.05, "copied_references": 0.06, "repeating_outputs": 0.05, "repeating_references": 0.01, "unknown_source": 0.0,
    "unknown_references": 0.0, "unknown_outputs": 0.0, "bytes_source": 0.01, "bytes_references": 0.0, "frequency_entropy": 5.5,
}  # fmt: skip
"""What the translations of a good model look like: measured on the demo corpus and on Korean–English."""


def configured(*overrides: str) -> Config:
    return load_config("demo", ["training.max_steps=2000", "training.warmup_steps=100", "training.optimizer=adam", *overrides])


def falling(step: int) -> float:
    """A training loss as real ones are: from 8.5 to below 2, with noise of a tenth."""
    return 1.6 + 7.5 * math.exp(-step / 350) + 0.1 * math.sin(step * 1.7)


def healthy(
    steps: int = 2000, loss: Callable[[int], float] = falling, valid: Callable[[int], float] = falling,
    norm: Callable[[int], float] = lambda step: 0.5 + 0.2 * math.sin(step), over: bool = False, config: Config | None = None,
    **outputs: float,
) -> History:
    """A run of `steps` updates, a line every 50 and a validation every 200, whose figures are all right unless told otherwise."""
    config = config or configured()
    rate, warm, end = config.training.learning_rate, config.training.warmup_steps, config.training.max_steps
    train = [
        {"step": step, "loss": 1.2 * loss(step), "negative_log_likelihood": loss(step), "gradient_norm": norm(step), "epoch": 0,
         "learning_rate": rate * (step / warm if step <= warm else max(0, end - step) / (end - warm))}
        for step in range(50, steps + 1, 50)
    ]  # fmt: skip
    validations = [
        {"step": step, "loss": valid(step), "bleu": 40 * step / (step + 400), "chrf": 50.0, **OUTPUTS, **outputs}
        for step in range(200, steps + 1, 200)
    ]
    return History(config, train, validations, over=over)


def names(history: History) -> list[str]:
    return [finding.name for finding in examine(history)]


def attentions(
    update_ratio: float = 1e-3, cross: float = 0.4, encoder: float = 0.5, steps: tuple[int, ...] = (400, 800, 1200)
) -> list[dict]:
    """Records of two attentions of two heads each, as projections.jsonl holds them."""
    matrices = {matrix: {"update_ratio": [update_ratio, update_ratio], "norm": [3.0, 3.0]} for matrix in "qkvo"}
    attention = {
        "encoder.0.self_attention": {"entropy_share": [encoder, encoder], **matrices},
        "decoder.0.cross_attention": {"entropy_share": [cross, cross], **matrices},
    }
    return [{"step": step, "attention": attention} for step in steps]


def poor(history: History, bleu: float = 0.4) -> History:
    """The same with a BLEU near zero."""
    return replace(history, valid=[{**line, "bleu": bleu} for line in history.valid])


# ── silence ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("steps", [50, 200, 300, 600, 1000, 2000])
@pytest.mark.parametrize("over", [False, True])
def test_nothing_is_said_of_a_healthy_run_at_any_time(steps: int, over: bool) -> None:
    assert names(healthy(steps, over=over)) == []
    assert names(replace(healthy(steps, over=over), projections=attentions())) == []


def test_nothing_is_said_of_the_first_validations_of_any_run() -> None:
    """Before the warm-up is over and some hundred updates are made, everything is translated by the same few words."""
    young = healthy(250, identical_outputs=0.98, repeating_outputs=0.9, cut_off=0.9, length_ratio=2.2)
    assert names(poor(young)) == []
    warming = healthy(1000, config=configured("training.warmup_steps=4000", "training.max_steps=20000"), identical_outputs=0.98)
    assert names(poor(warming)) == []


def test_nothing_is_said_of_a_run_whose_translations_get_better() -> None:
    history = poor(healthy(1000))
    shares = (0.9, 0.85, 0.7, 0.5, 0.35)
    better = [{**line, "identical_outputs": share} for line, share in zip(history.valid, shares, strict=True)]
    assert names(replace(history, valid=better)) == []


def test_a_valid_loss_below_the_training_loss_is_normal_with_dropout() -> None:
    assert names(healthy(valid=lambda step: 0.6 * falling(step))) == []


def test_a_valid_loss_that_rises_while_bleu_improves_is_no_overfitting() -> None:
    """The checkpoint is chosen by BLEU, so nothing is lost."""
    assert names(healthy(valid=lambda step: 2.5 + abs(step - 600) / 1000)) == []


def test_a_toy_that_is_learnt_exactly_may_have_a_loss_that_doubles() -> None:
    def exact(step: int) -> float:
        return 4.1 * math.exp(-step / 100) + (0.02 if step > 1500 else 0.001)

    assert names(healthy(loss=exact, valid=exact, norm=lambda step: math.exp(-step / 100) + (0.5 if step > 1500 else 0))) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_log_of_single_batches_is_noisy_and_nothing_else(seed: int) -> None:
    """training.log_every=1: the lowest of thousands of lines is far below what the run has learnt."""
    noise = random.Random(seed)
    history = healthy()
    lines = [{**history.train[0], "step": step, "learning_rate": 1e-3 * (1 - step / 5000),
              "negative_log_likelihood": max(0.1, falling(step) + noise.gauss(0, 0.6)), "gradient_norm": math.exp(noise.gauss(0, 1))}
             for step in range(1, 5000)]  # fmt: skip
    assert all(names(replace(history, train=lines[:count], valid=[])) == [] for count in range(20, 5000, 83))


def test_patience_watches_over_a_small_rise_of_the_valid_loss() -> None:
    sick = SICK["overfitting"]
    calm = [{**line, "loss": 2.5 + (line["loss"] - 2.5) / 10} for line in sick.valid]
    assert names(replace(sick, valid=calm)) == ["overfitting"]
    assert names(replace(sick, valid=calm, config=configured("training.patience=8"))) == []


def test_pairs_that_are_known_by_heart_are_overfitting_only_once_bleu_falls() -> None:
    """As with a proposal of mt init for few pairs: train 0.1, valid at 3.1 since step 100, and BLEU goes on rising or stays where it is."""
    history = healthy(loss=lambda step: 0.1 + 8 * math.exp(-step / 120), valid=lambda step: 2.9 + step / 8000)
    assert names(history) == []
    level = [{**line, "bleu": 20.0 + (0.1 if line["step"] == 1000 else 0.0)} for line in history.valid]
    assert names(replace(history, valid=level)) == []
    falls = [{**line, "bleu": 20.0 - max(0, line["step"] - 1000) / 500} for line in history.valid]
    assert names(replace(history, valid=falls)) == ["overfitting"]


@pytest.mark.parametrize(
    ("settings", "longer", "shorter"),
    [
        (["training.max_hours=2", "training.patience=8"], "training.max_hours=4, now 2", "training.max_hours=0.8 (now 2)"),
        (["training.patience=8"], "training.max_steps=", "training.max_steps=800 (now"),
    ],
)
def test_advice_names_the_limit_that_ends_the_run(settings: list[str], longer: str, shorter: str) -> None:
    """Under max_hours a higher max_steps changes nothing."""
    sick = replace(SICK["overfitting"], config=configured(*settings))
    [finding] = examine(sick)
    assert shorter in finding.next
    [finding] = examine(replace(SICK["the run ended in its warm-up"], config=configured("training.warmup_steps=4000", *settings)))
    assert longer in finding.next


def by_heart(step: int) -> float:
    return max(0.1, falling(step) - step / 700)


def test_a_small_corpus_learnt_by_heart_is_overfitting_and_no_fault_of_the_valid_pairs() -> None:
    """Both have a valid loss far above the training loss; but here it comes with the epochs."""
    def valid(step: int) -> float:
        return 4.2 + abs(step - 400) / 400

    history = poor(healthy(loss=by_heart, valid=valid), bleu=2.0)
    tenth = [{**line, "epoch": line["step"] // 20} for line in history.train]
    assert names(replace(history, train=tenth)) == ["overfitting"]


def test_shuffled_references_show_before_anything_can_be_known_by_heart() -> None:
    history = poor(healthy(loss=by_heart, valid=lambda step: 3.3 + step / 2000), bleu=2.0)
    assert names(history) == ["valid pairs are unlike the training pairs"]


def test_references_that_repeat_copy_and_are_alike_excuse_translations_that_do() -> None:
    alike = healthy(identical_outputs=0.8, identical_references=0.8, copied_outputs=0.7, copied_references=0.7, repeating_outputs=0.5,
                    repeating_references=0.5)  # fmt: skip
    assert names(poor(alike)) == []


def test_a_copying_task_between_one_language_and_itself_is_no_mistake() -> None:
    assert names(healthy(config=configured("source=en", "target=en"), copied_outputs=1.0, copied_references=1.0)) == []


def test_one_skipped_update_is_nothing() -> None:
    assert names(replace(healthy(), skipped=[{"step": 900, "in_a_row": 1}])) == []


def test_small_updates_at_the_end_of_the_schedule_are_as_they_should_be() -> None:
    assert names(replace(healthy(), projections=attentions(1e-6, steps=(1700, 1800, 1900)))) == []


def test_sharp_attention_in_a_good_model_is_no_collapse() -> None:
    assert names(replace(healthy(), projections=attentions(encoder=0.01))) == []


# ── findings ────────────────────────────────────────────────────────────────────────────────────────────────────────


def swell(step: int) -> float:
    """A gradient norm that grows a thousandfold over the second half."""
    return 0.5 if step < 1200 else 0.5 * 10 ** min(3.0, (step - 1200) / 100)


def back_at(since: int, level: float) -> Callable[[int], float]:
    return lambda step: level if step >= since else falling(step)


SICK = {
    "the loss does not fall": healthy(600, loss=lambda step: 8.5 - step / 5000),
    "the loss jumped and did not come back": healthy(loss=back_at(1500, 6.8)),
    "gradients grow by orders of magnitude": healthy(norm=swell),
    "updates are skipped": replace(healthy(), skipped=[{"step": step, "in_a_row": 1} for step in range(1500, 1900, 20)]),
    "nothing but word frequencies is learnt": poor(healthy(loss=lambda step: max(5.6, falling(step)), valid=lambda _: 5.6)),
    "valid pairs are unlike the training pairs": poor(healthy(valid=lambda _: 4.9)),
    "the decoder ignores the source": poor(healthy(loss=lambda step: max(3.6, falling(step)), valid=lambda _: 3.7, identical_outputs=0.97)),
    "the source is copied": healthy(copied_outputs=0.9),
    "the references are not translated": healthy(copied_outputs=1.0, copied_references=1.0),
    "translations are far too short": healthy(length_ratio=0.4),
    "translations are far too long": healthy(length_ratio=1.9, cut_off=0.6),
    "the length limit is too low": healthy(cut_off_references=0.2),
    "translations repeat themselves": healthy(repeating_outputs=0.5),
    "the vocabulary does not fit the text": healthy(unknown_source=0.4),
    "translations contain unknown pieces": healthy(unknown_outputs=0.2),
    "updates are too small": replace(healthy(), projections=attentions(1e-7)),
    "updates are too large": replace(healthy(), projections=attentions(update_ratio=0.4)),
    "attention has collapsed": replace(poor(healthy()), projections=attentions(encoder=0.005)),
    "cross-attention never sharpened": replace(poor(healthy()), projections=attentions(cross=0.99)),
    "overfitting": replace(
        healthy(loss=lambda step: falling(step) * math.exp(-step / 4000)),
        valid=[{**line, "bleu": 30 - abs(line["step"] - 800) / 200, "loss": 2.5 + abs(line["step"] - 800) / 1000}
               for line in healthy().valid],
    ),
    "the run ended in its warm-up": healthy(600, config=configured("training.warmup_steps=4000"), over=True),
    "too few updates": replace(healthy(), train=[], valid=[{"step": 2, "loss": 9.0, "bleu": 0.0, "chrf": 0.1}], over=True,
                               summary={"step": 4, "valid": {"bleu": 0.02}}),
}
"""For each finding a history that shows it, and nothing else."""


@pytest.mark.parametrize("name", SICK)
def test_each_finding_is_made_alone_on_the_history_that_shows_it(name: str) -> None:
    """So the doctor names one thing, not all that follows from it."""
    assert names(SICK[name]) == [name]


def test_every_check_has_a_history_that_shows_it() -> None:
    shown = {check.__name__ for check in CHECKS for history in SICK.values() if check(history) is not None}
    assert shown == {check.__name__ for check in CHECKS}


def test_what_a_finding_explains_is_the_name_of_a_finding() -> None:
    assert {name for explained in EXPLAINS.values() for name in explained} | EXPLAINS.keys() <= SICK.keys()


@pytest.mark.parametrize("name", SICK)
def test_a_finding_says_what_was_seen_and_names_what_to_set(name: str) -> None:
    """Figures in what was seen; a key in what to do next, which the configuration has; no figure that is not a number."""
    [finding] = examine(SICK[name])
    assert re.search(r"\d", finding.seen)
    known = {f"{section}.{key}" for section in ("training", "model", "data", "decoding", "tokenizer")
             for key in getattr(configured(), section).model_dump()}  # fmt: skip
    named = set(re.findall(r"\b(?:training|model|data|decoding|tokenizer)\.[a-z_]+", f"{finding.cause} {finding.next}")) - {"data.json"}
    assert named and named <= known
    assert not re.search(r"\bnan\b|\binf\b|None", f"{finding.seen} {finding.cause} {finding.next}")


@pytest.mark.parametrize("name", SICK)
def test_the_settings_that_are_advised_are_accepted(name: str) -> None:
    """Whoever follows the advice word for word is not refused."""
    [finding] = examine(SICK[name])
    settings = re.findall(r"\b((?:training|model|data|decoding|tokenizer)\.[a-z_]+=[a-z0-9.e+-]*[a-z0-9])", finding.next)
    config = configured(*settings)
    for key, value in (setting.split("=") for setting in settings):
        section, field_name = key.split(".")
        taken = getattr(getattr(config, section), field_name)
        assert str(taken).lower() == value or float(value) == taken


def test_the_attention_of_a_recurrent_model_is_a_cross_attention() -> None:
    records = [{"step": step, "attention": {"attention": {"entropy_share": [0.99]}}} for step in (400, 800, 1200)]
    assert names(replace(poor(healthy()), projections=records)) == ["cross-attention never sharpened"]


def test_old_records_of_attention_are_no_evidence() -> None:
    """A slow machine makes few: what attention was at step 90 of 2000 is not what it is."""
    for records in (attentions(cross=0.99, steps=(20, 90)), attentions(cross=0.99, steps=(500, 1900))):
        assert names(replace(poor(healthy()), projections=records)) == []
    assert names(replace(poor(healthy()), projections=attentions(encoder=0.005, steps=(90, 1900)))) == []


def test_a_finding_says_since_when() -> None:
    [jumped] = examine(SICK["the loss jumped and did not come back"])
    assert jumped.since == 1500
    [identical] = examine(SICK["the decoder ignores the source"])
    assert identical.since == 400


def test_a_jump_that_came_back_is_nothing() -> None:
    assert names(healthy(loss=lambda step: 6.8 if 1000 <= step < 1200 else falling(step))) == []


def test_a_valid_loss_that_is_not_a_number_is_a_divergence() -> None:
    history = healthy()
    history.valid[-1]["loss"] = math.nan
    assert names(history) == ["the loss jumped and did not come back"]


def test_the_advice_fits_the_settings() -> None:
    """With Muon its own rate is named; post-norm is told of pre-norm; clipping that is off is switched on."""
    config = configured("training.optimizer=muon", "model.norm_position=post", "training.clip_norm=0")
    [finding] = examine(healthy(loss=back_at(1500, 6.8), config=config))
    assert all(part in finding.next for part in ("muon_learning_rate=0.006", "norm_position=pre", "clip_norm=1"))
    [finding] = examine(SICK["the loss jumped and did not come back"])
    assert not any(part in finding.next for part in ("muon", "norm_position", "clip_norm"))


def test_a_loss_that_does_not_fall_has_three_causes() -> None:
    def stuck(*overrides: str) -> Finding:
        [finding] = examine(healthy(600, loss=lambda step: 8.5, config=configured(*overrides)))
        return finding

    assert "too low" in stuck("training.learning_rate=0.000001").cause
    assert "too high" in stuck("training.learning_rate=0.5").cause
    assert "warm-up is too long" in stuck("training.warmup_steps=50000").cause


def test_updates_that_are_too_small_at_a_usual_rate_come_of_weights_that_have_grown_too_large() -> None:
    """Adam at 0.3 left the attention's weights where softmax has no gradient: a higher rate would be the wrong advice."""
    def told(rate: str) -> Finding:
        return examine(replace(healthy(config=configured(f"training.learning_rate={rate}")), projections=attentions(1e-6)))[0]

    assert "too low" in told("0.00001").cause and "learning_rate=0.0007" in told("0.00001").next
    assert "grown out of reach" in told("0.3").cause and "learning_rate=0.005" in told("0.3").next


def test_with_byte_fallback_unknown_characters_are_bytes() -> None:
    [finding] = examine(healthy(bytes_source=0.8))
    assert finding.name == "the vocabulary does not fit the text" and "80 % of the pieces are single bytes" in finding.seen


def test_under_a_deadline_the_warm_up_is_told_by_the_learning_rate() -> None:
    history = poor(healthy(1000, config=configured("training.max_hours=1", "training.warmup_steps=100"), identical_outputs=0.97))
    assert history.warm_step == 100 and names(history) == ["the decoder ignores the source"]


def test_a_finished_run_of_few_updates_is_not_called_healthy_unless_it_translates() -> None:
    """Updates are counted by the summary: figures are recorded seldom."""
    few = SICK["too few updates"]
    [finding] = examine(few)
    assert finding.seen.startswith("This run ended after 4 updates, far too few to learn from: BLEU 0.02")
    assert "training.max_steps=" in finding.next
    assert in_full(few, [finding], "short").startswith("short: 1 finding in 4 updates, 1 validation\n")
    assert names(replace(few, over=False)) == names(replace(few, summary={"step": 4, "valid": {"bleu": 12.0}})) == []


def test_the_summary_of_a_finished_run_is_read_with_its_figures(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(json.dumps({"step": 4, "valid": {"bleu": 0.5}}))
    read = read_history(tmp_path, configured(), over=True)
    assert (read.step, read.best_bleu, names(read)) == (4, 0.5, ["too few updates"])
    assert read_history(tmp_path, configured(), over=False).step == 0


# ── what is recorded and what is said ───────────────────────────────────────────────────────────────────────────────


def write_history(directory: Path, history: History) -> None:
    lines = [{"kind": "train", **line} for line in history.train] + [{"kind": "valid", **line} for line in history.valid]
    lines.append({"kind": "doctor", "step": 400, "finding": "overfitting"})
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"kind": "tra', encoding="utf-8")
    (directory / "projections.jsonl").write_text("".join(json.dumps(line) + "\n" for line in attentions()), encoding="utf-8")


def test_a_history_is_read_as_it_was_written_without_a_line_cut_short(tmp_path: Path) -> None:
    written = healthy()
    write_history(tmp_path, written)
    read = read_history(tmp_path, written.config, over=True)
    assert (len(read.train), len(read.valid), len(read.projections)) == (40, 10, 3)
    assert read.told == {"overfitting"} and read.over and read.step == 2000
    assert read.train[3]["negative_log_likelihood"] == written.train[3]["negative_log_likelihood"]


def test_a_run_without_files_is_an_empty_history(tmp_path: Path) -> None:
    history = read_history(tmp_path, configured(), over=False)
    assert history.step == 0 and names(history) == []


@pytest.mark.parametrize("line", [{"step": 5}, {"step": 5, "attention": None}, {"step": 5, "attention": {"encoder.0": None}},
                                  {"step": 5, "attention": {"encoder.0": {"q": {"update_ratio": [None, "x"]}, "entropy_share": None}}}])
def test_projections_of_another_form_are_passed_over(line: dict) -> None:
    assert names(replace(poor(healthy()), projections=[{**line, "step": step} for step in (400, 800, 1200)])) == []


def test_a_run_recorded_before_the_figures_were_says_what_could_not_be_judged() -> None:
    old = healthy()
    bare = replace(old, valid=[{key: line[key] for key in ("step", "loss", "bleu", "chrf")} for line in old.valid])
    text = in_full(bare, examine(bare), "old")
    assert "nothing wrong was found in 2,000 updates, 10 validations" in text
    assert "not judged: translations" in text and "no projections.jsonl" in text


def test_a_healthy_run_is_told_in_one_line() -> None:
    history = replace(healthy(), projections=attentions())
    assert not_judged(history) == []
    assert in_full(history, [], "good").count("\n") == 0


def test_a_finding_is_told_in_full_by_the_command_and_shortly_while_training() -> None:
    history = SICK["the decoder ignores the source"]
    [finding] = examine(history)
    text = in_full(history, [finding], "bad")
    assert all(part in text for part in ("1 finding in", finding.seen, finding.cause, finding.next, "since step 400"))
    assert said_while_training(finding, "bad").count("\n") == 1
    assert summary_line([finding], "bad").endswith("mt inspect doctor bad")
