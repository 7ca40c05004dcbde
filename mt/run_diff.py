"""What differs between two runs, and what their scores may be compared for (`mt diff`)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mt.run_facts import duration
from mt.run_record import Record
from mt.run_table import parameters_in_words, score_of
from mt.text_table import cut, display_width, text_table, wrap

_ABSENT = "—"
_METRICS = (("bleu", "BLEU"), ("chrf", "chrF"), ("ter", "TER"))


def diff_text(first: Record, second: Record, width: int) -> str:
    """The differences, part by part, as wide as the terminal; what is equal is not mentioned."""
    names = column_names(first, second)
    parts = [_heading(first, second, names, width)]
    for title, rows in (
        ("configuration", config_rows(first, second)),
        ("data: training and validation pairs", data_rows(first, second)),
        ("tokenizer", tokenizer_rows(first, second)),
        ("versions, machine and precision", value_rows(first.environment, second.environment)),
    ):
        if rows:
            parts.append(f"{title}\n{_side_by_side(rows, names, width)}")
    if scores := score_rows(first, second):
        parts.append("scores\n" + _indent(text_table(["", *names, "second − first"], scores, width=width - 2, text_last=False)))
    if len(parts) == 1:
        parts.append("Nothing differs: configuration, data, tokenizer, versions, machine and scores are the same.")
    if verdicts := comparability(first, second):
        lines = [f"{'· ' if number == 0 else '  '}{line}" for verdict in verdicts for number, line in enumerate(wrap(verdict, width - 4))]
        parts.append("can they be compared?\n" + _indent("\n".join(lines)))
    return "\n\n".join(parts)


def column_names(first: Record, second: Record) -> tuple[str, str]:
    """What the two columns are called: the runs' names, where these differ."""
    names = [cut(record.name, 24) for record in (first, second)]
    return ("first", "second") if names[0] == names[1] else (names[0], names[1])


def _heading(first: Record, second: Record, names: tuple[str, str], width: int) -> str:
    """A line for each run, and what could not be read of it."""
    rows, notes = [], []
    for name, record in zip(names, (first, second), strict=True):
        facts = record.facts
        trained = f", {duration(facts.seconds)}" if facts.seconds else ""
        rows.append([name, f"{facts.state}, {facts.step or 0} updates{trained}", str(facts.path)])
        other = [problem for problem in facts.problems if not any(problem.split()[0].rstrip(":") in note for note in record.notes)]
        notes += [f"note: {name}: {note}" for note in (*record.notes, *other)]
    return "\n".join([text_table(["run", "state", "folder"], rows, numbers_from=3, width=width), *notes])


