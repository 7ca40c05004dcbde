"""The Transformer: equal to torch's layers, causal, blind to padding, the same with and without its cache.

Dimensions: legend in mt/model/interface.py.
"""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from mt.config import ModelConfig
from mt.data.special_ids import BOS, EOS, PAD
from mt.model.attention import MultiHeadAttention, causal_mask, mask_bias, padding_mask
from mt.model.build import build_model, count_parameters
from mt.model.transformer import DecoderLayer, EncoderLayer, FeedForward, Transformer
from mt.training.loss import cross_entropy, shift_right

VOCAB = 23
D, H, F_WIDTH = 16, 4, 24
COMBINATIONS = [
    dict(zip(("positions", "activation", "norm", "norm_position"), values, strict=True))
    for values in itertools.product(
        ("sinusoidal", "learned", "rotary", "none"), ("relu", "gelu", "swiglu"), ("layernorm", "rmsnorm"), ("post", "pre")
    )
]
SOURCE_BS = torch.tensor([[5, 9, 12, 7, 4, EOS], [8, 6, EOS, PAD, PAD, PAD], [11, EOS, PAD, PAD, PAD, PAD]])
TARGET_BT = torch.tensor([[6, 4, EOS, PAD, PAD], [9, 14, 13, 12, EOS], [EOS, PAD, PAD, PAD, PAD]])


def every_combination(function: Callable) -> Callable:
    """Run a test with every kind of positions, activation, norm and norm position."""
    names = ["-".join(options.values()) for options in COMBINATIONS]
    return pytest.mark.parametrize("options", COMBINATIONS, ids=names)(function)


def tiny(source_vocab: int = VOCAB, target_vocab: int = VOCAB, **options: object) -> Transformer:
    """A model whose every number was drawn at random, norms and biases too, so that a forgotten one shows."""
    torch.manual_seed(0)
    settings = {"d_model": D, "num_heads": H, "d_ff": F_WIDTH, "encoder_layers": 2, "decoder_layers": 2, "dropout": 0.0}
    model = build_model(ModelConfig(**(settings | options)), source_vocab, target_vocab)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def copy_attention(theirs: nn.MultiheadAttention, ours: MultiHeadAttention) -> None:
    projections = (ours.q_proj, ours.k_proj, ours.v_proj)
    theirs.in_proj_weight.copy_(torch.cat([projection.weight for projection in projections]))
    theirs.in_proj_bias.copy_(torch.cat([projection.bias for projection in projections]))
    theirs.out_proj.load_state_dict(ours.out_proj.state_dict())


