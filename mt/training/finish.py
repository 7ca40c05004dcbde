"""The end of a run: choose the final weights on the validation pairs, write them, score the test pairs once, write the summary."""

import logging
import math
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import Any

from torch import Tensor

from mt.documents.fit import cut_notes, translate_to_measure
from mt.errors import MemoryShortageError, MtError, NonFiniteError, TrainingError
from mt.evaluation import score
from mt.files import write_atomically
from mt.instant.check import check_engine
from mt.instant.layers import UnsuitedWeightsError
from mt.instant.stored import numpy_model
from mt.instant.translator import is_plain
from mt.memory import ran_out_of_memory
from mt.model.build import count_parameters
from mt.runs import RunDirectory, checkpoint_damage, shown
from mt.stored_files import find_stored
from mt.stored_model import build_stored, parameters_of, read_tensors, serialise
from mt.training.averaging import average_checkpoints
from mt.training.continuing import place_in_schedule
from mt.training.doctor.examine import examine, summary_line
from mt.training.doctor.history import read_history
from mt.training.hardware import peak_memory_mb
from mt.training.setup import Training
from mt.training.state import best_steps, is_scheduled
from mt.training.validation import Validation, validate
from mt.training.weights import borrowed_weights
from mt.translator import Translator

_LONGEST_TO_TRY = 60
_log = logging.getLogger("mt")


def finish(training: Training) -> dict:
    """Write model.safetensors and summary.json; returns the summary."""
    try:
        name, weights, valid_scores = choose(training, final_candidates(training))
    except (RuntimeError, MemoryError, OSError, MtError) as error:
        if not ran_out_of_memory(error):
            raise
        raise MemoryShortageError(
            f"all updates are made and saved (step {training.state.step}), but memory ran out while the final weights were chosen. Set "
            "training.average=none, or lower training.average_checkpoints or training.validate_sentences, and run the same command again"
        ) from error
    content = serialise(weights, training.stamp)
    training.run.summary_path.unlink(missing_ok=True)  # its hash is of other weights
    write_atomically(training.run.weights_path, content)
    for parameter_name, tensor in parameters_of(training.model).items():
        tensor.copy_(weights[parameter_name])
    summary: dict[str, Any] = {
        "step": training.state.step,
        "max_steps": training.config.training.max_steps,
        "max_epochs": training.config.training.max_epochs,
        "max_hours": training.config.training.max_hours,
        "schedule_step": place_in_schedule(training.state, training.config.training),
        "patience": training.config.training.patience,
        "validations_without_gain": training.state.validations_without_gain,
        "epochs": training.state.epoch,
        "parameters": count_parameters(training.model),
        "seconds": round(training.state.seconds, 1),
        "target_tokens": training.state.target_tokens,
        "stopped_early": training.state.stopped_early,
        "skipped_updates": training.state.bad_steps_total,
        "peak_memory_mb": round(peak_memory_mb(training.hardware.device)),
        "final_weights": name,
        "weights_sha256": sha256(content).hexdigest(),
        "valid": valid_scores,
        "valid_measure": training.measure,
        "best_step": training.state.best_step,
        "test": None,
    }
    training.run.write_json("summary.json", summary)  # scoring takes long and much memory: from here on the run is finished without it
    if training.data.test:
        with finished_without_scores(training.run):
            summary["test"] = test_scores(training)
        training.run.write_json("summary.json", summary)
    compare_engines(training)
    tell(training, summary)
    return summary


@contextmanager
def finished_without_scores(run: RunDirectory) -> Iterator[None]:
    """Around scoring the test pairs: when memory runs out, say that the training is finished and how to score later."""
    try:
        yield
    except (RuntimeError, MemoryError, OSError, MtError) as error:
        if not ran_out_of_memory(error):
            raise
        raise MemoryShortageError(
            f"the training is finished and its weights are saved ({shown(run.weights_path)}), but memory ran out while the test pairs were "
            f"translated. Score them later, with less at once: mt eval --model {shown(run.path)} --beam 1"
        ) from error


def final_candidates(training: Training) -> dict[str, dict[str, Tensor]]:
    """The weights that may become the final ones: the last, the average, the EMA, the best checkpoint."""
    run, state, config = training.run, training.state, training.config.training
    candidates = {"last": {name: tensor.clone() for name, tensor in parameters_of(training.model).items()}}
    if training.ema is not None:
        candidates["ema"] = training.ema
    steps = [step for step in run.checkpoint_steps() if step <= state.step and is_scheduled(run, step)][-config.average_checkpoints :]
    if config.average == "best":
        steps = sorted(best_steps(state, config.average_checkpoints, run.checkpoint_steps()))
    steps = [step for step in steps if _is_whole(run, step)]
    if config.average != "none" and len(steps) > 1:
        candidates[f"average of steps {', '.join(map(str, steps))}"] = average_checkpoints(run, steps, training.stamp)
    best = state.best_step
    if best is not None and best != state.step and run.checkpoint_path(best).is_dir() and _is_whole(run, best):
        file = "ema" if training.ema is not None else "model"
        candidates[f"best (step {best})"] = read_tensors(run.checkpoint_path(best) / f"{file}.safetensors", training.stamp)
    return candidates


