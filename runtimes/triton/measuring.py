"""Measures a packaged model on the real Triton at a few batch sizes and queue delays.

Called by `runtimes.triton` while it packages; `runtimes.triton.batching` chooses the settings that follow.
Short, on a machine that does other things too: large effects are seen, and small ones are not acted upon.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
from google.protobuf import json_format
from tritonclient.grpc import InferInput
from tritonclient.utils import InferenceServerException

from runtimes import wire
from runtimes.bridges.bodies import instances, to_tensor
from runtimes.triton import config
from runtimes.triton.batching import Batching, Execution, Load, large_enough
from runtimes.triton.trial import Trial
from turnout.domain.contract import Wire

SIZES = (1, 8, 32, 128)
"""Rows of a request. Production's requests are repeated to fill them."""
DELAYS_MICROSECONDS = (0, 500, 2000)
"""None; about one small model's execution; several."""
REPEATS = 7
CLIENTS = 8
"""At once, each with its next request when the last is answered: they keep a small model busy throughout."""
LOAD_SECONDS = 0.7


def executions(trial: Trial, requests: Sequence[Any]) -> list[Execution]:
    """How long one request of each size takes, with nothing beside it."""
    rows = np.concatenate([_rows(trial, request) for request in requests])
    found = []
    for size in SIZES:
        given = trial.given(np.resize(rows, (size, *rows.shape[1:])))
        trial.client.infer(trial.contract.model, [given])  # the first one of a shape pays for that shape
        found.append(Execution(rows=size, seconds=median(_timed(trial, given) for _ in range(REPEATS))))
    return found


def loads(
    trial: Trial, model: config.Model, requests: Sequence[Any], known: Sequence[Execution]
) -> list[Load]:
    """What each queue delay carries, the model loaded anew with it; production's own requests are sent.

    Args:
        trial: The server.
        model: The model whose requests are gathered: the one served, or the predictor of an ensemble.
        requests: Parsed golden requests.
        known: The batch sizes, measured.
    """
    given = [trial.given(_rows(trial, request)) for request in requests]
    found = []
    for delay in DELAYS_MICROSECONDS:
        sizes = (large_enough(known),) if delay else ()
        batching = Batching(queue_delay_microseconds=delay, preferred_batch_sizes=sizes)
        overriding = config.model_config(replace(model, batching=batching))
        text = json_format.MessageToJson(overriding, preserving_proto_field_name=True)
        trial.client.load_model(model.name, config=text)
        found.append(_load(trial, given, delay))
    return found


def _rows(trial: Trial, request: Any) -> Any:
    contract = trial.contract
    if contract.wire is Wire.V1:
        return to_tensor(instances(request), contract.inputs[0])
    return to_tensor(wire.input_of(contract, request), contract.inputs[0])


def _load(trial: Trial, given: list[InferInput], delay: int) -> Load:
    until = time.monotonic() + LOAD_SECONDS
    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        lanes = list(pool.map(lambda lane: _lane(trial, given[lane:] + given[:lane], until), range(CLIENTS)))
    seconds = [one for lane in lanes for one in lane if one is not None]
    return Load(
        queue_delay_microseconds=delay,
        requests_per_second=len(seconds) / (time.monotonic() - began),
        slow_seconds=float(np.quantile(seconds, 0.99)) if seconds else LOAD_SECONDS,
        failed=sum(one is None for lane in lanes for one in lane),
    )


def _lane(trial: Trial, given: list[InferInput], until: float) -> list[float | None]:
    """One client: the time of each request, None for one that failed."""
    found: list[float | None] = []
    while time.monotonic() < until:
        try:
            found.append(_timed(trial, given[len(found) % len(given)]))
        except InferenceServerException:
            found.append(None)
    return found


def _timed(trial: Trial, given: InferInput) -> float:
    began = time.monotonic()
    trial.client.infer(trial.contract.model, [given])
    return time.monotonic() - began
