"""Why a model translated a sentence as it did: its best translation step by step, the beam's tree, greedy search beside it, a reference.

A reference that the search did not find shows whose fault that is: it is a search error when the model ranks the reference before what
the search returned, and a model error otherwise (Stahlberg and Byrne 2019, "On NMT Search Errors and Model Errors").
explain_text.py and explain_page.py show it.
"""

from dataclasses import dataclass
from enum import Enum

import torch

from mt.config import DecodingConfig
from mt.data.special_ids import BOS
from mt.data.tokenizer import Tokenizer
from mt.decoding.hypothesis import Hypothesis, length_limit, make_hypothesis, rank
from mt.decoding.next_tokens import next_log_probs
from mt.decoding.search import search
from mt.inspection.beam_tree import BeamTree, Fate, trace_beam
from mt.inspection.look import Look, all_tokens, look_at_tokens, source_tokens
from mt.model.interface import TranslationModel


class Verdict(Enum):
    """What a reference says of the search and the model."""

    FOUND = "found"
    """The best translation is the reference, piece by piece."""
    SEARCH_ERROR = "search error"
    """The model ranks the reference before what the search returned: the search missed it."""
    MODEL_ERROR = "model error"
    """The model ranks the reference behind what the search returned: the search is not to blame."""


@dataclass(frozen=True)
class Greedy:
    """What greedy search would have said."""

    hypothesis: Hypothesis
    text: str
    differs_at: int | None
    """The first step, from 1, at which it writes another piece than the best of the beam; None when both are equal."""
    piece: str
    """What it writes at that step; empty when both are equal."""


@dataclass(frozen=True)
class Reference:
    """A translation that was given, against what the search found."""

    text: str
    pieces: tuple[str, ...]
    hypothesis: Hypothesis
    """Its log-probability and score under the model, as the tokenizer cuts it."""
    verdict: Verdict
    held: int
    """For so many steps the search held the beginning of the reference."""
    last_fate: Fate | None
    """What became of the last prefix that it held; None when it held none."""
    total_at_loss: float | None
    """The log-probability of the first prefix that it did not hold; None when it held the whole reference or had stopped before."""


@dataclass(frozen=True)
class Explanation:
    """All that is shown of one sentence."""

    look: Look
    """The best translation's steps and attention."""
    tree: BeamTree
    pieces: tuple[str, ...]
    """The piece of each target token id."""
    texts: dict[int, str]
    """The text of every prefix that the search held, by its entry in the tree."""
    greedy: Greedy
    reference: Reference | None
    no_repeat_ngram: int = 0
    """decoding.no_repeat_ngram of the search."""

    @property
    def best(self) -> Hypothesis:
        """What the search returns first."""
        return self.tree.hypotheses[0]

    def departures(self) -> list[int]:
        """The steps, from 1, at which the best translation does not take the most probable piece."""
        return [place for place, step in enumerate(self.look.steps, 1) if step.piece != step.alternatives[0][0]]

    def forbidden(self) -> list[int]:
        """Those of them at which every more probable piece was forbidden: it would have repeated an n-gram (decoding.no_repeat_ngram)."""
        written = [step.piece for step in self.look.steps]
        found = []
        for place in self.departures():
            likelier = [piece for piece, probability in self.look.steps[place - 1].alternatives
                        if probability > self.look.steps[place - 1].probability]  # fmt: skip
            if all(self._repeats([*written[: place - 1], piece]) for piece in likelier):
                found.append(place)
        return found

    def _repeats(self, pieces: list[str]) -> bool:
        """Whether the last n-gram of the pieces occurs before."""
        size = self.no_repeat_ngram
        return size > 0 and any(pieces[first : first + size] == pieces[-size:] for first in range(len(pieces) - size))


