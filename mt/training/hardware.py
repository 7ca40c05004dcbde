"""What the machine at hand is told to do: device, threads, precision. Chosen by short measured rules."""

import os
import platform
import re
import sys
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version

import torch
from torch import Tensor

from mt.config import TrainingConfig
from mt.errors import ConfigError
from mt.memory import free_memory_mb


@dataclass(frozen=True)
class Hardware:
    """What was chosen."""

    device: str
    """A torch device."""
    precision: str
    """'fp32', or 'bf16' for autocast."""
    reason: str
    """Why this precision."""

    def autocast(self) -> torch.autocast:
        """The context in which forward passes run."""
        kind = torch.device(self.device).type
        return torch.autocast(kind, dtype=torch.bfloat16, enabled=self.precision == "bf16")


def sent(tensor: Tensor, device: str) -> Tensor:
    """The tensor on that device; a GPU takes it from pinned memory while the processor goes on."""
    if device.startswith("cuda"):
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def choose_device(asked: str, key: str = "training.device") -> str:
    """The asked device, with auto resolved: CUDA, else Apple's MPS, else the CPU. key: where it was asked for, for messages.

    ConfigError when it is not there, or is none.
    """
    if not re.fullmatch(r"auto|cpu|mps|cuda(:[0-9]+)?", asked):
        raise ConfigError(f"{key}: '{asked}' is no device; use auto, cpu, cuda, mps, or one GPU by its number such as cuda:1")
    if asked == "auto":
        if torch.cuda.is_available():
            return _own_gpu()
        return "mps" if torch.backends.mps.is_available() else "cpu"
    if asked.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"{key}: {asked} asked, but this torch ({torch.__version__}) finds no CUDA GPU; use auto or cpu")
    if asked.startswith("cuda:") and int(asked.removeprefix("cuda:")) >= torch.cuda.device_count():
        raise ConfigError(f"{key}: {asked} asked, but there are {torch.cuda.device_count()} GPUs, counted from 0")
    if asked == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(f"{key}: mps asked, but this machine has none; use auto or cpu")
    return _own_gpu() if asked == "cuda" else asked


def _own_gpu() -> str:
    """'cuda', or this process's own one when torchrun started several on a machine."""
    return f"cuda:{os.environ['LOCAL_RANK']}" if int(os.environ.get("LOCAL_WORLD_SIZE", "1")) > 1 else "cuda"


def choose_hardware(config: TrainingConfig, settled_precision: str | None = None) -> Hardware:
    """Device and precision for a run. settled_precision: what the run already uses, when it is continued."""
    device = choose_device(config.device)
    if config.threads:
        torch.set_num_threads(config.threads)
    if config.precision != "auto":
        return Hardware(device, config.precision, "training.precision")
    if settled_precision:
        return Hardware(device, settled_precision, "as the run began")
    if device.startswith("cuda"):
        fits = torch.cuda.is_bf16_supported()
        return Hardware(device, "bf16" if fits else "fp32", "this GPU computes in bf16" if fits else "this GPU has no bf16")
    if device == "mps":
        return Hardware(device, "fp32", "bf16 is not measured on MPS")
    ratio = bf16_gain()
    return Hardware(device, "bf16" if ratio > 1.3 else "fp32", f"a bf16 product takes 1/{ratio:.1f} of an fp32 one here")


def bf16_gain(size: int = 512, repeats: int = 20) -> float:
    """How many times faster this CPU multiplies matrices in bf16 than in fp32; takes some 50 ms.

    The best of many tries, so that another program's load does not tip the choice.
    """

    return _product_seconds("cpu", torch.float32, size, repeats) / _product_seconds("cpu", torch.bfloat16, size, repeats)


def _product_seconds(device: str, dtype: torch.dtype, size: int, repeats: int) -> float:
    """The fastest of some products of two square matrices."""
    matrix = torch.ones(size, size, dtype=dtype, device=device)
    times = []
    for _ in range(repeats + 1):
        begun = time.perf_counter()
        (matrix @ matrix)[0, 0].item()  # waits for a GPU
        times.append(time.perf_counter() - begun)
    return min(times)


def peak_memory_mb(device: str) -> float:
    """The most memory held so far, in MB: the GPU's for a GPU, the process's otherwise (0 where the system does not say)."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device) / 1e6
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def available_memory_mb(device: str) -> float:
    """Memory that is free for the taking, in MB: the GPU's, or the machine's; 0 where the system does not say."""
    if device.startswith("cuda"):
        return torch.cuda.mem_get_info(device)[0] / 1e6
    return free_memory_mb()


def environment(hardware: Hardware) -> dict:
    """What environment.json holds: versions, machine, choices."""
    return {
        "mt": version("mt-trainer"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "sentencepiece": version("sentencepiece"),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        **asdict(hardware),
    }
