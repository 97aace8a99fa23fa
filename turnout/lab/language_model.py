"""The lab's language model: made once from what a package carries, and kept in the user's cache.

Made in the environment `hf`, never in the controlling process. Its folder is named after what it is made
from, so another program or another lock makes another one.
"""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

from turnout.domain.errors import PermanentError
from turnout.domain.server import ServerSpec
from turnout.fabric import environments, whole
from turnout.fabric.environments import Progress
from turnout.fabric.exclusive import locked
from turnout.fabric.state import State
from turnout.lab import chats

ENVIRONMENT = "hf"
PROGRAM = Path(__file__).parent / "legacy" / "make_llm.py"
_LONGEST_SECONDS = 900
KEEP_ALIVE_SECONDS = 7200
"""Longer than any idle connection of a proxy: the server never closes one that a request is on its way to."""


def ensure(progress: Progress | None = None) -> Path:
    """Make the model unless it is there, and say where it is; safe for callers at the same time.

    Raises:
        PermanentError: The program failed; the message ends with its last line.
        TemporaryError: The environment could not be installed.
    """
    folder = place()
    with locked(folder.with_name(f"{folder.name}.lock")):
        if not folder.is_dir():  # renamed into place when it is whole
            python = environments.ensure(ENVIRONMENT, progress) / "bin" / "python"
            (progress or (lambda _: None))("language model: dequantising SmolLM2-135M-Instruct")
            staged = folder.with_name(f"{folder.name}.new")
            shutil.rmtree(staged, ignore_errors=True)
            _make(python, staged)
            staged.rename(folder)
    return folder


def lay_out(model: str, state: State) -> None:
    """Put the model among a lab's legacy models, and its clients' prompts beside the others'."""
    made, target = ensure(), state.model_files(model)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(made, target, dirs_exist_ok=True)
    whole.write(
        state.payloads(model), json.dumps({"model": model, "kind": chats.CHATS, "rows": chats.rows()})
    )


def place() -> Path:
    """Where the model is, or will be."""
    lock = (environments.project_root() / "locks" / f"{ENVIRONMENT}.txt").read_bytes()
    made_from = hashlib.sha256(lock + PROGRAM.read_bytes()).hexdigest()[:12]
    return environments.cache() / "models" / f"smollm2-135m-instruct-{made_from}"


def _make(python: Path, folder: Path) -> None:
    done = subprocess.run(
        [str(python), str(PROGRAM), str(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LONGEST_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise PermanentError(
            "the lab's language model",
            observed=f"status {done.returncode}: {last}",
            limit="a model made from the package's weights",
            remedy="Look at that message.",
        )


def server(name: str, model: str, folder: Path, *, port: int, threads: int = 1) -> ServerSpec:
    """Its legacy server: the KServe SDK's OpenAI protocol over transformers, one request at a time.

    Args:
        name: Name of the server.
        model: Name that clients call the model by.
        folder: The model as Hugging Face saves one.
        port: Port of the client protocol.
        threads: Threads that one generation computes with.
    """
    command = (
        "python", str(PROGRAM.with_name("openai_server.py")), "--model_name", model,
        "--model_dir", str(folder), "--http_port", str(port), "--enable_grpc", "false",
        "--enable_latency_logging", "false", "--timeout-keep-alive", str(KEEP_ALIVE_SECONDS),
    )  # fmt: skip
    return ServerSpec(
        name=name, environment=ENVIRONMENT, command=command, ports=(port,),
        env={"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"},
        ready_url=f"http://127.0.0.1:{port}/openai/v1/models/{model}",
    )  # fmt: skip
