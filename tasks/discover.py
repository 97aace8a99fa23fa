"""Discover: read the legacy estate and keep the inventory."""

import time
from collections import Counter
from typing import Any

from tasks import step
from turnout import __version__
from turnout.domain.evidence import Evidence, Phase, Verdict, digest_of, fresh_pass
from turnout.domain.groups import grouped
from turnout.domain.inventory import Inventory
from turnout.fabric import estate, ownership, traffic, whole
from turnout.wiring.migrating import Wiring, current

SUBJECT = "estate"


@step(name="discover estate")
def discover_estate() -> Evidence:
    """Read the estate from the settings' folder of manifests or from their cluster.

    What cannot be read does not stop the rest: it stands in the inventory and in the evidence by name, and is
    in no plan. So a pass says that what was read can be planned, not that everything could be read.

    Returns:
        A pass with the inventory kept in STATE/work/inventory.json; a fail, and the inventory that was there
        untouched, when no workload was read at all: no data is never a pass.

    Raises:
        NotFoundError: There is no folder of manifests, no kubeconfig, or no owners file.
        InvalidInputError: The owners file or the kubeconfig is wrong.
        RefusedError: The cluster does not take the credentials.
        UnreachableError: The API server did not answer.
    """
    wiring = current()
    owners = ownership.read(wiring.settings.owners)
    inventory = estate.read(estate.place(wiring.settings)).with_owners(owners)
    inventory = traffic.with_traffic(inventory, wiring.settings)
    evidence = _kept(wiring, inventory)
    if evidence.verdict is Verdict.PASS:
        whole.write(wiring.state.work / "inventory.json", inventory.model_dump_json(indent=2))
    return evidence


def _kept(wiring: Wiring, inventory: Inventory) -> Evidence:
    # Figures differ at each look; what they make of the estate, its groups, is what a fresh pass is about.
    facts = inventory.model_dump(mode="json", exclude={"workloads": {"__all__": {"observed"}}})
    digest = digest_of([facts, grouped(inventory.workloads)])
    known = fresh_pass(wiring.evidence.history(SUBJECT, Phase.DISCOVER), digest)
    if known:
        return known
    reasons = _reasons(inventory)
    evidence = Evidence(
        subject=SUBJECT,
        phase=Phase.DISCOVER,
        attempt=None,
        inputs_digest=digest,
        measurements=_measurements(inventory),
        verdict=Verdict.PASS if inventory.workloads else Verdict.FAIL,
        reasons=reasons,
        code_version=__version__,
        at_seconds=time.time(),
    )
    wiring.evidence.write(evidence)
    return evidence


def _reasons(inventory: Inventory) -> tuple[str, ...]:
    """What could not be read, by name; an estate without workloads proves nothing."""
    nothing = () if inventory.workloads else ("no workload could be read",)
    return (*nothing, *(str(problem.error()) for problem in inventory.problems))


def _measurements(inventory: Inventory) -> dict[str, Any]:
    return {
        "workloads": [f"{workload.namespace}/{workload.name}" for workload in inventory.workloads],
        "groups": grouped(inventory.workloads),
        "problems": len(inventory.problems),
        "runtimes": len(inventory.runtimes),
        "graphs": len(inventory.graphs),
        "schedules": len(inventory.schedules),
        "not_read": dict(Counter(other.kind for other in inventory.not_read)),
    }
