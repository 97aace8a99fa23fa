"""Ends every process of a lab when its supervisor has died, however it died.

    python -m turnout.fabric.reaper LAB_ID PIPE

Tied to the supervisor by a pipe whose other end only the supervisor holds: the kernel closes it with the
supervisor, kill -9 included. It also holds the supervisor's lock, so that no new supervisor begins before the
old lab is gone. Small, and doing nothing until then.
"""

import os
import sys

from turnout.fabric import marks

ENDED_WELL = b"."
"""Last word of a supervisor that has ended everything itself."""
GRACE_SECONDS = 2.0


def main(lab: str, pipe: int) -> None:
    """Wait for the supervisor's end; unless it ended well, end its servers."""
    last = b""
    while word := os.read(pipe, 1):
        last = word
    if last != ENDED_WELL:
        marks.end_servers(lab, grace_seconds=GRACE_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
