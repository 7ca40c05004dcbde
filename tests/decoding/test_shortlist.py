"""A shortlist: what it holds, that a search keeps to it, and that with everything on it nothing changes."""

import shutil
from pathlib import Path

import pytest
import torch

from mt.config import DecodingConfig, ModelConfig
from mt.data.special_ids import BOS, EOS, PAD
from mt.decoding.batches import translate_ids
from mt.decoding.constraints import Constraints
from mt.decoding.hypothesis import Hypothesis
from mt.decoding.shortlist import Shortlist
from mt.errors import DecodingError
from mt.model.build import build_model
from mt.model.ensemble import Ensemble
from mt.model.interface import TranslationModel
from mt.model.linear import has_int8
from mt.training.trainer import train
from tests.command_line import run_mt
from tests.tiny import tiny_config

SIZE = 700
SOURCES = [[4 + (31 * number + 7 * place) % 600 for place in range(1 + number % 9)] + [EOS] for number in range(30)]
EVERYTHING = Shortlist(torch.full((SIZE, 1), -1, dtype=torch.int32), torch.arange(SIZE, dtype=torch.int32), shared=False)


def some(size: int = 6) -> Shortlist:
    generator = torch.Generator().manual_seed(5)
    piece_VN = torch.randint(4, SIZE, (SIZE, size), generator=generator, dtype=torch.int32)
    return Shortlist(piece_VN, torch.tensor([EOS, 9, 10], dtype=torch.int32), shared=True)


def random_model(seed: int = 3, architecture: str = "transformer") -> TranslationModel:
    torch.manual_seed(seed)
    shape = {"num_heads": 4, "d_ff": 96} if architecture == "transformer" else {}
    sizes = {"d_model": 64, "encoder_layers": 1, "decoder_layers": 1}
    model = build_model(ModelConfig(architecture=architecture, **sizes, **shape), SIZE, SIZE).eval()
    with torch.no_grad():  # sure of itself, and never of what is never written: those two have no share in what probabilities add up to
        model.output_weight_VD.mul_(20.0)[[PAD, BOS]] = 0.0
    return model


def ensemble() -> TranslationModel:
    return Ensemble([random_model(1), random_model(2)]).eval()


def same(ones: list[list[Hypothesis]], others: list[list[Hypothesis]], rounding: float = 1e-3) -> bool:
    """Equal tokens, scores but for rounding."""
    return all(
        [one.tokens for one in first] == [other.tokens for other in second]
        and all(
            one.token_log_probs == pytest.approx(other.token_log_probs, abs=rounding) for one, other in zip(first, second, strict=True)
        )
        for first, second in zip(ones, others, strict=True)
    )


MODELS = {
    "transformer": random_model, "rnn": lambda: random_model(architecture="rnn"),
    "rnn-attention": lambda: random_model(architecture="rnn-attention"), "ensemble": ensemble,
}  # fmt: skip


@pytest.mark.parametrize("method", ["beam", "greedy"])
@pytest.mark.parametrize("name", MODELS)
def test_with_every_piece_on_it_nothing_changes(name: str, method: str) -> None:
    model, options = MODELS[name](), DecodingConfig(method=method, beam_size=3, max_tokens=200)
    assert same(translate_ids(model, SOURCES, options), translate_ids(model, SOURCES, options, shortlist=EVERYTHING))


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
@pytest.mark.parametrize("method", ["beam", "greedy", "sampling"])
def test_a_sentence_keeps_to_its_own_pieces_whatever_is_beside_it(method: str, precision: str) -> None:
    if precision == "int8" and not has_int8(torch.device("cpu")):
        pytest.skip("this CPU has neither VNNI nor AMX")
    model, options, shortlist = random_model(), DecodingConfig(method=method, beam_size=3, max_tokens=200, precision=precision), some()
    together = translate_ids(model, SOURCES, options, shortlist=shortlist)
    for source, found in zip(SOURCES, together, strict=True):
        own = set(shortlist.pieces(source).tolist())
        assert len(own) < 80 and own >= {EOS, 9, 10, *source}
        assert found[0].tokens and own.issuperset(found[0].tokens)
    if precision == "fp32":
        alone = [translate_ids(model, [source], options, shortlist=shortlist)[0] for source in SOURCES]
        assert same(together, alone)
        assert same(together, translate_ids(model, SOURCES[::-1], options, shortlist=shortlist)[::-1])


@pytest.mark.parametrize("method", ["beam", "greedy", "sampling"])
def test_an_ensembles_sentence_does_not_depend_on_its_neighbours_pieces(method: str) -> None:
    """Members whose mass is on pieces of the neighbours would else be weighed by these."""
    model, options, shortlist = ensemble(), DecodingConfig(method=method, beam_size=3, max_tokens=200), some()
    together = translate_ids(model, SOURCES, options, shortlist=shortlist)
    alone = [translate_ids(model, [source], options, shortlist=shortlist)[0] for source in SOURCES]
    assert same(together, alone)
    assert same(together, translate_ids(model, SOURCES[::-1], options, shortlist=shortlist)[::-1])


