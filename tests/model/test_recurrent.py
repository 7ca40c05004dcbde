"""The recurrent ancestors: attention as by hand, one step at a time as all at once, padding and company without effect."""

import math

import pytest
import torch
from torch import Tensor

from mt.config import ModelConfig
from mt.config_file import load_config
from mt.data.special_ids import EOS, PAD
from mt.errors import ConfigError
from mt.model.build import build_model
from mt.model.recurrent import AdditiveAttention, Recurrent
from mt.training.loss import cross_entropy, shift_right

VOCAB = 23
SOURCE_BS = torch.tensor([[5, 9, 12, 7, 4, EOS], [8, 6, EOS, PAD, PAD, PAD], [11, EOS, PAD, PAD, PAD, PAD]])
TARGET_BT = torch.tensor([[6, 4, EOS, PAD, PAD], [9, 14, 13, 12, EOS], [EOS, PAD, PAD, PAD, PAD]])

every_kind = pytest.mark.parametrize("cell", ["lstm", "gru"])
every_architecture = pytest.mark.parametrize("architecture", ["rnn", "rnn-attention"])


def tiny(architecture: str = "rnn-attention", cell: str = "lstm", **options: object) -> Recurrent:
    """A small model in evaluation mode, the same every time."""
    torch.manual_seed(1)
    settings = {"d_model": 8, "encoder_layers": 2, "decoder_layers": 2, "dropout": 0.0} | options
    return build_model(ModelConfig(architecture=architecture, cell=cell, **settings), VOCAB, VOCAB).eval()


def test_additive_attention_is_what_the_paper_says_computed_number_by_number() -> None:
    torch.manual_seed(2)
    attention = AdditiveAttention(4)
    query_BWD, memory_BSD = torch.randn(2, 3, 4), torch.randn(2, 5, 4)
    bias_B1S = torch.zeros(2, 1, 5)
    bias_B1S[1, 0, 3:] = -30000.0
    context_BWD, weights_BWS = attention(query_BWD, attention.keys(memory_BSD), memory_BSD, bias_B1S)
    w, b, u, v = (part.tolist() for part in (attention.query_proj.weight, attention.query_proj.bias, attention.key_proj.weight,
                                             attention.energy_proj.weight[0]))  # fmt: skip
    for sentence in range(2):
        length = 5 if sentence == 0 else 3
        for row in range(3):
            s = query_BWD[sentence, row].tolist()
            energies = []
            for place in range(length):
                h = memory_BSD[sentence, place].tolist()
                energies.append(sum(
                    v[i] * math.tanh(sum(w[i][j] * s[j] + u[i][j] * h[j] for j in range(4)) + b[i]) for i in range(4)
                ))  # fmt: skip
            total = sum(map(math.exp, energies))
            weights = [math.exp(energy) / total for energy in energies] + [0.0] * (5 - length)
            assert weights_BWS[sentence, row].tolist() == pytest.approx(weights, abs=1e-6)
            expected = [sum(weights[place] * memory_BSD[sentence, place, i].item() for place in range(5)) for i in range(4)]
            assert context_BWD[sentence, row].tolist() == pytest.approx(expected, abs=1e-5)


@every_kind
@every_architecture
@pytest.mark.parametrize("beam_size", [1, 3])
def test_step_by_step_equals_teacher_forcing(architecture: str, cell: str, beam_size: int) -> None:
    model = tiny(architecture, cell)
    expected_BTV = model(SOURCE_BS, shift_right(TARGET_BT))
    state = model.start(model.encode(SOURCE_BS), beam_size)
    for position, token_B in enumerate(shift_right(TARGET_BT).T):
        logits_RV = model.step(token_B.repeat_interleave(beam_size), state)
        torch.testing.assert_close(logits_RV[::beam_size], expected_BTV[:, position])
        torch.testing.assert_close(logits_RV[beam_size - 1 :: beam_size], expected_BTV[:, position])


