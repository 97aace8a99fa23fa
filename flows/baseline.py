"""Baseline: measure the legacy model."""

from prefect import flow

from flows.pages import show
from tasks.baseline import measure_baseline
from turnout.domain.evidence import Evidence


@flow(name="baseline", flow_run_name="baseline {model}", log_prints=True)
def baseline(model: str) -> Evidence:
    """Measure a legacy model from what production shows, and keep its golden set.

    Args:
        model: The model.
    """
    evidence = measure_baseline(model)
    show(evidence)
    return evidence
