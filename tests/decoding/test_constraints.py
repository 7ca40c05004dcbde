"""Search under rules against enumeration, a beam search in lists, and itself in other company."""

import itertools
from collections.abc import Callable

import pytest
import torch

from mt.config import DecodingConfig
from mt.data.special_ids import EOS
from mt.decoding.batches import translate_ids
from mt.decoding.constraints import NONE, Constraints
from mt.decoding.hypothesis import length_limit
from mt.decoding.partial_characters import MATCHED
from mt.decoding.phrases import Phrase, Spelling, compile_phrase
from mt.decoding.search import Hypothesis, search
from mt.errors import DecodingError
from mt.inspection.beam_tree import trace_beam
from tests.decoding import phrase_reference
from tests.decoding.table_model import TableModel, Tokens, enumerated, source_tensor, textbook_beam

SOURCES: list[Tokens] = [(4, 5, 3), (5, 3), (4, 4, 4, 5, 3), (5, 5, 4, 3), (4, 3)]
LIMITS = [4, 3, 4, 2, 1]
PIECES = [b"", " \u2047 ".encode(), b"", b"", b" a", b"b", b" b", b"a"]
SPELLING = Spelling(PIECES)
WIDE = 900
"""As many places as there are beginnings of sentences of four of five words, and sentences."""


def phrases(*texts: str) -> tuple[Phrase, ...]:
    return tuple(compile_phrase(text, SPELLING) for text in texts)


def written(sentence: Tokens) -> bytes:
    return b"".join(PIECES[token] for token in sentence)


def contains(sentence: Tokens, phrase: str, more: bytes = b"") -> bool:
    """Whether a phrase occurs in the text of these tokens with `more` after it."""
    return phrase_reference.contains((written(sentence) + more).decode(), phrase)


def repeats(sentence: Tokens, ngram: int, after: int = 0) -> bool:
    """Whether an n-gram that ends after the first so many tokens was there before."""
    grams = [sentence[at : at + ngram] for at in range(len(sentence) - ngram + 1)]
    return any(gram in grams[:at] and at + ngram > after for at, gram in enumerate(grams))


def options(alpha: float = 1.0, **values) -> DecodingConfig:
    return DecodingConfig(**values).model_copy(update={"length_penalty": alpha})


def run(model: TableModel, chosen: DecodingConfig, asked: Constraints = NONE, sources=SOURCES, limits=LIMITS) -> list[list[Hypothesis]]:
    return search(model, source_tensor(sources), chosen, torch.tensor(limits), [asked] * len(sources))


def assert_found(hypotheses: list[Hypothesis], expected: list[tuple[Tokens, float]]) -> None:
    assert [tuple(h.tokens) for h in hypotheses] == [tokens for tokens, _ in expected]
    assert [h.score for h in hypotheses] == pytest.approx([score for _, score in expected], abs=1e-5)


def whole(hypothesis: Hypothesis) -> Tokens:
    return (*hypothesis.tokens, EOS) if hypothesis.finished else tuple(hypothesis.tokens)


def assert_exact(chosen: DecodingConfig, asked: Constraints, allowed: Callable[[Tokens], bool], **more) -> None:
    """A beam that holds everything finds the best of all sentences that are allowed."""
    for seed in range(3):
        model = TableModel(vocab_size=len(PIECES), seed=seed)
        for source, limit, found in zip(SOURCES, LIMITS, run(model, chosen, asked), strict=True):
            assert_found(found, enumerated(model, source, limit, chosen.length_penalty, 12, allowed, **more))


@pytest.mark.parametrize("ngram", [1, 2, 3])
@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.7])
def test_no_n_gram_occurs_twice_and_the_best_of_all_such_sentences_is_found(ngram: int, alpha: float) -> None:
    chosen = options(alpha, beam_size=WIDE, nbest=12, no_repeat_ngram=ngram)
    assert_exact(chosen, NONE, lambda sentence: not repeats(sentence, ngram))


@pytest.mark.parametrize("prefix", [(4,), (4, 4), (5, 6, 7)])
@pytest.mark.parametrize("ngram", [0, 1])
def test_every_translation_begins_with_the_prefix_and_the_best_of_these_is_found(prefix: Tokens, ngram: int) -> None:
    """What is in the prefix may be there twice; at a length limit within the prefix it is cut."""
    chosen = options(beam_size=WIDE, nbest=12, no_repeat_ngram=ngram)

    def allowed(sentence: Tokens) -> bool:
        begins = sentence[: len(prefix)] == prefix[: len(sentence)]
        return begins and not (ngram and repeats(sentence, ngram, after=len(prefix)))

    assert_exact(chosen, Constraints(prefix=prefix), allowed)


