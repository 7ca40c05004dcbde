"""What the views of an explanation (explain.py) say in words: the fate of a hypothesis, greedy search, the reference."""

from mt.inspection.beam_tree import Fate, Node
from mt.inspection.explain import Explanation, Reference, Verdict

_ORDINALS = ("the", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def two(low: float, high: float) -> tuple[str, str]:
    """Both numbers with as many digits (from two after the point, to six) as it takes to tell them apart."""
    for digits in range(2, 7):
        texts = f"{low:.{digits}f}", f"{high:.{digits}f}"
        if texts[0] != texts[1]:
            break
    return texts


def place_of(rank: int) -> str:
    """A rank among hypotheses."""
    return f"{_ORDINALS[rank - 1]} best" if rank <= len(_ORDINALS) else f"number {rank}"


def fate_words(explanation: Explanation, node: Node) -> str:
    """What became of a hypothesis that the search held; nothing for one that went on."""
    tree = explanation.tree
    if node.fate is Fate.FINISHED:
        return f"finished, score {node.score:.2f}: {place_of(node.rank)}"
    if node.fate is Fate.CUT:
        return f"cut at the length limit of {tree.max_length} pieces, score {node.score:.2f}: {place_of(node.rank)}"
    if node.fate is Fate.PRUNED:
        best, worst = two(node.at_best, node.bound)
        relation = "=" if best == worst else "<"
        piece = explanation.pieces[node.at_best_token]
        return f"pruned at step {node.step + 1}: best extension {piece} {best} {relation} the beam's worst {worst}"
    if node.fate is Fate.OUTDONE:
        reach, worst = two(node.at_best, node.bound)
        kept = "the best finished" if len(tree.hypotheses) == 1 else "the worst kept"
        return f"alive at the end: its best reachable score {reach} could not pass {kept}, {worst}"
    return ""


def search_words(explanation: Explanation) -> str:
    """The search in one sentence or two."""
    tree = explanation.tree
    ended = [node for node in tree.nodes.values() if node.fate is Fate.FINISHED]
    wide = "Greedy search (a beam of 1)" if tree.beam_size == 1 else f"Beam of {tree.beam_size}"
    text = (
        f"{wide}, length penalty {tree.alpha:g}, at most {tree.max_length} pieces: {len(tree.steps)} steps, "
        f"{len(tree.nodes)} extensions held, {len(ended)} finished"
    )
    if not explanation.best.finished:
        text += ". None had ended at the length limit (decoding.max_length_ratio, max_length_extra): the translation is cut"
    return text


def greedy_words(explanation: Explanation) -> str:
    """What greedy search would have said, and what the beam gained or lost."""
    greedy, best = explanation.greedy, explanation.best
    if explanation.tree.beam_size == 1:
        return "Greedy search is what this is: with --beam 5 the beam's choices show."
    if greedy.differs_at is None:
        return "Greedy search says the same, piece by piece."
    step = explanation.look.steps[greedy.differs_at - 1]
    score, ours = two(greedy.hypothesis.score, best.score)
    log_prob, our_log_prob = two(greedy.hypothesis.log_prob, best.log_prob)
    if best.score == greedy.hypothesis.score:
        verdict = "both score the same"
    elif best.score > greedy.hypothesis.score:
        verdict = "by the model's own score the beam's is better"
    else:
        verdict = "by the model's own score greedy search's is better, and the beam had pruned it"
    return (
        f"Greedy search says otherwise: {greedy.text}\nAt step {greedy.differs_at} it takes {greedy.piece} "
        f"({dict(step.alternatives).get(greedy.piece, 0):.0%}) where the beam's best has {step.piece} ({step.probability:.0%}). "
        f"Its score is {score} (log-probability {log_prob}), the beam's {ours} ({our_log_prob}): {verdict}."
    )


def reference_words(explanation: Explanation, reference: Reference) -> str:
    """The reference against the best: its score, whose fault it is that it was not found, and where the search lost it."""
    best, scored = explanation.best, reference.hypothesis
    score, ours = two(scored.score, best.score)
    what = reference.text or "(the empty translation)"
    text = f"{what}\n{' '.join(reference.pieces)}\nscore {score}, log-probability {scored.log_prob:.2f}"
    if reference.verdict is Verdict.FOUND:
        return f"{text}: it is what the search found."
    text += f"; the best of the search has score {ours}, log-probability {best.log_prob:.2f}.\n"
    if reference.verdict is Verdict.SEARCH_ERROR:
        text += "A search error: the model ranks the reference before what the search returned. The search missed it; a wider one may not."
    else:
        text += "A model error: the model ranks the reference behind what the search returned. The search is not to blame."
    if explanation.texts[explanation.tree.best.entry] == reference.text:
        text += " The text is the same; the model cut it into other pieces."
    return f"{text}\n{_loss_words(explanation, reference)}"


def _loss_words(explanation: Explanation, reference: Reference) -> str:
    """Until where the search held the reference, and what became of it there."""
    tree, held = explanation.tree, reference.held
    if reference.total_at_loss is not None:
        total, worst = two(reference.total_at_loss, tree.steps[held].worst)
        beginning = f"held {' '.join(reference.pieces[:held])} and then " if held else ""
        return (
            f"The beam {beginning}lost it at step {held + 1}: with {reference.pieces[held]} its log-probability is {total}, "
            f"the beam's worst {worst}."
        )
    if held == len(reference.pieces):
        return "The beam held it to its end."
    if reference.last_fate is Fate.CUT:
        return f"The beam held its first {held} pieces, all that the length limit allows; it has {len(reference.pieces)}."
    return f"The beam held its first {held} of {len(reference.pieces)} pieces when the search ended, since it could no longer win."
