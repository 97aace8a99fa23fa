"""Package: convert the model where needed, prove it on the golden set, register it."""

from prefect import flow

from flows.pages import show
from tasks.package import package_model
from turnout.domain.evidence import Evidence


@flow(name="package", flow_run_name="package {attempt}", log_prints=True)
def package(model: str, attempt: str) -> Evidence:
    """Make and register the package that an attempt moves.

    Args:
        model: The model.
        attempt: The attempt, MODEL-N.
    """
    evidence = package_model(model, attempt)
    show(evidence)
    return evidence
