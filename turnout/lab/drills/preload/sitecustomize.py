"""Sleeps by select(2) in a Python process with a preloaded clock; Python imports this by itself.

libfaketime 0.9.10 answers clock_nanosleep(2) until a moment of the monotonic clock, which is what
`time.sleep` calls, with EINVAL where it leaves that clock alone.
"""
# ruff: noqa: INP001 -- found by its directory on PYTHONPATH; it is part of no package

import select
import time
from typing import SupportsIndex


def _sleep(seconds: float | SupportsIndex, /) -> None:
    select.select([], [], [], float(seconds))


time.sleep = _sleep
