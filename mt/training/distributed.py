"""Training in several processes: each takes its slice of every batch of one global plan, and all hold the same weights.

Started by torchrun (`torchrun --nproc-per-node 2 -m mt train …`) or by mt/training/launch.py, which set RANK, WORLD_SIZE and LOCAL_RANK;
without them there is one process and nothing here costs anything. Gradients are summed over the processes and divided by the target
tokens of all of them, so that the update is that of a single process, up to float rounding and dropout's draws. Only the first process
writes.
Gloo carries CPU tensors, NCCL those of a GPU.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from mt.errors import TrainingError
from mt.training.launch import LOST

_PATIENCE = timedelta(hours=4)
"""How long the others wait while the first process reads data or scores the test pairs; one that dies is noticed at once."""


@dataclass(frozen=True)
class Ranks:
    """This process among all of a training."""

    number: int = 0
    """From 0."""
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.number == 0

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Sum each tensor over all processes, in place and in one message; every process gets the same bits."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        with lost_process():
            dist.all_reduce(flat)
        torch._foreach_copy_(tensors, [part.view_as(tensor) for part, tensor in
                                       zip(flat.split([tensor.numel() for tensor in tensors]), tensors, strict=True)])

    def agree(self, number: float) -> float:
        """The largest of the processes' numbers, the same in all."""
        if self.count == 1:
            return number
        box = torch.tensor([number], dtype=torch.float64)
        with lost_process():
            dist.all_reduce(box, op=dist.ReduceOp.MAX)
        return box.item()

    def wait(self) -> None:
        """Go on when every process has come here."""
        self.agree(0.0)

    def gather(self, rows: Sequence[Sequence[int]]) -> list[list[list[int]]]:
        """The lists of integers of every process, by process number."""
        if self.count == 1:
            return [[list(row) for row in rows]]
        flat = torch.tensor([value for row in rows for value in (len(row), *row)], dtype=torch.int64)
        longest = int(self.agree(len(flat)))
        mine = torch.zeros(longest + 1, dtype=torch.int64)
        mine[0], mine[1 : 1 + len(flat)] = len(flat), flat
        boxes = [torch.empty_like(mine) for _ in range(self.count)]
        with lost_process():
            dist.all_gather(boxes, mine)
        return [_rows(box[1 : 1 + int(box[0])].tolist()) for box in boxes]


ALONE = Ranks()
"""One process."""


def _rows(flat: list[int]) -> list[list[int]]:
    """Undo the flattening of Ranks.gather: each row is preceded by its length."""
    rows, place = [], 0
    while place < len(flat):
        rows.append(flat[place + 1 : place + 1 + flat[place]])
        place += 1 + flat[place]
    return rows


@contextmanager
def lost_process() -> Iterator[None]:
    """What torch.distributed raises when another process is gone, as one message."""
    try:
        yield
    except RuntimeError as error:  # all that torch.distributed raises is one
        raise TrainingError(
            f"{LOST}; what was saved is whole, and the same command goes on from there, also with another number of processes "
            f"({str(error).splitlines()[0][:120]})"
        ) from error


@contextmanager
def joined_ranks(device: str) -> Iterator[Ranks]:
    """This process among those that torchrun started; inside, they can reach each other. device: where this one computes."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    with lost_process():
        if device.startswith("cuda"):
            torch.cuda.set_device(device)
            dist.init_process_group("cpu:gloo,cuda:nccl", timeout=_PATIENCE)
        else:
            dist.init_process_group("gloo", timeout=_PATIENCE)
    yield Ranks(dist.get_rank(), dist.get_world_size())
    if device.startswith("cuda"):  # Gloo's threads are left to the end of the process (mt/cli.py): taking them down raced with it
        dist.destroy_process_group()


def speak_only_as_first(ranks: Ranks) -> None:
    """Leave notices to the first process; errors are told by all."""
    if not ranks.first:
        logging.getLogger("mt").setLevel(logging.ERROR)
