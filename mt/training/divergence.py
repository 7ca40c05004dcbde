"""A training whose numbers are no longer finite: what to say depends on what is not: the loss, the weights, or bf16's products."""

from collections.abc import Callable

from mt.decoding.precision import non_finite_weights
from mt.errors import NonFiniteError, TrainingError
from mt.runs import shown
from mt.stored_model import parameters_of
from mt.training.setup import Training


def too_many_skipped(training: Training, step: int) -> TrainingError:
    """The error of a training that has skipped training.max_bad_steps updates in a row, up to this step."""
    config, state = training.config.training, training.state
    return TrainingError(
        f"the loss was not finite in {state.bad_steps} updates in a row, up to step {step}; weights saved before "
        f"that stay in {shown(training.run.checkpoints_path)}. Usual causes: training.learning_rate ({config.learning_rate:g}) too "
        f"high or training.warmup_steps ({config.warmup_steps}) too few; also try training.clip_norm=1, "
        "model.norm_position=pre, or training.precision=fp32, with --restart"
    )


def refuse_diverged(training: Training) -> None:
    """TrainingError when a weight is not finite: such weights replace none that are. Divided weights are not looked at."""
    if not training.sharded and non_finite_weights(parameters_of(training.model)) is not None:
        raise diverged(training)


def after_overflow(training: Training, error: NonFiniteError, save: Callable[[], None]) -> TrainingError:
    """The error of a training whose model gives NaN or infinity in a validation; saves it where another precision will do."""
    precision = training.hardware.precision
    if precision == "fp32" or (not training.sharded and non_finite_weights(parameters_of(training.model)) is not None):
        return diverged(training)
    save()
    return TrainingError(
        f"{str(error).split(':')[0]}: the weights are finite, but products overflow in {precision}; the training is saved at step "
        f"{training.state.step}. Go on in fp32: run the same command again with --set training.precision=fp32"
    )


def diverged(training: Training) -> TrainingError:
    """The error of a training whose weights are of no use any more, with the checkpoints that are."""
    config, run = training.config.training, training.run
    saved = {name: step for name in ("best", "last") if (step := run.pointed(name)) is not None}
    kept = "Nothing was saved before"
    if saved:
        listed = ", ".join(f"{name}: step {step}" for name, step in saved.items())
        kept = f"Checkpoints before are kept ({listed}): mt translate --model {shown(run.checkpoints_path / next(iter(saved)))}"
    return TrainingError(
        f"the training has diverged: at step {training.state.step} its weights are NaN, infinite, or so large that products overflow. "
        f"{kept}. Begin again with a lower training.learning_rate (now {config.learning_rate:g}) or more training.warmup_steps (now "
        f"{config.warmup_steps}) and --restart; training.clip_norm=1 and model.norm_position=pre help too"
    )
