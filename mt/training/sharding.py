"""`training.shard`: weights, gradients and the optimizer's memory are divided among the processes, for models too large for one.

Each process holds its rows of every parameter; a layer's weights are brought together while it computes and let go again
(Rajbhandari et al. 2020, "ZeRO", stage 3; torch's `fully_shard`, FSDP2). Checkpoints hold whole tensors, so that any number of processes,
sharded or not, goes on from them. Translating and scoring use a whole copy of the weights on every process: four bytes a parameter,
where training takes sixteen.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mt.config import Config, TrainingConfig
from mt.model.build import build_model
from mt.model.interface import TranslationModel
from mt.stored_model import parameters_of
from mt.training.distributed import Ranks


def is_sharded(config: TrainingConfig, ranks: Ranks) -> bool:
    """Whether this training divides its weights: asked for, and among several processes."""
    return config.shard and ranks.count > 1


def shard(model: TranslationModel, device: str, ranks: Ranks) -> None:
    """Divide the parameters of every layer, and of what is outside the layers, among the processes; in place."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    mesh = init_device_mesh(device.split(":")[0], (ranks.count,))
    layers = [layer for stack in model.children() if isinstance(stack, nn.ModuleList) for layer in stack]
    for module in (*layers, model):
        fully_shard(module, mesh=mesh)
        module.set_gradient_divide_factor(1.0)  # the loss is divided by the target tokens of all processes already
        module.set_force_sum_reduction_for_comms(True)  # Gloo has no other
    register_fsdp_forward_method(model, "states")


def whole(tensor: Tensor) -> Tensor:
    """The tensor itself, or the whole of one that is divided; every process must ask."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def like(tensor: Tensor, own: Tensor) -> Tensor:
    """A whole tensor as `own` is: divided in the same way, or as it is. Nothing is sent."""
    if not hasattr(own, "full_tensor") or tensor.shape != own.shape:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor.to(own.device), own.device_mesh, own.placements, src_data_rank=None)


def whole_tensors(tensors: Mapping[str, Tensor], keep: bool = True) -> dict[str, Tensor]:
    """All tensors whole. keep False: this process only takes part, and gets nothing."""
    gathered = {}
    for name, tensor in tensors.items():
        full = whole(tensor)
        if keep:
            gathered[name] = full
    return gathered


def whole_model(model: TranslationModel, config: Config, vocabularies: tuple[int, int], device: str) -> TranslationModel:
    """An undivided copy of a divided model. vocabularies: sizes of source and target. Every process must ask."""
    own = whole_tensors(parameters_of(model))
    copy = build_model(config.model, *vocabularies).to(device)
    for name, tensor in parameters_of(copy).items():
        tensor.copy_(own[name])
    return copy


@contextmanager
def undivided(
    model: TranslationModel, config: Config, vocabularies: tuple[int, int], device: str, divided: bool
) -> Iterator[TranslationModel]:
    """The model, or a whole copy for a moment when it is divided."""
    yield whole_model(model, config, vocabularies, device) if divided else model
    if divided and device.startswith("cuda"):
        torch.cuda.empty_cache()
