"""vLLM under Ray's control: the application that the manifests hold answers as legacy does."""

import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from runtimes.vllm import engine, server, under_ray, weights
from runtimes.vllm.arguments import PINNED
from turnout.domain.bodies import parsed
from turnout.domain.comparison import compare
from turnout.domain.quantity import GIB
from turnout.fabric import environments, ports
from turnout.lab import chats

MODEL = "smollm"
PROGRAM = Path(__file__).with_name("ray_serve_llm.py")
READY_WITHIN_SECONDS = 400.0
COMPARED = 4

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def application(state, legacy):  # noqa: ARG001 -- legacy has laid the model out
    """The application for this machine's CPU."""
    folder = state.model_files(MODEL)
    found = engine.settings(
        MODEL, weights.config(folder), weights.size_bytes(folder), server.place(), {"max_model_len": 2048}
    )
    here = {"enforce_eager": True, "kv_cache_memory_bytes": int(found.kv_cache_gib * GIB / 2)}
    return under_ray.application(
        name="llm", model=MODEL, weights=str(folder), options={**PINNED, **found.options(), **here},
        replicas={"num_replicas": 1}, bundles=[{"CPU": 1}],
    )  # fmt: skip


@pytest.fixture(scope="module")
def under_control(application):
    """The port of Serve's proxy, with the application running."""
    python, port = environments.ensure("vllm") / "bin" / "python", ports.pick()
    with tempfile.TemporaryDirectory(prefix="turnout-") as directory:
        file, log = Path(directory) / "application.json", Path(directory) / "log"
        file.write_text(json.dumps(application))
        with log.open("wb") as output:
            process = subprocess.Popen(
                [python, PROGRAM, file, str(port)],
                env={**os.environ, **server.ENVIRONMENT, "RAY_TMPDIR": directory},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            _await(process, log)
            yield port
        finally:
            process.terminate()
            try:
                process.wait(60)
            finally:
                os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None


def _await(process, log):
    until = time.monotonic() + READY_WITHIN_SECONDS
    while "ready\n" not in log.read_text(errors="replace"):
        assert process.poll() is None, log.read_text(errors="replace")[-3000:]
        assert time.monotonic() < until, log.read_text(errors="replace")[-3000:]
        time.sleep(1.0)


def test_replicas_of_ray_answer_as_legacy_does_by_the_path_that_clients_call(
    wiring, ask, pinned, legacy_port, under_control
):
    """The same prompts, streamed and not, become the same tokens."""
    contract = wiring.contract(MODEL)
    found = []
    for row in chats.rows()[:COMPARED]:
        old, new = (parsed(contract, ask(port, pinned(row)).body) for port in (legacy_port, under_control))
        found.append(compare(contract, old, new))
    assert not any(one.differs for one in found), [one.what for one in found]
