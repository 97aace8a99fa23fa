"""Watch: what became of the models that were cut over, and of runs that wait for nothing any more."""

import time
from uuid import UUID

from prefect import flow, get_client
from prefect.artifacts import create_markdown_artifact
from prefect.exceptions import ObjectNotFound
from prefect.states import Scheduled

from tasks.aliases import take_package_back
from tasks.watch import Standing, ended_unsaid, rolled_back, standings


@flow(name="watch", flow_run_name="watch", log_prints=True)
def watch() -> None:
    """Show how every moved model stands, and wake runs whose attempt ended while their gate waited.

    The sentinel needs none of this: it guards and rolls back by itself. This only tells the others.
    """
    found = standings()
    for one in found:
        print(one.line())  # noqa: T201 -- Prefect logs what flows print
    create_markdown_artifact(key="watch", markdown=_page(found), description="Every moved model as it stands")
    for run in rolled_back():
        _wake(run)
    for attempt in ended_unsaid():  # ended by the sentinel, or by a person at 3 am, when no flow was there
        take_package_back(attempt.model, attempt.id)


def _page(found: list[Standing]) -> str:
    rows = "\n".join(
        f"| {one.model} | {one.attempt} | {one.share} | {one.verdict} | {one.note} |" for one in found
    )
    taken = time.strftime("%F %T", time.gmtime())
    head = "| model | attempt | share | sentinel | |\n|---|---|---|---|---|"
    return f"## Moved models, {taken} UTC\n\n{head}\n{rows}" if found else f"No model is moved, {taken} UTC."


def _wake(run: str) -> None:
    """Let a suspended run go on: it finds its attempt ended, clears away and says so."""
    with get_client(sync_client=True) as client:
        try:
            state = client.read_flow_run(UUID(run)).state
        except ObjectNotFound:
            return
        if state is not None and state.is_paused():
            client.set_flow_run_state(UUID(run), Scheduled(name="Resuming", message="its attempt has ended"))
