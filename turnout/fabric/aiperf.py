"""Load for a generating model, sent by AIPerf in the environment `aiperf`: open loop, streamed.

AIPerf sends the very bodies that it is given, in order, when they are due, and writes down when each piece
of each answer came. Its records become `turnout.domain.generation.StreamRecord`; what they mean is decided
there, alike for both arms. Format: https://github.com/ai-dynamo/aiperf, docs/tutorials/working-with-profile-
exports.md.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from turnout.domain.errors import TemporaryError
from turnout.domain.generation import StreamRecord
from turnout.fabric import environments

ENVIRONMENT = "aiperf"
START_SECONDS = 240.0
"""It starts eight processes: 10 s on idle cores, a multiple on loaded ones."""
_RECORDS = "profile_export.jsonl"
_NANO = 1e9
_MILLI = 1e3


def send(
    url: str, bodies: Sequence[dict[str, Any]], *, rate: float, seconds: float, within_seconds: float,
    tokenizer: Path,
) -> list[StreamRecord]:  # fmt: skip
    """Send chats or prompts at an even rate, and wait for the answers of all of them.

    Args:
        url: Where, path included.
        bodies: Bodies that ask for a stream with its usage, sent one after the other, again from the first.
        rate: Requests a second.
        seconds: How long.
        within_seconds: An answer that takes longer is none.
        tokenizer: Folder with a tokenizer; AIPerf wants one, though the tokens are counted by the server.

    Raises:
        TemporaryError: AIPerf could not be run; the message ends with its last line.
    """
    python = environments.ensure(ENVIRONMENT) / "bin" / "python"
    count = max(1, round(rate * seconds))
    with tempfile.TemporaryDirectory(prefix="turnout-") as scratch:
        asked = Path(scratch) / "asked.jsonl"
        asked.write_text("".join(f"{json.dumps(body)}\n" for body in bodies))
        command = [str(python), "-m", "aiperf", "profile"]
        options = _options(url, bodies[0], asked, rate=rate, count=count, within=within_seconds)
        _run([*command, *options, f"--tokenizer={tokenizer}"], Path(scratch), seconds + within_seconds)
        file = Path(scratch) / _RECORDS
        return list(read(file.read_text() if file.is_file() else ""))


def read(records: str) -> Iterator[StreamRecord]:
    """The records that AIPerf wrote, a JSON object a line; those of its warm-up left out."""
    for line in records.splitlines():
        one = json.loads(line)
        if one["metadata"].get("benchmark_phase") == "profiling":
            yield _record(one["metadata"], {name: m["value"] for name, m in one.get("metrics", {}).items()})


def _record(metadata: dict[str, Any], metrics: dict[str, Any]) -> StreamRecord:
    """One request; it was due when AIPerf's clock let it go, and began to be sent a little later."""
    due = metadata.get("credit_issued_ns") or metadata["request_start_ns"]
    first = metrics.get("time_to_first_token")
    if first is None:
        return StreamRecord(due / _NANO)
    began = metadata["request_start_ns"] / _NANO + first / _MILLI
    gaps = (gap / _MILLI for gap in metrics.get("inter_chunk_latency") or ())
    return StreamRecord(
        due_seconds=due / _NANO,
        token_seconds=tuple(accumulate(gaps, initial=began)),
        ended_seconds=metadata["request_end_ns"] / _NANO,
        prompt_tokens=_whole(metrics.get("usage_prompt_tokens")),
        completion_tokens=_whole(metrics.get("usage_completion_tokens")),
    )


def _whole(count: float | None) -> int | None:
    return None if count is None else int(count)


def _options(
    url: str, body: dict[str, Any], asked: Path, *, rate: float, count: int, within: float
) -> list[str]:
    """AIPerf's options: nothing is asked for but the requests, and nothing is measured but them."""
    base, _, path = url.partition("/openai/")
    return [
        f"--model={body['model']}", f"--url={base}", f"--custom-endpoint=/openai/{path}", "--streaming",
        f"--endpoint-type={'chat' if 'messages' in body else 'completions'}",
        f"--input-file={asked}", "--custom-dataset-type=raw-payload", "--use-server-token-count",
        "--dataset-sampling-strategy=sequential",
        f"--request-rate={rate}", "--arrival-pattern=constant", f"--request-count={count}",
        f"--request-timeout-seconds={within}", f"--artifact-dir={asked.parent}",
        "--ui=none", "--workers-max=1", "--record-processors=1", "--no-server-metrics", "--no-gpu-telemetry",
    ]  # fmt: skip


def _run(command: list[str], folder: Path, seconds: float) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            env={**os.environ, "HOME": str(folder)}, timeout=START_SECONDS + seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise _failed("no end in time") from error
    if done.returncode:
        said = [line.strip(" │") for line in (done.stdout + done.stderr).splitlines() if line.strip(" │")]
        raise _failed((said or ["no output"])[-1])


def _failed(observed: str) -> TemporaryError:
    return TemporaryError(
        "load by AIPerf", observed=observed, limit="a run with its records",
        remedy="Look at that message; without baseline.load in the contract nothing is loaded.",
    )  # fmt: skip
