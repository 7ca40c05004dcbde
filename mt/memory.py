"""What the C library does with freed memory. Nothing heavy is imported here."""

import ctypes
import os
import platform
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h


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
