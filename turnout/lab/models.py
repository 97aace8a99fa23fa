"""Trains the estate's models, each in the environment that serves it; never in the controlling process."""

import os
import subprocess
from pathlib import Path

from turnout.domain.errors import PermanentError
from turnout.fabric import environments, marks
from turnout.fabric.state import State
from turnout.lab import language_model
from turnout.lab.estate import LegacyModel, ServerKind

PROGRAMS = Path(__file__).parent / "legacy"
_LONGEST_SECONDS = 300


def train(model: LegacyModel, state: State) -> None:
    """Train a model and export its test split, unless both are there.

    Raises:
        PermanentError: The program failed; the message ends with its last line.
    """
    payloads = state.payloads(model.name)
    if payloads.is_file():  # written last
        return
    if model.server is ServerKind.KSERVE_OPENAI:
        language_model.lay_out(model.name, state)
        return
    python = environments.ensure(model.environment) / "bin" / "python"
    done = subprocess.run(
        [
            str(python),
            str(PROGRAMS / model.program),
            model.name,
            str(state.model_files(model.name)),
            str(payloads),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1", **marks.marks(marks.lab_id(state.root), "up")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LONGEST_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise PermanentError(
            f"training of {model.name}",
            observed=f"status {done.returncode}: {last}",
            limit="a trained model",
            remedy="Look at that message.",
        )
