"""Measurements in a process of their own, whose memory holds nothing else."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, TypeVar

T = TypeVar("T")

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_STATM: Final = Path("/proc/self/statm")


def apart(measure: Callable[..., T], *arguments: Any) -> T:
    """Return what *measure* finds, in a process that begins with nothing."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, *arguments).result()


def apart_in_a_loop(measure: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Return the same of a measurement that awaits."""
    run: Callable[..., T] = _run
    return apart(run, measure)


def _run(measure: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(measure())


def resident() -> int:
    """Return the bytes of memory that this process has of the machine, garbage not counted."""
    gc.collect()
    return resident_now()


def resident_now() -> int:
    """Return the same, garbage counted."""
    return int(_STATM.read_text().split()[1]) * _PAGE