def test_an_ensembles_probabilities_are_the_mean_of_its_members_over_the_own_pieces() -> None:
    members, shortlist, source = [random_model(1), random_model(2)], some(), SOURCES[7]
    options = DecodingConfig(method="greedy", length_penalty=0.0)
    found = translate_ids(Ensemble(members).eval(), SOURCES, options, shortlist=shortlist)[7][0]
    own = shortlist.pieces(source)
    with torch.inference_mode():
        each = [model(torch.tensor([source]), torch.tensor([[BOS]]))[0, 0, own].softmax(0) for model in members]
    mean = torch.stack(each).mean(0)
    assert found.tokens[0] == own[mean.argmax()]
    assert found.token_log_probs[0] == pytest.approx(mean.max().log().item(), abs=1e-4)


def test_probabilities_add_up_to_1_over_the_own_pieces() -> None:
    model, shortlist, source = random_model(), some(), SOURCES[7]
    [[found]] = translate_ids(model, [source], DecodingConfig(method="greedy", length_penalty=0.0), shortlist=shortlist)
    with torch.inference_mode():
        logits_V = model(torch.tensor([source]), torch.tensor([[BOS]]))[0, 0]
    own = shortlist.pieces(source)
    log_probs = logits_V[own].log_softmax(0)
    assert found.tokens[0] == own[log_probs.argmax()]
    assert found.token_log_probs[0] == pytest.approx(log_probs.max().item(), abs=1e-4)


def test_it_searches_in_processes_too() -> None:
    model, options, shortlist = random_model(), DecodingConfig(method="greedy"), some()
    expected = translate_ids(model, SOURCES * 3, options, shortlist=shortlist)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert same(translate_ids(model, SOURCES * 3, options, shortlist=shortlist), expected)
    finally:
        torch.set_num_threads(before)


def test_pieces_that_are_never_written_are_never_on_it() -> None:
    learnt = Shortlist.learn([[4, 5, EOS]], [[PAD, BOS, 6, EOS]], (8, 8), 5, shared=False)
    assert learnt.pieces([4, EOS]).tolist() == [EOS, 6]
    assert learnt.pieces([7, EOS]).tolist() == [EOS, 6], "a piece that was never seen leaves the frequent ones"
    assert Shortlist.of(learnt.tensors()).pieces([4, EOS]).tolist() == [EOS, 6]


@pytest.mark.parametrize(
    ("options", "constraints"),
    [(DecodingConfig(no_repeat_ngram=2), None), (DecodingConfig(), [Constraints(prefix=(9,))])],
)
def test_rules_and_a_shortlist_are_refused_together(options: DecodingConfig, constraints: list[Constraints] | None) -> None:
    with pytest.raises(DecodingError, match=r"decoding\.shortlist .* turn one of them off"):
        translate_ids(random_model(), SOURCES[:1], options, constraints=constraints, shortlist=some())


def test_the_command_learns_it_and_translating_uses_it(trained_run: Path) -> None:
    shutil.copytree(trained_run, "run")
    missing = run_mt("translate", "--model", "run", "--shortlist", "ba be")
    assert missing.exit_code == 2 and "make it with `mt shortlist run`" in missing.stderr
    outcome = run_mt("shortlist", "run", "--pieces", "5", "--lines", "20")
    assert outcome.exit_code == 0, outcome.stderr
    assert "tried on 20 validation pairs" in outcome.stdout and "of 34 pieces" in outcome.stdout
    checkpoint = next(Path("run/checkpoints").iterdir())
    for model in ("run", str(checkpoint)):
        used = run_mt("translate", "--model", model, "--shortlist", "ba be bi bo", "")
        assert (used.exit_code, used.stdout) == (0, "ba be bi bo\n\n"), used.stderr


def test_a_training_ends_well_whose_configuration_asks_for_a_shortlist_and_int8() -> None:
    """Neither is there when the test pairs are scored: the shortlist is learnt afterwards, and int8 is not on every machine."""
    summary = train(tiny_config("data.test=copy", "decoding.shortlist=true", "decoding.precision=int8"))
    assert "bleu" in summary["test"]


def test_a_shortlist_that_does_not_belong_to_the_run_is_refused(trained_run: Path, tmp_path: Path) -> None:
    from mt.stored_shortlist import write_shortlist
    from mt.translator import Translator

    shutil.copytree(trained_run, "run")
    file, tokenizer = Path("run/shortlist.safetensors"), Translator.load("run").tokenizer
    size = len(tokenizer.source)

    def refusal() -> str:
        outcome = run_mt("translate", "--model", "run", "--shortlist", "ba be")
        assert outcome.exit_code == 2 and len(outcome.stderr.splitlines()) == 1
        return outcome.stderr

    frequent = torch.tensor([EOS], dtype=torch.int32)
    write_shortlist(file, Shortlist(torch.full((size + 1, 2), 5, dtype=torch.int32), frequent, True), tokenizer)
    assert "not a shortlist of the run's vocabulary" in refusal()
    write_shortlist(file, Shortlist(torch.full((size, 2), 10**6, dtype=torch.int32), frequent, True), tokenizer)
    assert "pieces that the run's vocabulary does not" in refusal()
    file.write_bytes(file.read_bytes()[:50])
    assert "damaged or cut short" in refusal()
    file.unlink()
    elsewhere = tmp_path / "elsewhere.safetensors"
    elsewhere.write_bytes(b"")
    file.symlink_to(elsewhere)
    assert "leads out of the run's folder" in refusal()