def value_rows(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[list[str]]:
    """Key and both values, where they differ."""
    keys = [*first, *(key for key in second if key not in first)]
    rows = [[key, *(_shown(side[key]) if key in side else _ABSENT for side in (first, second))] for key in keys]
    return [row for row in rows if row[1] != row[2]]


def config_rows(first: Record, second: Record) -> list[list[str]]:
    """The settings that differ, but for the run's name; of a corpus that only one run has, its name alone."""
    rows = value_rows(first.config, second.config)
    return [row for row in rows if row[0] != "name" and not ("[" in row[0] and _ABSENT in row[1:] and _only_one_has(row[0], first, second))]


def _only_one_has(key: str, first: Record, second: Record) -> bool:
    """Whether the corpus of this key is named by one of the two only."""
    corpus = key.rsplit("]", 1)[0] + "]"
    return not all(any(known.startswith(corpus) for known in record.config) for record in (first, second))


def data_rows(first: Record, second: Record) -> list[list[str]]:
    """Fingerprint and size of each corpus, where they differ."""
    sides = [
        {"fingerprint": record.fingerprint[:12] or _ABSENT}
        | {name: f"{corpus.pairs:,} pairs" + (f", {corpus.left_out:,} left out" if corpus.left_out else "")
           for name, corpus in record.corpora.items()}
        for record in (first, second)
    ]  # fmt: skip
    return value_rows(*sides)


def tokenizer_rows(first: Record, second: Record) -> list[list[str]]:
    """Hash and size, where they differ."""
    sides = [{"hash": record.tokenizer[:12] or _ABSENT, "size": record.pieces or _ABSENT} for record in (first, second)]
    return value_rows(*sides)


def score_rows(first: Record, second: Record) -> list[list[str]]:
    """Figures of both runs with their difference, where they differ."""
    rows = []
    for label, pair, words in (
        ("updates", [record.facts.step for record in (first, second)], str),
        ("weights", [record.facts.parameters for record in (first, second)], parameters_in_words),
        ("target tokens", [record.summary.get("target_tokens") for record in (first, second)], lambda count: f"{count / 1e6:.2f} M"),
        ("trained", [record.facts.seconds for record in (first, second)], duration),
    ):
        if None not in pair and pair[0] != pair[1]:
            rows.append([label, *(words(value) for value in pair), f"× {pair[1] / pair[0]:.2f}" if pair[0] else ""])
    for split, name, label, digits in (
        ("valid", "loss", "valid loss", 3), ("valid", "bleu", "valid BLEU", 2), ("valid", "chrf", "valid chrF", 2),
        ("test", "bleu", "test BLEU", 2), ("test", "chrf", "test chrF", 2), ("test", "ter", "test TER", 2),
    ):  # fmt: skip
        values = [score_of(getattr(record.facts, split), name) for record in (first, second)]
        cells = [_ABSENT if value is None else f"{value:.{digits}f}" for value in values]
        if values[0] != values[1]:
            both = None not in values and all(math.isfinite(value) for value in values)
            rows.append([label, *cells, f"{values[1] - values[0]:+.{digits}f}" if both else ""])
    return rows


def comparability(first: Record, second: Record) -> list[str]:
    """In words: what the scores of the two may be compared for, and why not; empty where they have none in common."""
    return [*_about_validation(first, second), *_about_test(first, second), *_about_states(first, second)]


def _about_validation(first: Record, second: Record) -> list[str]:
    """The scores on the validation pairs."""
    if first.facts.valid is None or second.facts.valid is None:
        return []
    told = []
    if _differing("data.valid", first, second):
        return ["Valid scores: no, these are other validation pairs."]
    sentences = [record.config.get("training.validate_sentences") for record in (first, second)]
    if first.fingerprint == second.fingerprint != "":
        same = "the data's fingerprint is equal"
    else:
        same = "by their names; the fingerprint, which covers training and validation pairs together, is another"
    signatures = [record.environment.get("valid_bleu") for record in (first, second)]
    if None not in signatures and signatures[0] != signatures[1]:
        told.append(f"Valid BLEU: no, computed in different ways: {signatures[0]} and {signatures[1]}.")
    if sentences[0] != sentences[1]:
        told.append(f"Valid BLEU and chrF: not exactly; {sentences[0]} of the pairs were translated in one, {sentences[1]} in the other.")
    else:
        scores = "chrF" if told else "BLEU and chrF"
        told.append(f"Valid {scores}: yes, of the same validation pairs ({same}), both by greedy search.")
    if first.tokenizer == second.tokenizer:
        told.append("Valid loss: yes, it is per token, and the tokenizer is the same.")
    else:
        told.append("Valid loss and perplexity: no, they are per token, and the tokenizers are not the same.")
    return told


def _about_test(first: Record, second: Record) -> list[str]:
    """The scores on the test pairs."""
    tests = [record.facts.test for record in (first, second)]
    if None in tests:
        return []
    if _differing("data.test", first, second):
        return ["Test scores: no, these are other test pairs."]
    if tests[0].get("sentences") != tests[1].get("sentences"):
        return [f"Test scores: no, of {tests[0].get('sentences')} sentences and of {tests[1].get('sentences')}."]
    count = tests[0].get("sentences")
    signatures = [{label: (test.get(metric) or {}).get("signature") for metric, label in _METRICS} for test in tests]
    told = [f"Test {label}: no, of the same {count} sentences, but computed in another way: {one} and {other}."
            for label, one, other in value_rows(*signatures)]  # fmt: skip
    if len(told) < len(_METRICS):
        alike = "with the same signatures" if not told else "but for what is said above"
        told.append(f"Test scores: yes, of the same {count} sentences (by their names), {alike}.")
    search = [row for row in value_rows(first.config, second.config) if row[0].startswith("decoding.")]
    if search:
        told.append(f"The test pairs were translated with other settings: {_listed(search)}.")
    return told


def _about_states(first: Record, second: Record) -> list[str]:
    """What must be known of either run."""
    told = [f"{record.name} is {record.facts.state}: its valid scores are those of its best checkpoint so far."
            for record in (first, second) if record.facts.valid and not record.summary]  # fmt: skip
    changed = [row[0] for row in config_rows(first, second)]
    if changed == ["training.seed"]:
        told.append("Only the seed differs: the differences are what chance alone makes.")
    return told


def _differing(key: str, first: Record, second: Record) -> bool:
    """Whether a setting, or anything set for the corpora under it, differs."""
    return any(row[0] == key or row[0].startswith(f"{key}[") for row in value_rows(first.config, second.config))


def _listed(rows: Sequence[Sequence[str]]) -> str:
    """key: a, b; key: …"""
    return "; ".join(f"{key} {first} and {second}" for key, first, second in rows)


def _shown(value: Any) -> str:
    """A value as a person would write it."""
    if value is None:
        return "null"
    if value == "":
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value)


def _side_by_side(rows: Sequence[Sequence[str]], names: tuple[str, str], width: int) -> str:
    """Key and two values: in a table where that is narrow enough, else the values under each other."""
    room = width - 2
    table_rows = [list(row) for row in rows]
    while table_rows:
        table = text_table(["", *names], table_rows, numbers_from=3)
        if max(display_width(line) for line in table.split("\n")) <= room:
            break
        table_rows.remove(max(table_rows, key=lambda row: display_width(row[1]) + display_width(row[2]) + display_width(row[0])))
    lines = [text_table(["", *names], table_rows, numbers_from=3)] if table_rows else []
    column = max(display_width(name) for name in names)
    for row in rows:
        if list(row) not in table_rows:
            lines.append(row[0])
            lines += [f"  {name}{' ' * (column - display_width(name))}  {value}" for name, value in zip(names, row[1:], strict=True)]
    return _indent("\n".join(lines))


def _indent(text: str) -> str:
    """Every line set in by two."""
    return "\n".join(f"  {line}".rstrip() for line in text.split("\n"))
