"""Starts crashed migrations again where the event that should have done so was lost.

Automations act on events, and Prefect's server drops an event when SQLite is locked for too long, or when
it is killed with the event in its hands. So this looks at the runs themselves, every 15 s:
`python -m flows.tend`, one process beside the worker. It finds what the automations find: a run that was
handed to a worker and never began is Crashed, a Crashed one is scheduled again.
"""

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import PrefectException
from prefect.states import AwaitingRetry, Crashed

from flows.automations import BEGIN_WITHIN_SECONDS, MOST_STARTS, NEVER_BEGAN, RESTARTED_TAG

EVERY_SECONDS = 15.0
AUTOMATION_SECONDS = 10.0
"""The automation has the first word: it is quicker, and two at once would schedule the same run twice."""


def tend(client: SyncPrefectClient, *, begin_within_seconds: float = BEGIN_WITHIN_SECONDS) -> list[UUID]:
    """Schedule every crashed migration that nobody has scheduled; returns their runs.

    Args:
        client: Prefect's server.
        begin_within_seconds: A run that was handed out this long ago and has not begun is gone. It is Crashed
            by this look and scheduled by a later one.
    """
    for run in _since(client, StateType.PENDING, begin_within_seconds + AUTOMATION_SECONDS):
        client.set_flow_run_state(run.id, Crashed(message=NEVER_BEGAN), force=True)
    crashed = _since(client, StateType.CRASHED, AUTOMATION_SECONDS)
    lost = [run.id for run in crashed if run.run_count < MOST_STARTS]
    for run_id in lost:
        client.set_flow_run_state(
            run_id, AwaitingRetry(message="it crashed; it goes on from its evidence"), force=True
        )
    return lost


def _since(client: SyncPrefectClient, state: StateType, seconds: float) -> list[FlowRun]:
    """The migrations that have been in a state for so long."""
    latest = datetime.now(UTC) - timedelta(seconds=seconds)
    asked = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[state])),
        tags=FlowRunFilterTags(all_=[RESTARTED_TAG]),
    )
    found = client.read_flow_runs(flow_run_filter=asked)
    return [run for run in found if run.state and run.state.timestamp < latest]


if __name__ == "__main__":
    while True:
        with suppress(httpx.HTTPError, PrefectException), get_client(sync_client=True) as server:
            for started in tend(server):
                print(f"run {started} had crashed: scheduled again", flush=True)  # noqa: T201 -- a command's output
        time.sleep(EVERY_SECONDS)
