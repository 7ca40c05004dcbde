"""Where a token stands: fixed sinusoidal, learned and rotary positions, or none.

Sinusoidal and learned positions are added to the embeddings once; rotary positions turn queries and keys inside self-attention.
Without positions an encoder gives equal words equal states wherever they stand; a decoder still learns something of the order from its
mask. Relative biases (ALiBi, Shaw) are not covered. Legend in mt/model/interface.py; here also J pairs of features (D/2 or K/2).
"""

import math

import torch
from torch import Tensor, nn


def sinusoidal_table(length: int, d_model: int) -> Tensor:
    """The paper's table (Vaswani et al. 2017, section 3.5): table_TD[t, 2i] = sin(t / 10000^(2i/D)), table_TD[t, 2i+1] = cos(same).

    d_model must be even. Computed in float64 and rounded once, so that long positions keep their phase.
    """
    assert d_model % 2 == 0
    position_T1 = torch.arange(length, dtype=torch.float64).unsqueeze(1)
    rate_J = torch.exp(torch.arange(0, d_model, 2, dtype=torch.float64) * (-math.log(10000.0) / d_model))
    table_TD = torch.empty(length, d_model, dtype=torch.float64)
    table_TD[:, 0::2] = torch.sin(position_T1 * rate_J)
    table_TD[:, 1::2] = torch.cos(position_T1 * rate_J)
    return table_TD.float()


class SinusoidalPositions(nn.Module):
    """Adds the fixed sinusoidal table; it grows when a longer sentence comes, so no length is too long."""

    def __init__(self, d_model: int, initial_length: int = 512):
        super().__init__()
        self.register_buffer("table_TD", sinusoidal_table(initial_length, d_model), persistent=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """x_BTD plus the positions 0, 1, …"""
        return x_BTD + self._rows(x_BTD.shape[1])[: x_BTD.shape[1]].to(x_BTD.dtype)

    def at(self, x_BWD: Tensor, position_B: Tensor, last: int) -> Tensor:
        """x_BWD plus, for all W rows of a sentence, its position; last: the largest of them."""
        return x_BWD + self._rows(last + 1)[position_B].unsqueeze(1).to(x_BWD.dtype)

    def _rows(self, needed: int) -> Tensor:
        """The table with at least so many rows."""
        if needed > self.table_TD.shape[0]:
            with torch.inference_mode(False):  # a table that first grows while translating must serve training afterwards
                self.table_TD = sinusoidal_table(2 * needed, self.table_TD.shape[1]).to(self.table_TD.device)
        return self.table_TD


class LearnedPositions(nn.Module):
    """Adds one learned vector per position, up to max_positions; positions beyond share the last vector."""

    def __init__(self, d_model: int, max_positions: int):
        super().__init__()
        self.embedding = nn.Embedding(max_positions, d_model)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """x_BTD plus the vectors of the positions 0, 1, …"""
        position_T = torch.arange(x_BTD.shape[1], device=x_BTD.device)
        return x_BTD + self._vectors(position_T)

    def at(self, x_BWD: Tensor, position_B: Tensor, last: int) -> Tensor:
        """x_BWD plus, for all W rows of a sentence, the vector of its position; last: the largest of them."""
        return x_BWD + self._vectors(position_B).unsqueeze(1)

    def _vectors(self, position: Tensor) -> Tensor:
        """The vectors of positions, in any shape."""
        return self.embedding(position.clamp(max=self.embedding.num_embeddings - 1))


class NoAddedPositions(nn.Module):
    """Adds nothing: for rotary positions, which act inside attention, and for none."""

    def forward(self, x_BTD: Tensor) -> Tensor:
        """x_BTD itself."""
        return x_BTD

    def at(self, x_BWD: Tensor, position_B: Tensor, last: int) -> Tensor:
        """x_BWD itself."""
        return x_BWD


class RotaryPositions(nn.Module):
    """Turns each pair of features (i, i + K/2) of a head by the angle t / 10000^(2i/K) (Su et al. 2021, section 3.2.2).

    The dot product of a turned query and a turned key depends on their distance only. Holds no parameters.
    """

    def __init__(self, head_width: int):
        super().__init__()
        assert head_width % 2 == 0
        rate_J = torch.exp(torch.arange(0, head_width, 2, dtype=torch.float64) * (-math.log(10000.0) / head_width))
        self.register_buffer("rate_J", rate_J.float(), persistent=False)

    def forward(self, x_BHTK: Tensor, position_B: Tensor | None = None) -> Tensor:
        """x_BHTK turned, for the positions 0, 1, …, or with position_B all of a sentence for the position of that sentence."""
        position = torch.arange(x_BHTK.shape[2], device=x_BHTK.device)[:, None] if position_B is None else position_B[:, None, None, None]
        angle = position * self.rate_J  # (T, J) or (B, 1, 1, J)
        cos, sin = angle.cos().to(x_BHTK.dtype), angle.sin().to(x_BHTK.dtype)
        left_BHTJ, right_BHTJ = x_BHTK.chunk(2, dim=-1)
        return torch.cat([left_BHTJ * cos - right_BHTJ * sin, right_BHTJ * cos + left_BHTJ * sin], dim=-1)


def build_positions(kind: str, d_model: int, max_positions: int) -> nn.Module:
    """The module that is applied to the embeddings for `model.positions`."""
    if kind == "sinusoidal":
        return SinusoidalPositions(d_model)
    if kind == "learned":
        return LearnedPositions(d_model, max_positions)
    assert kind in ("rotary", "none")
    return NoAddedPositions()
