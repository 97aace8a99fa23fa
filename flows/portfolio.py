"""Portfolio: the migrations of a plan, wave by wave.

Each migration is a run of its own, because only a top-level run can be suspended at a gate. Started again
after a crash, the portfolio finds the runs that it has started (by their idempotency keys).
"""

import time
from typing import cast
from uuid import UUID

from prefect import flow, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from flows.automations import MOST_STARTS
from flows.plan import plan
from tasks.plan_lines import waves
from turnout.wiring.migrating import current

_POLL_SECONDS = 5.0


@flow(name="portfolio", flow_run_name="portfolio", log_prints=True)
def portfolio(
    models: list[str] | None = None, stop_on_failure: bool = True, at_once: int | None = None
) -> State:
    """Migrate every model of the plan that nothing stands in the way of.

    Args:
        models: Only these, and each wave's in this order; None: all.
        stop_on_failure: Begin no further wave after one in which a model was not cut over.
        at_once: Migrations under way at a time, those that wait at gates included; None: the whole wave.
    """
    if not (current().state.work / "plan.json").is_file():
        plan(refresh=True)
    for number, wave in waves(current().state, models).items():
        print(f"wave {number}: {', '.join(wave)}")  # noqa: T201 -- Prefect logs what flows print
        ends = _through(wave, at_once or len(wave))
        failed = [f"{model}: {name}" for model, (name, good) in ends.items() if not good]
        if failed and stop_on_failure:
            return Failed(name="Stopped", message=f"wave {number}: {'; '.join(failed)}")
    return Completed(message="every wave has ended")


def _start(model: str) -> UUID:
    run = run_deployment(
        "migrate/turnout",
        parameters={"model": model},
        timeout=0,
        as_subflow=False,
        idempotency_key=f"{flow_run.id}-{model}",
    )
    return cast("FlowRun", run).id


def _through(wave: list[str], at_once: int) -> dict[str, tuple[str, bool]]:
    """See every run of a wave to its end, gates included; returns each one's state and whether it is good."""
    waiting, runs = list(wave), dict[str, UUID]()
    ends: dict[str, tuple[str, bool]] = {}
    with get_client(sync_client=True) as client:
        while waiting or runs:
            while waiting and len(runs) < at_once:
                model = waiting.pop(0)
                runs[model] = _start(model)
            time.sleep(_POLL_SECONDS)
            for model, run in list(runs.items()):
                if end := _end(client.read_flow_run(run)):
                    ends[model] = end
                    del runs[model]
    return ends


def _end(run: FlowRun) -> tuple[str, bool] | None:
    """Return how a run ended, or None: it goes on, or crashed and will be started again."""
    state = run.state
    if state is None or not state.is_final() or (state.is_crashed() and run.run_count < MOST_STARTS):
        return None
    return str(state.name), state.is_completed()
