"""Runs a package's code on requests in its own environment, never in this process: a model file is code.

`application/prove.py` is the script that runs there.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from turnout.domain.errors import InvalidInputError, TemporaryError
from turnout.fabric import marks

SECONDS_LIMIT = 300.0
"""Two hundred golden requests take seconds on models that a CPU serves; what takes so much longer hangs."""


def answers(environment: Path, package: Path, requests: list[Any], *, subject: str) -> list[dict[str, Any]]:
    """What a package answers to V1 bodies.

    Args:
        environment: Directory of the environment that the application runs in.
        package: Root of the package.
        requests: Parsed V1 bodies.
        subject: The model, for errors.

    Raises:
        InvalidInputError: The code or a model does not load, or fails on a request.
        TemporaryError: It took longer than `SECONDS_LIMIT`.
    """
    with tempfile.TemporaryDirectory(prefix="turnout-proof-") as scratch:
        asked, answered = Path(scratch) / "requests.json", Path(scratch) / "answers.json"
        asked.write_text(json.dumps(requests))
        script = package / "application" / "prove.py"
        command = [
            str(part) for part in (environment / "bin/python", "-I", "-B", script, package, asked, answered)
        ]
        try:
            ended = subprocess.run(
                command, env=_bare(scratch), cwd=scratch, stdin=subprocess.DEVNULL, capture_output=True,
                check=False, timeout=SECONDS_LIMIT,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise TemporaryError(
                subject, observed="it still answers", limit=f"at most {SECONDS_LIMIT:.0f} s",
                remedy="Try again on an idle machine, or look for what its code waits for.",
            ) from error  # fmt: skip
        return _read(answered, ended, subject=subject)


def _bare(home: str) -> dict[str, str]:
    """No credentials, no settings; the lab's marks, so that a script without its caller is still found."""
    kept = {name: os.environ[name] for name in (marks.LAB, marks.SERVER) if name in os.environ}
    return {"PATH": os.defpath, "HOME": home, "OMP_NUM_THREADS": "1", "LANG": "C.UTF-8", **kept}


def _read(file: Path, ended: subprocess.CompletedProcess[bytes], *, subject: str) -> list[dict[str, Any]]:
    found: Any = json.loads(file.read_text()) if file.is_file() else {}
    if ended.returncode == 0 and isinstance(found, list):
        return found
    last = ended.stderr.decode(errors="replace").strip().splitlines()[-1:]
    raise InvalidInputError(
        subject,
        observed=str(
            found.get("error") or f"its code ended with status {ended.returncode}: {' '.join(last)}"
        ),
        limit="code and models that load and answer the golden requests",
        remedy="Correct its predictor.py or its model files; see locks/ray-models.in for what is installed.",
    )