@every_kind
@every_architecture
def test_rows_may_be_reordered_and_sentences_may_leave(architecture: str, cell: str) -> None:
    model = tiny(architecture, cell)
    token_R = torch.tensor([4, 5, 6, 7, 8, 9])
    state = model.start(model.encode(SOURCE_BS), 2)
    model.step(token_R, state)
    state.reorder(torch.tensor([1, 1, 5, 4]), torch.tensor([0, 2]))
    found_RV = model.step(torch.tensor([9, 10, 11, 12]), state)
    for row, (sentence, first, second) in enumerate([(0, 5, 9), (0, 5, 10), (2, 9, 11), (2, 8, 12)]):
        alone = model.start(model.encode(SOURCE_BS[sentence : sentence + 1]), 1)
        model.step(torch.tensor([first]), alone)
        torch.testing.assert_close(found_RV[row], model.step(torch.tensor([second]), alone)[0])


@every_kind
@every_architecture
def test_padding_and_company_in_the_batch_change_nothing(architecture: str, cell: str) -> None:
    model = tiny(architecture, cell)
    together_BTD = model.states(SOURCE_BS, shift_right(TARGET_BT))
    alone_BTD = model.states(SOURCE_BS[1:2, :3], shift_right(TARGET_BT[1:2]))
    torch.testing.assert_close(together_BTD[1], alone_BTD[0])


def test_without_attention_the_source_is_one_vector_and_with_it_every_word_counts() -> None:
    """The one is blind to everything but the encoder's last state; the other reads each state."""
    for architecture, sees in (("rnn", False), ("rnn-attention", True)):
        model = tiny(architecture)
        encoded = model.encode(SOURCE_BS[:1])
        states = []
        for memory_BSD in (encoded.memory_BSD, encoded.memory_BSD.clone()):
            if states:
                memory_BSD[:, 2] += 1.0
            encoded.memory_BSD = memory_BSD
            state = model.start(encoded, 1)
            states.append(model.step(torch.tensor([5]), state))
        assert torch.equal(*states) != sees


def gradients(model: Recurrent) -> dict[str, Tensor]:
    x_BTD = model.states(SOURCE_BS, shift_right(TARGET_BT))
    cross_entropy(x_BTD, model.output_weight_VD, TARGET_BT, 0.1).loss.backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


@every_kind
@every_architecture
@pytest.mark.parametrize("tie", ["all", "decoder", "none"])
def test_every_parameter_learns_also_under_bf16(architecture: str, cell: str, tie: str) -> None:
    model = tiny(architecture, cell, tie_embeddings=tie, dropout=0.1, word_dropout=0.1).train()
    with torch.autocast("cpu", torch.bfloat16):
        for name, gradient in gradients(model).items():
            assert gradient is not None and gradient.isfinite().all() and gradient.abs().sum() > 0, name


def test_the_forget_gates_begin_open_and_all_other_biases_at_zero() -> None:
    model = tiny()
    assert model.decoder[0].bias_ih.tolist() == [0.0] * 8 + [1.0] * 8 + [0.0] * 16
    assert not model.decoder[0].bias_hh.any() and not tiny(cell="gru").decoder[0].bias_ih.any()
    gate = model.encoder.layers[0].weight_hh_l0[:4]
    torch.testing.assert_close(gate @ gate.T, torch.eye(4), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["model.num_heads=4"], "architecture: rnn has no num_heads: remove it"),
        (["model.norm_position=pre"], "architecture: rnn has no norm_position: remove it"),
        (["training.compile=true"], "training.compile is for the transformer: remove it"),
        (["model.architecture=rnn-attention", "model.d_model=33"], r"d_model \(33\) must be even"),
        (["model.architecture=transformer", "model.cell=gru"], "a transformer has no cells"),
    ],
)
def test_settings_that_would_be_ignored_are_refused(settings: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config("rnn", ["data=copy", *settings])


@every_kind
@every_architecture
def test_a_search_under_autocast_is_the_one_without(architecture: str, cell: str) -> None:
    """Validations of a bf16 training translate under autocast; the recurrence and what it begins from stay in fp32."""
    model = tiny(architecture, cell)

    def first_logits() -> Tensor:
        state = model.start(model.encode(SOURCE_BS), 2)
        model.step(torch.full((6,), 5), state)
        return model.step(torch.full((6,), 7), state)

    plain_RV = first_logits()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(first_logits(), plain_RV)
