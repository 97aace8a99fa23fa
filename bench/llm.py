"""The same language model behind its legacy server and behind vLLM, side by side in one run.

    python bench/llm.py [-o bench/results/llm.md]

Legacy is the KServe SDK's OpenAI protocol over Hugging Face transformers, one request at a time; vLLM batches
continuously. All read the same files and compute on this machine's CPU: legacy in float32, as it does without
a GPU; vLLM in float32 and, where the CPU has instructions for it, in the model's own bfloat16. Closed loop:
each of N clients sends its next streamed chat when the last has ended, temperature 0, a bounded number of
them. Tokens are those that the server counts in `usage`; the first token comes with the first piece of text.
Cells of all servers take turns, so that a slow minute of the machine hits all.
"""

import asyncio
import itertools
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import click
import httpx

from runtimes.vllm import engine, server, weights
from runtimes.vllm.arguments import PINNED
from turnout.domain.server import ServerSpec
from turnout.fabric import environments, ports
from turnout.lab import language_model

MODEL = "smollm2"
CLIENTS = (1, 4, 16)
TOKENS = 32
"""Most tokens of an answer."""
REQUESTS = {1: 4, 4: 12, 16: 48}
"""Requests of a cell, over all its clients: more than one a client, or half of it is the batch's start."""
LEGACY, SAME, OWN = "legacy", "vLLM, float32", "vLLM, bfloat16"
CONTEXT = 2048
START_SECONDS = 300.0
PROMPTS = [
    f"Write a short story about {what}."
    for what in (
        "a lighthouse", "two trains", "an old clock", "a lost dog", "the first snow", "a baker", "a map",
        "a storm at sea", "a quiet library", "an honest thief", "a broken bridge", "a garden in the city",
    )
]  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """One streamed answer: tokens, seconds to the first of them, seconds to the last."""

    tokens: int
    first_seconds: float
    seconds: float


@dataclass(frozen=True)
class Cell:
    """One server at one number of clients."""

    arm: str
    clients: int
    answers: list[Answer]
    seconds: float

    @property
    def tokens_a_second(self) -> float:
        """Over all clients."""
        return sum(answer.tokens for answer in self.answers) / self.seconds

    @property
    def between_seconds(self) -> list[float]:
        """Mean time between tokens, an answer each."""
        return [(a.seconds - a.first_seconds) / (a.tokens - 1) for a in self.answers if a.tokens > 1]


@contextmanager
def running(spec: ServerSpec, folder: Path) -> Iterator[None]:
    """A server as the lab starts it, ready, and ended afterwards."""
    directory = environments.ensure(spec.environment, print)
    command = [str(directory / "bin" / spec.command[0]), *spec.command[1:]]
    log = folder / f"{spec.name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **spec.env}, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        _wait(spec, process, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(spec: ServerSpec, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(str(spec.ready_url), trust_env=False).status_code == 200:
                return
        time.sleep(0.5)
    raise SystemExit(f"{spec.name} was not ready:\n{log.read_text(errors='replace')[-2000:]}")


async def measure(arm: str, port: int, clients: int) -> Cell:
    """Send a cell's requests, and time them."""
    prompts = itertools.islice(itertools.cycle(PROMPTS), REQUESTS[clients])
    answers: list[Answer] = []
    timeout = aiohttp.ClientTimeout(total=600)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        await chat(session, port, "Hello.")  # warm

        async def client() -> None:
            for prompt in prompts:
                answers.append(await chat(session, port, prompt))  # noqa: PERF401 -- shared by all clients

        started = time.monotonic()
        await asyncio.gather(*(client() for _ in range(clients)))
        return Cell(arm, clients, answers, time.monotonic() - started)


