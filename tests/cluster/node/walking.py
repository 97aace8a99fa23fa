"""A reader of docs/kubernetes.md: a terminal in which the walk's blocks run in order, as they stand."""

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from tests import documented
from tests.documented import CLOUD, WALK, YOURS
from turnout.fabric.environments import project_root

_END = "--- the block has run ---"


class Walk:
    """A bash that ends at the first command that fails; what it left running ends with it.

    Args:
        values: What the reader exports: the page's own names, and what a cloud would have told.
        env: What the reader's terminal has besides.
    """

    def __init__(self, values, env):
        """Read the page; nothing runs yet."""
        assert values.keys() == documented.exported({YOURS, CLOUD})
        self._values, self._env = values, env
        self._left = [each for each in documented.blocks() if each.mark == WALK]

    def __enter__(self):
        """Open the terminal."""
        self._files = tempfile.TemporaryDirectory()
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-eu", "-o", "pipefail"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            cwd=project_root(), env={**os.environ, **self._env, **self._values}, start_new_session=True,
        )  # fmt: skip
        return self

    def __exit__(self, *_error):
        """Close it, with all that runs in it."""
        os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.communicate()
        self._files.cleanup()

    def through(self, heading):
        """Run the blocks of the next section, which has to be this one; what they said."""
        said = []
        assert self._left, f"{heading}: no block is left"
        assert self._left[0].heading == heading
        while self._left and self._left[0].heading == heading:
            block = self._left.pop(0)
            began = time.monotonic()
            said.append(self.run(block.text))
            print(f"{heading}: line {block.line}: {time.monotonic() - began:.0f} s\n{said[-1]}", flush=True)
        return "".join(said)

    def run(self, text):
        """What commands said; they have to succeed."""
        file = Path(self._files.name) / "block"
        file.write_text(text)
        self._shell.stdin.write(f". {file} < /dev/null\necho; echo '{_END}'\n")
        self._shell.stdin.flush()
        said = []
        for line in self._shell.stdout:
            if line.strip() == _END:
                return "".join(said)
            said.append(line)
        raise AssertionError(f"it ended in:\n{text}\n{''.join(said)}")

    def is_over(self):
        """Whether every block of the walk has run."""
        return not self._left