def _is_whole(run: RunDirectory, step: int) -> bool:
    """Whether a checkpoint's weights are as they were written; says so when they are not."""
    damage = checkpoint_damage(run.checkpoint_path(step))
    if damage is not None:
        _log.warning("%s: %s: damaged since it was saved, and left out of the final weights", shown(run.checkpoint_path(step)), damage)
    return damage is None


def choose(training: Training, candidates: dict) -> tuple[str, dict, dict | None]:
    """The candidate with the best validation score, its name and its figures; without validation pairs the average, else the last."""
    if training.valid is None:
        name = next((name for name in candidates if name.startswith(("average", "ema"))), "last")
        return name, candidates[name], None
    figures = {}
    for name, weights in candidates.items():
        result = _measured(training, name)
        if result is None:
            try:
                with borrowed_weights(training.model, weights):
                    result = validate(training.model, training.data.tokenizer, training.valid, training.config, training.hardware)
            except NonFiniteError as error:
                _log.warning("final weights: not %s: %s", name, error)
                continue
        score = result.score(training.config.training.metric)
        figures[name] = (not math.isnan(score), score, -result.loss), result.figures()  # equal scores are told apart by the loss
        _log.info("final weights: %s: valid loss %.3f, BLEU %.2f, chrF %.2f (greedy)", name, result.loss, result.bleu, result.chrf)
    if not figures:
        raise TrainingError(
            "the training has diverged: none of its weights can be translated with. Begin again with a training.learning_rate below "
            f"{training.config.training.learning_rate:g} or more training.warmup_steps than {training.config.training.warmup_steps}, and "
            "--restart"
        )
    name = max(figures, key=lambda candidate: figures[candidate][0])
    return name, candidates[name], figures[name][1]


def _measured(training: Training, name: str) -> Validation | None:
    """The validation of that candidate, where the last update was followed by one."""
    step, result = training.validated or (None, None)
    return result if step == training.state.step and name == ("last" if training.ema is None else "ema") else None


def test_scores(training: Training) -> dict | None:
    """The test pairs translated as configured, but in fp32 and without a shortlist, and scored; None without test pairs."""
    data, config = training.data, training.config
    if not data.test:
        return None
    translator = Translator(training.model.eval(), data.tokenizer, config)
    sources = [line for corpus in data.test for line in corpus.sources]
    references = [line for corpus in data.test for line in corpus.targets]
    options = translator.options(precision="fp32", shortlist=False)
    measured = translate_to_measure(translator, sources, options)
    for note in cut_notes(measured, [(corpus.name, len(corpus)) for corpus in data.test], translator.max_source_tokens):
        _log.warning("test: %s", note)
    scores = score(measured.texts, references, config.target)
    if scores["notice"]:
        _log.warning(scores["notice"])
    return scores


def compare_engines(training: Training) -> None:
    """Compare numpy with torch on the final weights as they lie on the disk, so that `mt translate` may use numpy from the first time on.

    Where that is not possible, or a deadline leaves no time, `mt translate` does it. Only a failure is told.
    """
    seconds = 10.0 if training.deadline is None else min(10.0, training.deadline.ends_at - time.monotonic())
    if seconds <= 0 or not is_plain(training.config.decoding):
        return
    with suppress(MtError, OSError, UnsuitedWeightsError):
        stored = find_stored(training.run.path, hold=True)
        net, model = numpy_model(stored), build_stored(stored).model
        lines = [line for corpus in training.data.valid or training.data.test for line in corpus.sources]
        check = check_engine(stored, net, model, training.config.decoding, lines, seconds)
        if check.differs:
            _log.warning("mt translate will use torch alone, which starts more slowly: %s; 'mt selftest' shows more", check.verdict)


def tell(training: Training, summary: dict) -> None:
    """The closing lines for a person."""
    minutes, seconds = divmod(round(summary["seconds"]), 60)
    speed = summary["target_tokens"] / max(summary["seconds"], 1e-9)
    _log.info("finished: %d steps in %d min %02d s (%s target tokens/s with validation), peak memory %s MB",
              summary["step"], minutes, seconds, f"{speed:,.0f}", f"{summary['peak_memory_mb']:,}")
    if summary["test"]:
        test = summary["test"]
        _log.info("test: BLEU %.2f, chrF %.2f, TER %.2f on %d sentences", *(test[name]["score"] for name in ("bleu", "chrf", "ter")),
                  test["sentences"])
        _log.info("      %s", test["bleu"]["signature"])
    findings = examine(read_history(training.run.path, training.config, over=True))
    if findings:
        _log.warning(summary_line(findings, training.run.path.name))
    _log.info("model: %s (%s)  ·  try: mt translate --model %s %s", shown(training.run.weights_path), summary["final_weights"],
              shlex.quote(str(shown(training.run.path))), _to_try(training))


def _to_try(training: Training) -> str:
    """A sentence to translate first, for a shell: one of the validation or test pairs of at most 60 characters; "" without any."""
    corpora = [corpus for corpus in (*training.data.valid, *training.data.test) if len(corpus.sources)]
    if not corpora:
        return ""  # mt translate then asks for a sentence
    sources = corpora[0].sources
    chosen = next((sources[at] for at in range(min(100, len(sources))) if 0 < len(sources[at].strip()) <= _LONGEST_TO_TRY), sources[0])
    if len(chosen) > _LONGEST_TO_TRY:
        chosen = chosen[:_LONGEST_TO_TRY].rpartition(" ")[0] or chosen[:_LONGEST_TO_TRY]
    return shlex.quote(chosen.strip())
