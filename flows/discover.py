"""Discover: read the legacy estate."""

from prefect import flow

from flows.pages import show
from tasks.discover import discover_estate
from turnout.domain.evidence import Evidence


@flow(name="discover", flow_run_name="discover", log_prints=True)
def discover() -> Evidence:
    """Read every workload of the estate and keep the inventory."""
    evidence = discover_estate()
    show(evidence)
    return evidence