def beam_options(options: DecodingConfig, beam: int | None, alpha: float | None) -> DecodingConfig:
    """The run's decoding with method beam, as wide and with the length penalty asked for; greedy search is a beam of one."""
    width = beam or (1 if options.method == "greedy" else options.beam_size)
    changes = {"method": "beam", "beam_size": width, "nbest": min(options.nbest, width)}
    return options.model_copy(update=changes if alpha is None else {**changes, "length_penalty": alpha})


@torch.inference_mode()
def explain(model: TranslationModel, tokenizer: Tokenizer, source: str, target: str | None, options: DecodingConfig) -> Explanation:
    """Translate one sentence by beam search and note why it came out so. target: a reference to compare with.

    options.method must be beam (beam_options makes it so). DataError when there is no text in the sentence.
    """
    model.eval()
    source_ids = source_tokens(tokenizer, source)
    limit = length_limit(len(source_ids) - 1, options)
    tree = trace_beam(model, source_ids, options, limit)
    best = tree.hypotheses[0]
    pieces = tuple(tokenizer.target.processor.id_to_piece(list(range(len(tokenizer.target)))))
    return Explanation(
        look_at_tokens(model, tokenizer, source, source_ids, all_tokens(best), given=False),
        tree,
        pieces,
        {entry: tokenizer.decode_target([node.token for node in tree.path(entry)]) for entry in tree.nodes},
        _greedy(model, tokenizer, source_ids, best, options, limit),
        None if target is None else _reference(model, tokenizer, source_ids, target, tree),
        options.no_repeat_ngram,
    )


def score_target(model: TranslationModel, source_ids: list[int], target_ids: list[int], alpha: float) -> Hypothesis:
    """A given translation as the search would have scored it: its tokens, EOS included, fed one by one."""
    device = model.output_weight_VD.device
    state = model.start(model.encode(torch.tensor([source_ids], device=device)), beam_size=1)
    log_probs = []
    for previous, token in zip([BOS, *target_ids[:-1]], target_ids, strict=True):
        log_probs_RV = next_log_probs(model.step(torch.tensor([previous], device=device), state))
        log_probs.append(log_probs_RV[0, token].item())
    return make_hypothesis(target_ids, log_probs, alpha)


def _greedy(
    model: TranslationModel, tokenizer: Tokenizer, source_ids: list[int], best: Hypothesis, options: DecodingConfig, limit: int
) -> Greedy:
    """Greedy search of the same sentence, and where it leaves the best of the beam."""
    source_BS = torch.tensor([source_ids], device=model.output_weight_VD.device)
    [[found]] = search(model, source_BS, options.model_copy(update={"method": "greedy", "nbest": 1}), torch.tensor([limit]))
    ours, best_tokens = all_tokens(found), all_tokens(best)
    # Neither is the beginning of the other: what has not ended has the length of the limit.
    differs = next((at for at, (one, other) in enumerate(zip(ours, best_tokens, strict=False)) if one != other), None)
    piece = "" if differs is None else tokenizer.target.processor.id_to_piece(ours[differs])
    return Greedy(found, tokenizer.decode_target(found.tokens), None if differs is None else differs + 1, piece)


def _reference(model: TranslationModel, tokenizer: Tokenizer, source_ids: list[int], target: str, tree: BeamTree) -> Reference:
    """The reference under the model, and where the search lost it."""
    [target_ids] = tokenizer.encode_target([target])
    scored, best = score_target(model, source_ids, target_ids, tree.alpha), tree.hypotheses[0]
    if target_ids == all_tokens(best):
        verdict = Verdict.FOUND
    else:
        verdict = Verdict.SEARCH_ERROR if rank(scored) < rank(best) else Verdict.MODEL_ERROR
    path = tree.follow(target_ids)
    lost = len(path) < min(len(target_ids), len(tree.steps))
    pieces = tuple(tokenizer.target.processor.id_to_piece(target_ids))
    return Reference(
        target, pieces, scored, verdict, len(path), path[-1].fate if path else None,
        sum(scored.token_log_probs[: len(path) + 1]) if lost else None,
    )  # fmt: skip
