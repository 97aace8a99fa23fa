"""Plan: say where each model would go, in which wave, and why. Applies nothing."""

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.discover import discover
from flows.pages import show
from tasks.plan import plan_estate
from tasks.plan_lines import kept
from turnout.domain.evidence import Evidence
from turnout.domain.plan_changes import changes
from turnout.domain.plan_markdown import markdown
from turnout.wiring.migrating import current


@flow(name="plan", flow_run_name="plan", log_prints=True)
def plan(refresh: bool = False) -> Evidence:
    """Plan the estate and keep the plan; tell what changed since the one before.

    Args:
        refresh: Discover the estate anew first, as the schedule does.
    """
    if refresh:
        discover()
    state = current().state
    before = kept(state)
    evidence = plan_estate()
    if found := kept(state):
        told = None if before is None else changes(before, found)
        for change in told or ():
            print(change.words())  # noqa: T201 -- Prefect logs what flows print
        pages = f"Pages: `{state.report / 'inventory.html'}`, `{state.report / 'plan.html'}`\n\n"
        said = "the first plan" if told is None else f"{len(told)} changes"
        create_markdown_artifact(key="plan", markdown=pages + markdown(found, told), description=said)
    show(evidence)
    return evidence
