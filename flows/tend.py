"""Starts crashed migrations again where the event that should have done so was lost.

Automations act on events, and Prefect's server drops an event when SQLite is locked for too long. So this
looks at the runs themselves, every 15 s: `python -m flows.tend`, one process beside the worker.
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
from prefect.client.schemas.objects import StateType
from prefect.exceptions import PrefectException
from prefect.states import AwaitingRetry

from flows.automations import MOST_STARTS, RESTARTED_TAG

EVERY_SECONDS = 15.0
AUTOMATION_SECONDS = 10.0
"""The automation has the first word: it is quicker, and two at once would schedule the same run twice."""

_CRASHED = FlowRunFilter(
    state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CRASHED])),
    tags=FlowRunFilterTags(all_=[RESTARTED_TAG]),
)


def tend(client: SyncPrefectClient) -> list[UUID]:
    """Schedule every crashed migration that nobody has scheduled; returns their runs."""
    latest = datetime.now(UTC) - timedelta(seconds=AUTOMATION_SECONDS)
    found = client.read_flow_runs(flow_run_filter=_CRASHED)
    lost = [r.id for r in found if r.state and r.state.timestamp < latest and r.run_count < MOST_STARTS]
    for run in lost:
        client.set_flow_run_state(
            run, AwaitingRetry(message="it crashed; it goes on from its evidence"), force=True
        )
    return lost


if __name__ == "__main__":
    while True:
        with suppress(httpx.HTTPError, PrefectException), get_client(sync_client=True) as server:
            for started in tend(server):
                print(f"run {started} had crashed: scheduled again", flush=True)  # noqa: T201 -- a command's output
        time.sleep(EVERY_SECONDS)