@pytest.mark.parametrize("texts", [("a",), ("ab",), ("ab*",), ("a b", "bb"), ("b", "aa*"), ("\u2047",)])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_forbidden_words_are_nowhere_in_the_text_and_the_best_of_the_rest_is_found(texts: tuple[str, ...], alpha: float) -> None:
    """Also at the end of a sentence that is cut, which is the end of its text."""
    chosen = options(alpha, beam_size=WIDE, nbest=12)
    assert_exact(chosen, Constraints(forbidden=phrases(*texts)), lambda sentence: not any(contains(sentence, text) for text in texts))


@pytest.mark.parametrize("texts", [("a",), ("ab",), ("ab*",), ("a b",), ("a", "b"), ("ab", "b*", "aba"), ("bb", "bb a")])
@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.7])
def test_required_words_are_in_every_finished_sentence_and_the_best_of_these_is_found(texts: tuple[str, ...], alpha: float) -> None:
    """Of sentences that are cut those that have all of them come first."""

    def lacking(sentence: Tokens) -> bool:
        return not all(contains(sentence, text) for text in texts)

    chosen = options(alpha, beam_size=WIDE, nbest=12)
    asked = Constraints(required=phrases(*texts))
    assert_exact(chosen, asked, lambda sentence: EOS not in sentence or not lacking(sentence), lacking=lacking)


def test_all_rules_together_find_the_best_of_what_obeys_them() -> None:
    def lacking(sentence: Tokens) -> bool:
        return not contains(sentence, "ab")

    def allowed(sentence: Tokens) -> bool:
        forbidden = contains(sentence, "bb") or contains(sentence, "a b") or repeats(sentence, 2, after=1)
        return sentence[:1] == (6,) and not forbidden and (EOS not in sentence or not lacking(sentence))

    asked = Constraints(prefix=(6,), forbidden=phrases("bb", "a b"), required=phrases("ab"))
    assert_exact(options(beam_size=WIDE, nbest=12, no_repeat_ngram=2), asked, allowed, lacking=lacking)


ASKED = {
    "n-grams": ({"no_repeat_ngram": 2}, NONE),
    "prefix": ({}, Constraints(prefix=(4, 5, 5))),
    "forbidden": ({}, Constraints(forbidden=phrases("a", "bb*"))),
    "all": ({"no_repeat_ngram": 3}, Constraints(prefix=(4, 5), forbidden=phrases("b"))),
}
LONG = [9, 3, 12, 8, 1]


def obeys(sentence: Tokens, changes: dict, asked: Constraints, at_end: bool = True) -> bool:
    """Whether a sentence, or with at_end=False the beginning of one, may be written."""
    ngram, prefix = changes.get("no_repeat_ngram", 0), asked.prefix
    if sentence[: len(prefix)] != prefix[: len(sentence)] or (ngram and repeats(sentence, ngram, after=len(prefix))):
        return False
    more = b"" if at_end or EOS in sentence else b"x"  # a letter, so that a word at the end is not yet one
    return not any(contains(sentence, phrase.text, more) for phrase in asked.forbidden)


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("beam_size", [1, 2, 4])
def test_a_narrow_beam_equals_the_textbook_run_to_the_limit(name: str, beam_size: int) -> None:
    changes, asked = ASKED[name]
    for seed, nbest in itertools.product(range(8), {1, beam_size}):
        model = TableModel(vocab_size=len(PIECES), seed=seed)
        found = run(model, options(beam_size=beam_size, nbest=nbest, **changes), asked, limits=LONG)
        for source, limit, hypotheses in zip(SOURCES, LONG, found, strict=True):
            expected = textbook_beam(
                model, source, limit, 1.0, beam_size,
                allowed=lambda sentence, limit=limit: obeys(sentence, changes, asked, EOS in sentence or len(sentence) == limit),
            )  # fmt: skip
            assert_found(hypotheses, expected[:nbest])


