"""What the `mt inspect` commands do once their options are parsed: read, call, print or write."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mt.config_file import load_config
from mt.data.corpus import read_corpora
from mt.data.encodings import normalise
from mt.errors import DataError, RunError
from mt.files import write_atomically
from mt.output import refuse_unwritable, terminal_width


@dataclass(frozen=True)
class ShapesRequest:
    """What `mt inspect shapes` was asked."""

    config: str | None
    overrides: Sequence[str]
    model: str | None
    sources: Sequence[str]
    targets: Sequence[str]
    html: Path | None


def show_shapes(request: ShapesRequest) -> None:
    """Print the path of a batch through the model of a configuration or of a run; write the page if asked."""
    from mt.inspection.page import path_page
    from mt.inspection.path import make_path, model_without_weights
    from mt.inspection.text_view import path_text
    from mt.runs import find_model
    from mt.stored_model import load_model
    from mt.training.prepare import tokenizer_for
    from mt.translator import Translator

    if request.config and request.model:
        raise DataError("give --config or --model, not both")
    refuse_unwritable(request.html)
    if request.config:
        config = load_config(request.config, request.overrides)
        sources, targets = _pairs_to_show(request, config, None)
        tokenizer = tokenizer_for(config, read_corpora(config.data.train, "train", config.source, config.target))
        model, title = model_without_weights(config.model, tokenizer), f"{config.name}: {config.model.architecture}"
    else:
        loaded = load_model(find_model(request.model))
        config, tokenizer, model = loaded.config, loaded.tokenizer, loaded.model
        sources, targets = _pairs_to_show(request, config, Translator(model, tokenizer, config))
        title = f"{config.name}: {config.model.architecture}"
    path = make_path(model, tokenizer, sources, targets)
    print(path_text(path, title, terminal_width()))
    if request.html is not None:
        write_atomically(request.html, path_page(path, title))
        print(f"\nwritten: {request.html}")


def _pairs_to_show(request: ShapesRequest, config, translator) -> tuple[list[str], list[str]]:
    """The sentences asked for, with the model's own translations where targets are missing; else two validation pairs of unlike length."""
    sources, targets = [normalise(text) for text in request.sources], [normalise(text) for text in request.targets]
    if not sources and targets:
        raise DataError("--target needs its --source")
    if sources and not targets and translator is not None:
        return sources, translator.translate(sources)
    if len(sources) != len(targets):
        raise DataError(f"{len(sources)} of --source, {len(targets)} of --target: give as many of the one as of the other")
    if sources:
        return sources, targets
    split = "valid" if config.data.valid else "train"
    corpus = read_corpora(getattr(config.data, split), split, config.source, config.target)[0]
    order = sorted(range(min(len(corpus), 50)), key=lambda index: len(corpus.sources[index]))
    chosen = [order[len(order) // 2], order[0]]
    return [corpus.sources[index] for index in chosen], [corpus.targets[index] for index in chosen]


@dataclass(frozen=True)
class AttentionRequest:
    """What `mt inspect attention` was asked."""

    sentence: str
    model: str | None
    target: str | None
    kind: str
    layer: int | None
    head: int | None
    html: Path | None
    png: Path | None


def show_attention(request: AttentionRequest) -> None:
    """Print what the model looks at in one sentence; write the page and the figure if asked."""
    from mt.inspection.as_translated import notes_on_attention
    from mt.inspection.figure import attention_png, require_matplotlib
    from mt.inspection.look import KINDS, look_at, look_at_translation
    from mt.inspection.look_page import look_page
    from mt.inspection.look_text import look_text
    from mt.runs import find_model
    from mt.stored_model import load_model
    from mt.translator import Translator

    if request.kind not in KINDS:
        raise DataError(f"--kind: '{request.kind}' is none of {', '.join(KINDS)}")
    refuse_unwritable(request.html)
    refuse_unwritable(request.png)
    if request.png is not None:
        require_matplotlib()
    loaded = load_model(find_model(request.model))
    translator = Translator(loaded.model, loaded.tokenizer, loaded.config, loaded.path)
    sentence = normalise(request.sentence)
    if request.target is None:
        look = look_at_translation(translator, sentence)
    else:
        look = look_at(loaded.model, loaded.tokenizer, sentence, normalise(request.target), loaded.config.decoding)
    if look.maps:
        heads = len(look.map_of(request.kind, request.layer).weights)
        if request.head is not None and not 1 <= request.head <= heads:
            raise DataError(f"--head {request.head}: there are {heads} heads, from 1")
    print(look_text(look, request.kind, request.layer, request.head, terminal_width()))
    for note in notes_on_attention(translator, sentence) if request.target is None else ():
        print(f"note: {note}", file=sys.stderr)
    if request.html is not None:
        write_atomically(request.html, look_page(look, f"{look.source} → {look.translation}"))
        print(f"\nwritten: {request.html}")
    if request.png is not None:
        write_atomically(request.png, attention_png(look, request.kind, request.layer, request.head))
        print(f"\nwritten: {request.png}")


def show_projections(model: str | None, html: Path | None, png: Path | None) -> None:
    """Print how a run's attention learned; write the page and the figure if asked."""
    from mt.inspection.figure import require_matplotlib
    from mt.inspection.story import read_story
    from mt.inspection.story_page import story_page
    from mt.inspection.story_text import story_text
    from mt.runs import find_run

    for file in (html, png):
        refuse_unwritable(file)
    if png is not None:
        require_matplotlib()
    story = read_story(find_run(model))
    print(story_text(story, terminal_width()))
    if html is not None:
        write_atomically(html, story_page(story))
        print(f"\nwritten: {html}")
    if png is not None:
        from mt.inspection.story_figure import story_png

        write_atomically(png, story_png(story))
        print(f"\nwritten: {png}")


@dataclass(frozen=True)
class ExplainRequest:
    """What `mt explain` was asked."""

    sentence: str
    model: str | None
    target: str | None
    beam: int | None
    length_penalty: float | None
    html: Path | None


def explain_translation(request: ExplainRequest) -> None:
    """Print why the model translated a sentence as it did; write the page if asked."""
    from mt.config_file import replace_fields
    from mt.inspection.as_translated import notes_on_search
    from mt.inspection.explain import beam_options, explain
    from mt.inspection.explain_text import explain_text
    from mt.runs import find_model
    from mt.stored_model import load_model
    from mt.translator import Translator

    refuse_unwritable(request.html)
    loaded = load_model(find_model(request.model))
    given = {"beam_size": request.beam, "length_penalty": request.length_penalty}
    changes = {f"decoding.{key}": value for key, value in given.items() if value is not None}
    replace_fields(loaded.config, {"decoding.nbest": 1, "decoding.mbr": 0, **changes})  # refuses what is out of range
    options = beam_options(loaded.config.decoding, request.beam, request.length_penalty)
    target = None if request.target is None else normalise(request.target)
    sentence = normalise(request.sentence)
    explanation = explain(loaded.model, loaded.tokenizer, sentence, target, options)
    print(explain_text(explanation, terminal_width()))
    translator = Translator(loaded.model, loaded.tokenizer, loaded.config, loaded.path)
    for note in notes_on_search(translator, sentence, options, explanation.look.translation):
        print(f"note: {note}", file=sys.stderr)
    if request.html is not None:
        from mt.inspection.explain_page import explain_page

        write_atomically(request.html, explain_page(explanation))
        print(f"\nwritten: {request.html}")


def show_findings(reference: str | None) -> None:
    """Print what the doctor finds in a run, finished or not."""
    from mt.runs import find_run, shown
    from mt.training.doctor.examine import examine, in_full
    from mt.training.doctor.history import read_history

    run = find_run(reference)
    if not run.exists():
        raise RunError(f"{shown(run.path)}: this is not a run directory of mt (there is no config.yaml)")
    history = read_history(run.path, load_config(run.config_path), run.finished())
    if not (history.train or history.valid or history.skipped):
        raise RunError(
            f"{shown(run.metrics_path)}: no figures yet; the first line comes after training.log_every "
            f"({history.config.training.log_every}) updates of 'mt train --config {shown(run.config_path)}'"
        )
    print(in_full(history, examine(history), run.path.name))
