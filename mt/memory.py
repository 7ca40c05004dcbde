"""Memory: how much is there, whether an error says that it ran out, and what the C library does with freed memory.

Nothing heavy is imported here.
"""

import ctypes
import errno
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from mt.errors import MemoryShortageError

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h


_OUT_OF_MEMORY = (
    "out of memory",  # torch on CUDA and MPS
    "can't allocate memory",  # torch's DefaultCPUAllocator on Linux
    "not enough memory",  # the same on Windows
    "cannot allocate memory",  # the C library, also inside an ImportError
    "failed to allocate",  # onnxruntime
    "bad_alloc",  # C++
    "can't start new thread",  # Python: no room for a thread's stack
    "resource temporarily unavailable",  # the same from C++
    "alloc_failed",  # CUDA's libraries
    "could not create a memory object",  # oneDNN
    "could not create a primitive",
)
_CGROUP_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Where a container says how much memory it may use and uses, in bytes: versions 2 and 1."""


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python, numpy, torch or another library says that memory ran out. Each has its own words for it."""
    if isinstance(error, (MemoryError, MemoryShortageError)):  # numpy's is a MemoryError
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    if not isinstance(error, (RuntimeError, ImportError)):
        return False
    text = str(error).lower()
    return any(words in text for words in _OUT_OF_MEMORY) or text.endswith("failed to map segment from shared object")


_TO_LOWER = {
    "train": "a lower training.max_tokens, data.max_length or model.d_model with --set; a run that has begun also needs --restart",
    "translate": "a lower --beam, --nbest or --mbr; or shorter lines",
    "eval": "a lower --beam or --mbr",
    "score": "fewer or shorter lines in the two files",
    "export": "a lower --lines",
    "selftest": "a lower --lines or --beam",
    "shortlist": "a lower --pieces or --lines",
    "explain": "a lower --beam, or a shorter sentence",
    "inspect": "a shorter sentence",
    "tokenizer": "a lower tokenizer.max_sentences with --set",
}
"""What each command can do with less of, as it is typed."""


def memory_message(error: BaseException, arguments: Sequence[str]) -> str:
    """What to say when a command runs out of memory: in its own words, what is free, what to lower. arguments: of the command line."""
    command = next((word for word in arguments if not word.startswith("-")), "")
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
    free = free_memory_mb()
    has = f", with {free:,.0f} MB free" if free else ""
    lower = f" Try {_TO_LOWER[command]}; or" if command in _TO_LOWER else " Try to"
    return f"mt {command} ran out of memory ({reason}{has}).{lower} close other programs, or set OMP_NUM_THREADS=1 to run less at once"


def free_memory_mb() -> float:
    """The machine's memory that this process can still take, in MB; 0 where the system does not say.

    The least of what the machine has left, what its container may still use, and what a limit on the process (`ulimit -v`) leaves.
    """
    known = [room for room in (_machine_mb(), _container_mb(), _process_mb()) if room is not None]
    return max(0.0, min(known)) if known else 0.0


def _machine_mb() -> float | None:
    """What the kernel could hand out without swapping."""
    lines = _read("/proc/meminfo").splitlines()
    return next((int(line.split()[1]) / 1e3 for line in lines if line.startswith("MemAvailable:")), None)


def _container_mb() -> float | None:
    """What is left of a container's limit; the page cache in it counts as used."""
    for limit, used in _CGROUP_LIMITS:
        words = _read(limit).strip(), _read(used).strip()
        if all(word.isdigit() for word in words) and int(words[0]) < 1 << 60:
            return (int(words[0]) - int(words[1])) / 1e6
    return None


def _process_mb() -> float | None:
    """What is left of the limit on the process's addresses."""
    try:
        import resource
    except ImportError:
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = _read("/proc/self/statm").split()
    if limit == resource.RLIM_INFINITY or not pages:
        return None
    return (limit - int(pages[0]) * resource.getpagesize()) / 1e6


def _read(path: str) -> str:
    """A small file of the system; "" where it is not there."""
    try:
        return Path(path).read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


def _glibc() -> ctypes.CDLL | None:
    """The C library, where it is glibc."""
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return None
    return ctypes.CDLL(None)


def give_back_freed_memory() -> None:
    """Return to the system what keep_freed_memory kept: now and then, since blocks of ever other shapes pile up in a long run."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def keep_freed_memory() -> bool:
    """Tell glibc's malloc to keep large freed blocks, so that each step's tensors fault no new pages.

    Returns whether there was a glibc to tell. Has no effect on a GPU's memory.
    """
    libc = _glibc()
    if libc is None:
        return False
    return bool(libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30)) and bool(libc.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1))


def prepare_to_translate() -> None:
    """What the C library and oneDNN are told before a search: see keep_few_kernels and keep_freed_memory.

    A step's logits, 10 MB for 256 hypotheses and 10,000 pieces, would else be new pages at every step: beam 5 has a fifth of the page
    faults, greedy search half of them (docs/LOG.md, 2026-11-26).
    """
    keep_few_kernels()
    keep_freed_memory()


def keep_few_kernels() -> None:
    """Tell oneDNN, before its first product, to keep 256 kernels instead of 1024; a number that the user has set stays.

    It makes one for every shape it meets: hot ones are few in a search, but every batch of sources has a shape of its own. 20,000 lines
    peak at 804 MB instead of 926 (docs/LOG.md, 2026-11-26).
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")