@pytest.mark.parametrize("texts", [("a",), ("ab", "b"), ("ab a*", "bb")])
@pytest.mark.parametrize("beam_size", [1, 2, 3, 6])
def test_a_narrow_beam_with_required_words_shares_its_places_as_dealt_by_hand(texts: tuple[str, ...], beam_size: int) -> None:
    """And stopping early changes nothing there either. The words are always found, since the limit leaves room for them."""
    required = phrases(*texts)
    limits = [9, 12, 10, 11, sum(phrase.needs for phrase in required)]

    def state(phrase: Phrase, sentence: Tokens) -> int:
        return phrase.after(sentence)

    def bank(sentence: Tokens) -> int:
        states = [state(phrase, sentence) for phrase in required]
        complete = sum(phrase.needs for phrase, at in zip(required, states, strict=True) if at == MATCHED)
        begun = [phrase.needs - int(phrase.steps_X[at]) for phrase, at in zip(required, states, strict=True) if at != MATCHED]
        return complete + max(begun, default=0)

    def guides(prefix: Tokens, log_probs: list[float]) -> list[int]:
        best = []
        for phrase in required:
            at = state(phrase, prefix)
            leading = [t for t in range(len(PIECES)) if phrase.steps_X[phrase.step(at, t)] < phrase.steps_X[at]]
            best += sorted((t for t in leading if log_probs[t] > -torch.inf), key=lambda t: -log_probs[t])[:1]
        return best

    def allowed(sentence: Tokens) -> bool:
        return EOS not in sentence or all(contains(sentence, text) for text in texts)

    for seed, nbest in itertools.product(range(6), {1, beam_size}):
        model = TableModel(vocab_size=len(PIECES), seed=seed)
        found = run(model, options(beam_size=beam_size, nbest=nbest), Constraints(required=required), limits=limits)
        for source, limit, hypotheses in zip(SOURCES, limits, found, strict=True):
            expected = textbook_beam(model, source, limit, 1.0, beam_size, allowed, bank, guides)
            cut = [(s, score) for s, score in expected if len(s) == limit]
            cut.sort(key=lambda one: not all(contains(one[0], text) for text in texts))
            expected = [one for one in expected if one not in cut] + cut
            assert_found(hypotheses, expected[:nbest])
            assert all(contains(tuple(hypotheses[0].tokens), text) for text in texts)


@pytest.mark.parametrize("method", ["beam", "greedy", "sampling"])
@pytest.mark.parametrize("name", ASKED)
def test_every_method_obeys_and_reports_the_models_own_log_probabilities(method: str, name: str) -> None:
    changes, asked = ASKED[name]
    nbest = 1 if method == "greedy" else 3
    for seed in range(6):
        model = TableModel(vocab_size=len(PIECES), seed=seed)
        found = run(model, options(method=method, beam_size=3, nbest=nbest, seed=seed, **changes), asked, limits=LONG)
        for source, hypotheses in zip(SOURCES, found, strict=True):
            for hypothesis in hypotheses:
                sentence = whole(hypothesis)
                assert obeys(sentence, changes, asked), (written(sentence), sentence)
                assert hypothesis.token_log_probs == pytest.approx(model.token_log_probs(source, sentence), abs=1e-5)


@pytest.mark.parametrize("name", ASKED)
def test_a_beam_of_one_is_greedy_search(name: str) -> None:
    changes, asked = ASKED[name]
    for seed in range(10):
        model = TableModel(vocab_size=len(PIECES), seed=seed)
        greedy = run(model, options(method="greedy", **changes), asked, limits=LONG)
        assert run(model, options(beam_size=1, **changes), asked, limits=LONG) == greedy


@pytest.mark.parametrize("method", ["beam", "greedy", "sampling"])
def test_sentences_with_rules_of_their_own_get_in_any_company_what_they_get_alone(method: str) -> None:
    """Also those without any, beside others with some."""
    required = phrases("ab", "bb*", "b a") if method == "beam" else ()
    kinds = [
        NONE, Constraints(prefix=(4, 5, 5)), Constraints(forbidden=phrases("a")), Constraints(forbidden=phrases("b", "ab*")),
        Constraints(required=required[:1]), Constraints(prefix=(6,), required=required[1:]),
    ]  # fmt: skip
    sources = [[*source[:-1], *[4] * (number % 5), EOS] for number, source in enumerate(SOURCES * 8)]
    asked = [kinds[number % len(kinds)] for number in range(len(sources))]
    for ngram in (0, 3):
        chosen = options(method=method, beam_size=3, max_length_ratio=1.0, max_length_extra=4, no_repeat_ngram=ngram)
        model = TableModel(vocab_size=len(PIECES), seed=4)
        together = translate_ids(model, sources, chosen, constraints=asked)
        for max_tokens in (1, 60):
            changed = chosen.model_copy(update={"max_tokens": max_tokens})
            assert translate_ids(model, sources, changed, constraints=asked) == together
        assert translate_ids(model, sources[::-1], chosen, constraints=asked[::-1])[::-1] == together
        for source, own, hypotheses in zip(sources, asked, together, strict=True):
            assert translate_ids(model, [source], chosen, constraints=[own]) == [hypotheses]
            if own == NONE:
                assert translate_ids(model, [source], chosen) == [hypotheses]
        torch.set_num_threads(2)
        assert translate_ids(model, sources, chosen, constraints=asked) == together
        torch.set_num_threads(1)


