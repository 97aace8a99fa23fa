"""Plan: say where each model would go, and keep the plan. Applies nothing."""

import time
from typing import Any

from tasks import step
from tasks.plan_lines import kept
from turnout import __version__
from turnout.domain.errors import NotFoundError
from turnout.domain.evidence import Evidence, Phase, Verdict, digest_of, fresh_pass
from turnout.domain.inventory import Inventory
from turnout.domain.nodes import NodePools
from turnout.domain.plan import Plan, PlanLine, Terms, plan
from turnout.domain.plan_changes import changes
from turnout.fabric import contracts as contract_files
from turnout.fabric import ownership, whole
from turnout.fabric import weights as weight_files
from turnout.fabric.state import State
from turnout.report import inventory_page, plan_page
from turnout.wiring.migrating import Wiring, current
from turnout.wiring.placing import pools_in_force

SUBJECT = "estate"


@step(name="plan estate")
def plan_estate() -> Evidence:
    """Plan the inventory that discovery has kept.

    Returns:
        A pass with the plan kept in STATE/work/plan.json, the pages of both in STATE/report, and what
        changed since the plan that was there; models may still be blocked in it.

    Raises:
        NotFoundError: Discovery has kept nothing, or there is no pools file.
        InvalidInputError: The pools file, a contract, the calendar or the weights are wrong; the plan that
            was there is untouched.
    """
    wiring = current()
    inventory, found = inventory_of(wiring.state), pools_in_force(wiring.settings)
    contracts, problems = contract_files.load_all(wiring.settings.contracts, inventory.models)
    if problems:
        raise problems[0].error()
    terms = Terms(
        contracts, ownership.calendar(wiring.settings.owners), weight_files.read(wiring.settings.weights)
    )
    before, planned = kept(wiring.state), plan(inventory, found.pools, terms)
    told = None if before is None else changes(before, planned)
    evidence = _kept(wiring, planned, _inputs(inventory, found, terms))
    whole.write(wiring.state.work / "plan.json", planned.document())
    whole.write(wiring.state.report / "inventory.html", inventory_page.render(inventory, terms.weights))
    page = plan_page.render(planned, found.pools, calendar=terms.calendar, changes=told)
    whole.write(wiring.state.report / "plan.html", page)
    return evidence


def inventory_of(state: State) -> Inventory:
    """The inventory that discovery has kept.

    Raises:
        NotFoundError: There is none.
    """
    file = state.work / "inventory.json"
    if not file.is_file():
        raise _missing("inventory", str(file), "Run discover.")
    return Inventory.model_validate_json(file.read_bytes())


def _missing(subject: str, limit: str, remedy: str) -> NotFoundError:
    return NotFoundError(subject, observed="nothing kept", limit=limit, remedy=remedy)


def _inputs(inventory: Inventory, found: NodePools, terms: Terms) -> str:
    return digest_of(
        {
            "inventory": inventory.model_dump(mode="json"),
            "pools": [pool.model_dump(mode="json") for pool in found.pools],
            "contracts": {model: one.model_dump(mode="json") for model, one in terms.contracts.items()},
            "calendar": terms.calendar.model_dump(mode="json"),
            "weights": terms.weights.model_dump(mode="json"),
        }
    )


def _kept(wiring: Wiring, planned: Plan, inputs_digest: str) -> Evidence:
    known = fresh_pass(wiring.evidence.history(SUBJECT, Phase.PLAN), inputs_digest)
    if known:
        return known
    evidence = Evidence(
        subject=SUBJECT,
        phase=Phase.PLAN,
        attempt=None,
        inputs_digest=inputs_digest,
        measurements={
            "models": [_row(line) for line in planned.lines],
            "price_per_hour_usd": planned.price_per_hour_usd,
            "unpriced_pools": list(planned.unpriced),
            "placement": planned.statement,
        },
        verdict=Verdict.PASS if planned.lines else Verdict.FAIL,
        reasons=() if planned.lines else ("nothing to plan",),
        code_version=__version__,
        at_seconds=time.time(),
    )
    wiring.evidence.write(evidence)
    return evidence


def _row(line: PlanLine) -> dict[str, Any]:
    best = line.placement.best if line.placement else None
    return {
        "wave": line.wave,
        "model": line.name,
        "runtime": line.runtime,
        "bridge": line.bridge,
        "pool": best.pool if best else None,
        "price_per_hour_usd": best.price_per_hour_usd if best else None,
        "risk_points": line.risk,
        "blockers": [blocker.kind for blocker in line.blockers],
        "digest": line.digest,
    }
