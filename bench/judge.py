"""How long `turnout judge` takes over a million looks: one command, prints Markdown.

    python bench/judge.py

A recording as the sentinel writes it: 20 requests a second, weights that rise, replays; healthy all along, so
that every line is judged. The recording streams through a pipe into a process of its own.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

LINES = 1_000_000
WEIGHTS = (0.1, 0.25, 0.5, 0.95)
ROOT = Path(__file__).resolve().parent.parent
MEBIBYTE_KIB = 1024


def lines(count: int) -> Iterator[bytes]:
    """Looks of a healthy canary, each weight for a quarter of them."""
    random = np.random.default_rng(20_260_301)
    for weight in WEIGHTS:
        candidates = random.binomial(20, weight, count // len(WEIGHTS))
        failing = random.random((count // len(WEIGHTS), 2)) < (0.005 * candidates / 20)[:, None]
        for chosen, (failed, slow) in zip(candidates.tolist(), failing.tolist(), strict=True):
            yield _line(weight, chosen, int(failed), int(slow))


def _line(weight: float, chosen: int, failed: int, slow: int) -> bytes:
    look = {
        "seconds": 1.0,
        "weight": weight,
        "legacy": {"requests": 20 - chosen, "errors": 0, "slow": 0},
        "candidate": {"requests": chosen, "errors": failed, "slow": slow, "rescued": failed},
        "pairs": {"neither": 10, "old_only": 0, "new_only": 0, "both": 0},
        "diverted": 0,
    }
    return json.dumps(look).encode() + b"\n"


def main() -> None:
    """Write the recording, judge it, print what it took."""
    recording = b"".join(lines(LINES))
    command = [sys.executable, "-m", "turnout", "judge", "-"]
    began = time.monotonic()
    done = subprocess.run(command, input=recording, cwd=ROOT, capture_output=True, check=True)
    took = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    verdict = json.loads(done.stdout)["verdict"]
    print("| lines | seconds | of a core | largest memory | verdict |\n|---|---|---|---|---|")
    print(
        f"| {LINES:,} | {took:.1f} | {used.ru_utime + used.ru_stime:.1f} s "
        f"| {used.ru_maxrss / MEBIBYTE_KIB:.0f} MiB | {verdict} |"
    )


if __name__ == "__main__":
    main()