def test_the_length_limit_counts_what_follows_the_prefix_and_leaves_room_for_required_words() -> None:
    endless = TableModel(vocab_size=8, logits=lambda source, prefix: [0.0, 0.0, 0.0, -60.0, 1.0, 0.0, 0.0, 0.0])
    chosen = options(beam_size=2, max_length_ratio=1.0, max_length_extra=1)
    [[free]] = translate_ids(endless, [[4, 4, EOS]], chosen)
    [[begun]] = translate_ids(endless, [[4, 4, EOS]], chosen, constraints=[Constraints(prefix=(5,) * 20)])
    assert len(free.tokens) == length_limit(2, chosen) == 3 and len(begun.tokens) == 23 and begun.tokens[:20] == [5] * 20
    asked = Constraints(required=phrases("bbbbbbbb"))
    [[required]] = translate_ids(endless, [[4, 4, EOS]], chosen, constraints=[asked])
    assert contains(tuple(required.tokens), "bbbbbbbb") and len(required.tokens) <= 3 + asked.room


@pytest.mark.parametrize("required", [False, True])
def test_an_empty_source_stays_empty_whatever_is_asked(required: bool) -> None:
    asked = Constraints(required=phrases("a")) if required else Constraints(prefix=(4,))
    [[empty], [other]] = translate_ids(TableModel(8), [[EOS], [4, EOS]], options(), constraints=[asked, asked])
    assert empty.tokens == [] and (contains(tuple(other.tokens), "a") if required else other.tokens[0] == 4)


def test_no_token_left_is_told_apart_from_a_broken_model() -> None:
    """All five words would complete a forbidden one, and so would the end."""
    nothing = Constraints(forbidden=phrases("a*", "b*", "\u2047*"))
    broken = TableModel(8, logits=lambda source, prefix: [float("nan") if len(prefix) == 1 else 0.0] * 8)
    for method in ("beam", "greedy", "sampling"):
        chosen = options(method=method)
        with pytest.raises(DecodingError, match="NaN or infinite logits at target position 2"):
            run(broken, chosen, Constraints(prefix=(4, 4), forbidden=phrases("b*")))
        assert run(TableModel(8), chosen, nothing)[0][0].tokens == []
        with pytest.raises(DecodingError, match="leaves no token for target position 1: .*--forbid"):
            run(TableModel(8, logits=lambda source, prefix: [0.0, 0.0, 0.0, -torch.inf, 0.0, 0.0, 0.0, 0.0]), chosen, nothing)


@pytest.mark.parametrize(
    ("asked", "method", "message"),
    [
        (Constraints(required=phrases("ab")), "greedy", "required words .'ab'. need beam search.*the method is greedy: use --method beam"),
        (Constraints(required=phrases("ab")), "sampling", "the method is sampling"),
        (Constraints(required=phrases("c")), "beam", "required 'c' cannot be written with this vocabulary"),
        (Constraints(required=phrases("a b"), forbidden=phrases("b*")), "beam", "required 'a b' contains 'b\\*', which is forbidden"),
        (Constraints(required=phrases("ab*"), forbidden=phrases("a*")), "beam", "required 'ab\\*' contains 'a\\*'"),
        (Constraints(prefix=(4, 6), forbidden=phrases("a")), "greedy", "the prefix contains 'a', which is forbidden"),
        (Constraints(prefix=(4, 5), forbidden=phrases("ab")), "sampling", "the prefix contains 'ab'"),
        (Constraints(prefix=(4, EOS)), "beam", "a prefix cannot contain the token id 3"),
        (Constraints(prefix=(8,)), "beam", "a prefix cannot contain the token id 8"),
    ],
)
def test_impossible_constraints_are_refused_and_told(asked: Constraints, method: str, message: str) -> None:
    with pytest.raises(DecodingError, match=message):
        run(TableModel(8), options(method=method), asked)
    with pytest.raises(DecodingError, match=message):
        translate_ids(TableModel(8), [[EOS]], options(method=method), constraints=[asked])


def test_what_only_seems_to_conflict_is_not_refused() -> None:
    starred = Constraints(required=phrases("ab*"), forbidden=phrases("ab", "a"))
    for asked in (starred, Constraints(prefix=(4,), forbidden=phrases("b", "ab"))):
        [[found]] = translate_ids(TableModel(8), [[4, 4, 4, EOS]], options(), constraints=[asked])
        assert obeys(whole(found), {}, asked) and all(contains(whole(found), phrase.text) for phrase in asked.required)


def test_the_traced_search_obeys_as_the_search_does() -> None:
    for seed in range(6):
        model, chosen = TableModel(8, seed), options(beam_size=4, nbest=2, no_repeat_ngram=1)
        [expected] = run(model, chosen, sources=SOURCES[:1], limits=[9])
        tree = trace_beam(model, SOURCES[0], chosen, 9)
        assert list(tree.hypotheses) == expected
        assert not any(repeats(tuple(node.token for node in tree.path(entry)), 1) for entry in tree.nodes)