async def chat(session: aiohttp.ClientSession, port: int, prompt: str) -> Answer:
    """One streamed chat, by the path that KServe's clients call at either server."""
    body = {
        "model": MODEL, "messages": [{"role": "user", "content": prompt}], "max_tokens": TOKENS,
        "temperature": 0, "stream": True, "stream_options": {"include_usage": True},
    }  # fmt: skip
    started, first, tokens = time.monotonic(), None, 0
    url = f"http://127.0.0.1:{port}/openai/v1/chat/completions"
    async with session.post(url, json=body) as answer:
        answer.raise_for_status()
        async for line in answer.content:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            if first is None and any(c["delta"].get("content") for c in event["choices"]):
                first = time.monotonic() - started
            tokens = (event.get("usage") or {}).get("completion_tokens") or tokens
    if first is None or not tokens:
        raise SystemExit("an answer without text or without usage")
    return Answer(tokens, first, time.monotonic() - started)


def table(cells: list[Cell]) -> str:
    """The cells as Markdown, with the ratios of tokens a second."""
    by = {(cell.arm, cell.clients): cell for cell in cells}
    lines = [
        "| clients | server | requests | tokens/s | first token, median (slowest) | between tokens, median |",
        "|---|---|---|---|---|---|",
    ]
    for cell in sorted(cells, key=lambda c: (c.clients, c.arm)):
        first = [answer.first_seconds for answer in cell.answers]
        lines.append(
            f"| {cell.clients} | {cell.arm} | {len(cell.answers)} | {cell.tokens_a_second:.1f} "
            f"| {statistics.median(first):.2f} s ({max(first):.2f} s) "
            f"| {1000 * statistics.median(cell.between_seconds):.0f} ms |"
        )
    ratios = [
        f"{arm}: "
        + ", ".join(
            f"{by[arm, n].tokens_a_second / by[LEGACY, n].tokens_a_second:.1f} times at {n}" for n in CLIENTS
        )
        for arm in dict.fromkeys(cell.arm for cell in cells)
        if arm != LEGACY
    ]
    return "\n".join([*lines, "", "Tokens a second to legacy's:", "", *(f"- {said}" for said in ratios)])


def _has_bfloat16() -> bool:
    """Whether the CPU computes in bfloat16; without such instructions that is slower than float32."""
    return bool({"avx512_bf16", "amx_bf16"} & set(Path("/proc/cpuinfo").read_text().split()))


def _specs(model: Path) -> dict[str, tuple[ServerSpec, int]]:
    threads = os.cpu_count() or 1
    taken = [ports.pick()]
    legacy = language_model.server(LEGACY, MODEL, model, port=taken[0], threads=threads)
    specs = {LEGACY: (legacy, taken[0])}
    for arm, dtype in ((SAME, "float32"), (OWN, "bfloat16"))[: 2 if _has_bfloat16() else 1]:
        taken.append(ports.pick(set(taken)))
        settings = engine.settings(
            MODEL, weights.config(model), weights.size_bytes(model),
            server.place().model_copy(update={"dtype": dtype}), {"max_model_len": CONTEXT},
        )  # fmt: skip
        print(f"{arm}: {settings}")
        spec = server.spec(
            name=dtype, model=MODEL, weights=model, port=taken[-1], settings=settings, asked=dict(PINNED),
            threads=threads,
        )  # fmt: skip
        specs[arm] = (spec, taken[-1])
    return specs


@click.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Also write the table to this file.")
def main(output: Path | None) -> None:
    """Measure the servers and print the table."""
    specs = _specs(language_model.ensure(print))
    cells = []
    with tempfile.TemporaryDirectory(prefix="turnout-llm-") as folder, ExitStack() as stack:
        for spec, _ in specs.values():
            stack.enter_context(running(spec, Path(folder)))
        for clients in CLIENTS:
            for arm, (_, port) in specs.items():
                cells.append(asyncio.run(measure(arm, port, clients)))
                print(f"{arm} at {clients}: {cells[-1].tokens_a_second:.1f} tokens/s", flush=True)
    machine = f"{platform.machine()}, {'with' if _has_bfloat16() else 'without'} instructions for bfloat16"
    said = (
        f"# The language model: legacy beside vLLM\n\n`python bench/llm.py` on {os.cpu_count()} cores"
        f" ({machine}), SmolLM2-135M-Instruct, chats of at most {TOKENS} tokens, streamed, temperature 0."
        f" Closed loop, all servers in one run.\n\n{table(cells)}\n"
    )
    print(said)
    if output:
        output.write_text(said)


if __name__ == "__main__":
    main()