def copy_feed_forward(theirs: nn.Module, ours: FeedForward) -> None:
    theirs.linear1.load_state_dict(ours.in_proj.state_dict())
    theirs.linear2.load_state_dict(ours.out_proj.state_dict())


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm_position", ["post", "pre"])
def test_the_encoder_layer_equals_torchs(activation: str, norm_position: str) -> None:
    ours: EncoderLayer = tiny(activation=activation, norm_position=norm_position).encoder[0]
    theirs = nn.TransformerEncoderLayer(D, H, F_WIDTH, 0.0, activation, batch_first=True, norm_first=norm_position == "pre")
    with torch.no_grad():
        copy_attention(theirs.self_attn, ours.self_attention)
        copy_feed_forward(theirs, ours.feed_forward)
        theirs.norm1.load_state_dict(ours.self_attention_residual.norm.state_dict())
        theirs.norm2.load_state_dict(ours.feed_forward_residual.norm.state_dict())
    x_BSD = torch.randn(*SOURCE_BS.shape, D)
    output_BSD = ours(x_BSD, mask_bias(padding_mask(SOURCE_BS), torch.float32))
    expected_BSD = theirs(x_BSD, src_key_padding_mask=SOURCE_BS == PAD)
    torch.testing.assert_close(output_BSD, expected_BSD, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm_position", ["post", "pre"])
def test_the_decoder_layer_equals_torchs(activation: str, norm_position: str) -> None:
    ours: DecoderLayer = tiny(activation=activation, norm_position=norm_position).decoder[0]
    theirs = nn.TransformerDecoderLayer(D, H, F_WIDTH, 0.0, activation, batch_first=True, norm_first=norm_position == "pre")
    with torch.no_grad():
        copy_attention(theirs.self_attn, ours.self_attention)
        copy_attention(theirs.multihead_attn, ours.cross_attention)
        copy_feed_forward(theirs, ours.feed_forward)
        theirs.norm1.load_state_dict(ours.self_attention_residual.norm.state_dict())
        theirs.norm2.load_state_dict(ours.cross_attention_residual.norm.state_dict())
        theirs.norm3.load_state_dict(ours.feed_forward_residual.norm.state_dict())
    input_BT = shift_right(TARGET_BT)
    x_BTD, memory_BSD = torch.randn(*TARGET_BT.shape, D), torch.randn(*SOURCE_BS.shape, D)
    mask_11TT = causal_mask(TARGET_BT.shape[1], x_BTD.device)
    self_bias_B1TT = mask_bias(mask_11TT & padding_mask(input_BT), torch.float32)
    output_BTD = ours(x_BTD, memory_BSD, self_bias_B1TT, mask_bias(padding_mask(SOURCE_BS), torch.float32))
    expected_BTD = theirs(
        x_BTD,
        memory_BSD,
        tgt_mask=~mask_11TT[0, 0],
        tgt_key_padding_mask=input_BT == PAD,
        memory_key_padding_mask=SOURCE_BS == PAD,
    )
    torch.testing.assert_close(output_BTD, expected_BTD, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("norm_position", ["post", "pre"])
def test_the_whole_model_equals_torchs_stacks(norm_position: str) -> None:
    """Stacks, final norms of pre-norm, embeddings times √D plus positions, tied projection."""
    model = tiny(norm_position=norm_position, encoder_layers=1, decoder_layers=1)
    x_BSD = model.source_embedding(SOURCE_BS) * 4.0 + model.positions.table_TD[: SOURCE_BS.shape[1]]
    x_BTD = model.source_embedding(shift_right(TARGET_BT)) * 4.0 + model.positions.table_TD[: TARGET_BT.shape[1]]
    cross_bias_B11S = mask_bias(padding_mask(SOURCE_BS), torch.float32)
    memory_BSD = model.encoder_norm(model.encoder[0](x_BSD, cross_bias_B11S))
    mask_B1TT = causal_mask(TARGET_BT.shape[1], x_BTD.device) & padding_mask(shift_right(TARGET_BT))
    x_BTD = model.decoder[0](x_BTD, memory_BSD, mask_bias(mask_B1TT, torch.float32), cross_bias_B11S)
    expected_BTV = model.decoder_norm(x_BTD) @ model.source_embedding.weight.T
    assert isinstance(model.encoder_norm, nn.LayerNorm if norm_position == "pre" else nn.Identity)
    torch.testing.assert_close(model(SOURCE_BS, shift_right(TARGET_BT)), expected_BTV, atol=1e-5, rtol=1e-5)


@every_combination
def test_a_target_token_changes_no_earlier_position_and_every_later_one(options: dict[str, str]) -> None:
    model = tiny(**options)
    source_BS, input_BT = SOURCE_BS[:1], torch.tensor([[BOS, 6, 4, 9, 11, 13]])
    changed_BT = input_BT.clone()
    changed_BT[0, 3] = 17
    with torch.inference_mode():
        difference_T = (model(source_BS, input_BT) - model(source_BS, changed_BT)).abs().amax(-1)[0]
    assert (difference_T[:3] <= 1e-6).all()
    assert (difference_T[3:] > 1e-4).all()


@every_combination
def test_padding_and_company_in_the_batch_change_nothing(options: dict[str, str]) -> None:
    """A batch equals its sentences one by one, without any padding; more padding on either side changes nothing."""
    model = tiny(**options)
    input_BT = shift_right(TARGET_BT)
    more_BS = torch.cat([SOURCE_BS, SOURCE_BS.new_full((3, 4), PAD)], dim=1)
    more_BT = torch.cat([input_BT, input_BT.new_full((3, 2), PAD)], dim=1)
    with torch.inference_mode():
        together_BTV, padded_BTV = model(SOURCE_BS, input_BT), model(more_BS, more_BT)
        for row in range(3):
            length = int((TARGET_BT[row] != PAD).sum())
            source_1S = SOURCE_BS[row : row + 1, : int((SOURCE_BS[row] != PAD).sum())]
            alone_TV = model(source_1S, input_BT[row : row + 1, :length])[0]
            torch.testing.assert_close(together_BTV[row, :length], alone_TV, atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(padded_BTV[row, :length], alone_TV, atol=1e-5, rtol=1e-5)


@every_combination
@pytest.mark.parametrize("beam_size", [1, 3])
def test_step_by_step_with_the_cache_equals_teacher_forcing(options: dict[str, str], beam_size: int) -> None:
    """Rows change places within their sentence at every step, and a sentence leaves the batch in the middle."""
    model = tiny(**options)
    generator = torch.Generator().manual_seed(5)
    sentences = [0, 1, 2]
    prefixes = [[BOS] for _ in range(3 * beam_size)]
    with torch.inference_mode():
        state = model.start(model.encode(SOURCE_BS), beam_size)
        for length in range(1, 7):
            logits_RV = model.step(torch.tensor([prefix[-1] for prefix in prefixes]), state)
            sources_RS = SOURCE_BS[sentences].repeat_interleave(beam_size, dim=0)
            expected_RTV = model(sources_RS, torch.tensor(prefixes))
            torch.testing.assert_close(logits_RV, expected_RTV[:, -1], atol=1e-5, rtol=1e-5)
            staying = [0, 2] if length == 3 else list(range(len(sentences)))
            draws = torch.randint(beam_size, (len(staying), beam_size), generator=generator).tolist()
            rows = [sentence * beam_size + place for sentence, row in zip(staying, draws, strict=True) for place in row]
            state.reorder(torch.tensor(rows), sentences_B=torch.tensor(staying) if length == 3 else None)
            sentences = [sentences[at] for at in staying]
            new_tokens = torch.randint(4, VOCAB, (len(rows),), generator=generator).tolist()
            prefixes = [[*prefixes[row], token] for row, token in zip(rows, new_tokens, strict=True)]


@every_combination
def test_the_prepared_decoder_equals_the_layers(options: dict[str, str]) -> None:
    """Where a gradient is wanted, steps go through the layers themselves; 20 positions, so that slots are closed up twice."""
    model, width = tiny(**options), 3
    generator = torch.Generator().manual_seed(6)
    with torch.inference_mode():
        fast = model.start(model.encode(SOURCE_BS), width)
    plain = model.start(model.encode(SOURCE_BS), width)
    assert fast.prepared is not None and plain.prepared is None
    for _ in range(20):
        token_R = torch.randint(4, VOCAB, (3 * width,), generator=generator)
        rows_R = (torch.randint(width, (3, width), generator=generator) + torch.arange(3)[:, None] * width).flatten()
        expected_RV = model.step(token_R, plain)
        assert expected_RV.requires_grad
        plain.reorder(rows_R)
        with torch.inference_mode():
            torch.testing.assert_close(model.step(token_R, fast), expected_RV.detach(), atol=1e-5, rtol=1e-5)
            fast.reorder(rows_R)


def test_stacks_keep_the_shape_and_the_feed_forward_may_be_narrower_than_the_model() -> None:
    model = tiny(d_ff=5, encoder_layers=3, decoder_layers=1, target_vocab=VOCAB)
    x_BSD = torch.randn(3, 6, D)
    bias_B11S = mask_bias(padding_mask(SOURCE_BS), torch.float32)
    for layer in model.encoder:
        assert layer(x_BSD, bias_B11S).shape == x_BSD.shape
    assert model.encode(SOURCE_BS).memory_BSD.shape == (3, 6, D)
    assert model.states(SOURCE_BS, TARGET_BT).shape == (3, 5, D)
    assert model(SOURCE_BS, TARGET_BT).shape == (3, 5, VOCAB)


@pytest.mark.parametrize("tie", ["all", "decoder", "none"])
@pytest.mark.parametrize("options", COMBINATIONS[::5], ids=lambda options: "-".join(options.values()))
def test_the_number_of_parameters_is_what_the_paper_says(tie: str, options: dict[str, str]) -> None:
    source_vocab, target_vocab = (VOCAB, VOCAB) if tie == "all" else (31, VOCAB)
    model = tiny(source_vocab, target_vocab, tie_embeddings=tie, max_positions=10, **options)
    attention = 4 * (D * D + D)
    feed_forward = (2 if options["activation"] == "swiglu" else 1) * (D * F_WIDTH + F_WIDTH) + F_WIDTH * D + D
    norm = 2 * D if options["norm"] == "layernorm" else D
    layers = 2 * (attention + feed_forward + 2 * norm) + 2 * (2 * attention + feed_forward + 3 * norm)
    final_norms = 2 * norm if options["norm_position"] == "pre" else 0
    embeddings = {"all": VOCAB * D, "decoder": (31 + VOCAB) * D, "none": (31 + 2 * VOCAB) * D}[tie]
    positions = 10 * D if options["positions"] == "learned" else 0
    assert count_parameters(model) == layers + final_norms + embeddings + positions


def test_tied_matrices_are_one_and_untied_ones_are_not() -> None:
    model = tiny(tie_embeddings="all")
    assert model.source_embedding.weight is model.target_embedding.weight is model.output_weight_VD
    model = tiny(tie_embeddings="decoder")
    assert model.source_embedding.weight is not model.target_embedding.weight is model.output_weight_VD
    model = tiny(tie_embeddings="none")
    matrices = (model.source_embedding.weight, model.target_embedding.weight, model.output_weight_VD)
    assert len({matrix.data_ptr() for matrix in matrices}) == 3
    for tie in ("all", "decoder", "none"):
        model = tiny(tie_embeddings=tie).train()
        cross_entropy(model.states(SOURCE_BS, shift_right(TARGET_BT)), model.output_weight_VD, TARGET_BT, 0.1).loss.backward()
        assert all(parameter.grad is not None for parameter in model.parameters())


def test_source_and_target_may_have_different_vocabularies() -> None:
    model = tiny(31, VOCAB, tie_embeddings="decoder")
    assert model(SOURCE_BS + 8 * (SOURCE_BS > EOS), TARGET_BT).shape == (3, 5, VOCAB)


@every_combination
def test_bf16_autocast_trains_and_decodes_without_a_warning_and_near_fp32(options: dict[str, str]) -> None:
    dropouts = {"dropout": 0.1, "attention_dropout": 0.1, "activation_dropout": 0.1}
    model = tiny(**options, **dropouts)
    expected_BTV = model(SOURCE_BS, shift_right(TARGET_BT)).detach()
    with torch.autocast("cpu", torch.bfloat16):
        logits_BTV = model(SOURCE_BS, shift_right(TARGET_BT))
        state = model.start(model.encode(SOURCE_BS), 1)
        steps = [model.step(token_R, state) for token_R in shift_right(TARGET_BT).T]
        model.train()
        x_BTD = model.states(SOURCE_BS, shift_right(TARGET_BT))
        loss = cross_entropy(x_BTD, model.output_weight_VD, TARGET_BT, 0.1).loss
    loss.backward()
    kept_BT = TARGET_BT != PAD
    assert logits_BTV.dtype == torch.bfloat16 and loss.dtype == torch.float32
    for found_BTV in (logits_BTV, torch.stack(steps, dim=1)):
        torch.testing.assert_close(found_BTV[kept_BT].float(), expected_BTV[kept_BT], atol=0.25, rtol=0.05)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.dtype == torch.float32, name
        assert parameter.grad.isfinite().all(), name


def test_word_dropout_takes_whole_tokens_away_and_leaves_their_positions() -> None:
    model = tiny(dropout=0.0, word_dropout=0.25).train()
    token_BT = torch.randint(4, VOCAB, (200, 7))
    nothing_BTD = model.positions(torch.zeros(200, 7, model.config.d_model))
    bare_BTD = model.embed(token_BT, model.source_embedding) - nothing_BTD
    full_BTD = model.source_embedding(token_BT) * model.config.d_model**0.5
    gone_BT = (bare_BTD.abs() < 1e-6).all(dim=2)
    assert 0.2 < gone_BT.float().mean() < 0.3
    torch.testing.assert_close(bare_BTD[~gone_BT], full_BTD[~gone_BT] / 0.75, atol=1e-5, rtol=1e-4)
    assert torch.equal(model.eval().embed(token_BT, model.source_embedding), full_BTD + nothing_BTD), "not outside training"


def gradients(model: Transformer) -> dict[str, Tensor]:
    """The gradient of the summed loss for every parameter."""
    x_BTD = model.states(SOURCE_BS, shift_right(TARGET_BT))
    cross_entropy(x_BTD, model.output_weight_VD, TARGET_BT, 0.1).loss.backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def test_embeddings_of_words_that_are_not_there_get_no_gradient_when_untied() -> None:
    found = gradients(tiny(tie_embeddings="none"))
    used = set(SOURCE_BS.unique().tolist()) - {PAD}
    rows = found["source_embedding.weight"].abs().sum(1).nonzero()[:, 0].tolist()
    assert set(rows) == used
