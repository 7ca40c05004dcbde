"""Muon: the hidden matrices move by their orthogonalised momentum, everything else by AdamW.

Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks". A matrix's momentum is replaced by the nearest matrix whose
singular values are all about one, so that every direction in which the matrix acts learns at the same pace. What it reaches that AdamW
alone does not: docs/LOG.md, 2026-11-24. `torch.optim.Muon` takes the matrices one by one; here all of one shape go
through one batched product, and the result is the same (a test holds them equal).

Dimensions: N matrices of one shape, M the shorter side, L the longer one.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from mt.training.sharding import like, whole

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic that pulls all singular values into about 0.7 to 1.2 in five rounds
_ROUNDS = 5
_SMALL = 1e-7


def orthogonalise(matrix_NML: Tensor) -> Tensor:
    """U Vᵀ of each matrix U Σ Vᵀ, approximately, by five Newton–Schulz rounds; M ≤ L.

    Always in bf16, whatever the training's precision: each round corrects the rounding of the one before.
    """
    a, b, c = _COEFFICIENTS
    x_NML = matrix_NML / matrix_NML.norm(dim=(1, 2), keepdim=True).clamp_min(_SMALL)
    x_NML = x_NML.bfloat16()
    for _ in range(_ROUNDS):
        gram_NMM = x_NML @ x_NML.mT
        polynomial_NMM = torch.baddbmm(gram_NMM, gram_NMM, gram_NMM, beta=b, alpha=c)
        x_NML = torch.baddbmm(x_NML, polynomial_NMM, x_NML, beta=a)
    return x_NML


class Muon(torch.optim.Optimizer):
    """Muon for `matrices`, AdamW for `others`, as one optimizer with one memory.

    The first parameter group holds the matrices, the others are AdamW's. A matrix with more rows than columns moves
    √(rows / columns) times as far, so that its outputs change as much as those of a square one.
    """

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        adamw: dict[str, Any] | None = None,
    ):
        """lr, momentum and weight_decay (decoupled) are the matrices'; adamw: the arguments of torch.optim.AdamW for the others."""
        super().__init__(list(matrices), {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self._adamw = torch.optim.AdamW(list(others), **(adamw or {}))
        self._adamw.state = self.state
        self.param_groups.extend(self._adamw.param_groups)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One update; every parameter needs its gradient. The attribute `found_inf`, as the fused optimizers have it: a tensor that is 1
        when nothing is to be changed, else 0."""
        found_inf = getattr(self, "found_inf", None)
        self._adamw.found_inf = found_inf
        self._adamw.step()
        group = self.param_groups[0]
        by_shape: dict[tuple[int, int], list[nn.Parameter]] = {}
        for matrix in group["params"]:
            by_shape.setdefault((min(matrix.shape), max(matrix.shape)), []).append(matrix)
        for matrices in by_shape.values():
            self._move(matrices, found_inf, **{key: group[key] for key in ("lr", "momentum", "weight_decay")})

    def _move(
        self, matrices: list[nn.Parameter], found_inf: Tensor | None, lr: float, momentum: float, weight_decay: float
    ) -> None:
        """Update matrices of one shape, or of that shape transposed."""
        for matrix in matrices:
            if matrix not in self.state:
                self.state[matrix] = {"momentum": torch.zeros_like(matrix)}
        memory = [self.state[matrix]["momentum"] for matrix in matrices]
        gradients = [matrix.grad for matrix in matrices]
        if found_inf is not None:  # the momentum in the gradient's place keeps the momentum as it is
            gradients = [torch.where(found_inf > 0, kept, gradient) for gradient, kept in zip(gradients, memory, strict=True)]
        torch._foreach_lerp_(memory, gradients, 1 - momentum)
        ahead = torch._foreach_lerp(gradients, memory, momentum)  # Nesterov's look ahead
        update_NML = orthogonalise(torch.stack([_lying(whole(update)) for update in ahead])).float()
        if found_inf is not None:
            lr = lr * (1.0 - found_inf)
        if weight_decay:
            torch._foreach_mul_(matrices, 1 - lr * weight_decay)
        for matrix, update_ML in zip(matrices, update_NML, strict=True):
            rows, columns = matrix.shape
            update = update_ML if rows <= columns else update_ML.mT
            matrix.sub_(like(update, matrix) * (lr * max(1.0, rows / columns) ** 0.5))


def _lying(matrix: Tensor) -> Tensor:
    """The matrix, transposed when it has more rows than columns."""
    return matrix if matrix.shape[0] <= matrix.shape[1] else matrix.mT
