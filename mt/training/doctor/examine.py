"""The examination: every check in the order of its weight, what follows from what, and how it is told."""

from collections.abc import Sequence

from mt.training.doctor import attention, learning, translations
from mt.training.doctor.history import Finding, History

CHECKS = (
    translations.references_are_sources,
    translations.unknown_pieces,
    learning.no_fall,
    learning.jump,
    learning.gradients_grow,
    learning.skips,
    learning.word_frequencies,
    learning.valid_apart,
    translations.ignores_source,
    attention.never_sharpened,
    attention.collapsed,
    attention.updates,
    translations.copies,
    translations.lengths,
    translations.limit_too_low,
    translations.repeats,
    learning.overfitting,
    learning.ended_in_warm_up,
    learning.too_few_updates,
)
"""From what makes a run worthless to what makes it worse."""

_NOTHING_LEARNT = ("the decoder ignores the source", "cross-attention never sharpened", "attention has collapsed", "the source is copied",
                   "translations are far too short", "translations are far too long", "translations repeat themselves", "overfitting",
                   "translations contain unknown pieces")
_RATES = ("updates are too small", "updates are too large", "gradients grow by orders of magnitude")
EXPLAINS = {
    "the loss does not fall": (*_NOTHING_LEARNT, *_RATES, "nothing but word frequencies is learnt",
                               "valid pairs are unlike the training pairs", "the loss jumped and did not come back"),
    "the loss jumped and did not come back": (*_NOTHING_LEARNT, *_RATES, "nothing but word frequencies is learnt", "overfitting"),
    "nothing but word frequencies is learnt": (*_NOTHING_LEARNT, *_RATES),
    "valid pairs are unlike the training pairs": tuple(name for name in _NOTHING_LEARNT if name != "the source is copied"),
    "attention has collapsed": tuple(name for name in _NOTHING_LEARNT if name != "attention has collapsed"),
    "the decoder ignores the source": tuple(name for name in _NOTHING_LEARNT if name not in ("the decoder ignores the source",
                                                                                             "attention has collapsed")),
    "the source is copied": ("valid pairs are unlike the training pairs", "translations are far too long",
                             "translations are far too short"),
    "the vocabulary does not fit the text": ("valid pairs are unlike the training pairs", "translations contain unknown pieces",
                                             "the length limit is too low", "the source is copied"),
    "translations are far too long": ("translations repeat themselves",),
    "the references are not translated": ("the source is copied",),
}
"""What is not said beside a finding, because it follows from it: the fewer words, the more they are read."""


def examine(history: History) -> list[Finding]:
    """What is wrong with a run, the gravest first; empty when all is well."""
    found = [finding for check in CHECKS if (finding := check(history)) is not None]
    explained = {name for finding in found for name in EXPLAINS.get(finding.name, ())}
    return [finding for finding in found if finding.name not in explained]


def not_judged(history: History) -> list[str]:
    """What could not be looked at, and why, in plain words."""
    missing = []
    if not history.valid:
        missing.append("translations (no validation yet)" if history.config.data.valid else "translations (the run has no data.valid)")
    elif "length_ratio" not in history.valid[-1]:
        missing.append("translations, but for their scores (recorded before their lengths, copies and repetitions were)")
    elif not history.judged():
        missing.append("translations (still in the warm-up, or in the first hundreds of updates)")
    if not history.projections and history.config.model.architecture != "rnn":
        missing.append("attention entropy and update ratios (no projections.jsonl in the run)")
    return missing


def summary_line(findings: Sequence[Finding], run: str) -> str:
    """The end of a training that has findings, in one line."""
    names = "; ".join(f"{finding.name} (since step {finding.since})" if finding.since else finding.name for finding in findings)
    return f"doctor: {names}  ·  causes and next steps: mt inspect doctor {run}"


def said_while_training(finding: Finding, run: str) -> str:
    """A new finding above the bar, in two lines."""
    return f"doctor: {finding.name}: {finding.seen}\n    next: {finding.next}  ·  why: mt inspect doctor {run}"


def in_full(history: History, findings: Sequence[Finding], run: str) -> str:
    """For `mt inspect doctor`: every finding, or that there is none; what was looked at, and what could not be."""
    looked = f"{_counted(history.step, 'update')}, {_counted(len(history.valid), 'validation')}"
    if history.projections:
        looked += f", {_counted(len(history.projections), 'record')} of attention"
    if findings:
        parts = [f"{run}: {_counted(len(findings), 'finding')} in {looked}"]
        for number, finding in enumerate(findings, 1):
            since = f" (since step {finding.since:,})" if finding.since else ""
            told = (("seen", finding.seen), ("cause", finding.cause), ("next", finding.next))
            parts.append(f"\n{number}. {finding.name}{since}\n" + "\n".join(f"   {label:5}  {text}" for label, text in told))
    else:
        parts = [f"{run}: nothing wrong was found in {looked}"]
    missing = not_judged(history)
    if missing:
        parts.append(("\n" if findings else "") + f"not judged: {'; '.join(missing)}")
    return "\n".join(parts)


def _counted(count: int, noun: str) -> str:
    """1 validation, 2 validations."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
