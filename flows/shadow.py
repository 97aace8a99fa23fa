"""Shadow: compare the candidate's answers with legacy's, off the request path."""

from prefect import flow

from flows.pages import show
from tasks.shadow import shadow_test
from turnout.domain.evidence import Evidence


@flow(name="shadow", flow_run_name="shadow {attempt}", log_prints=True)
def shadow(model: str, attempt: str) -> Evidence:
    """Compare until the candidate is shown to be the same within the contract, or not.

    Args:
        model: The model.
        attempt: The attempt, MODEL-N.
    """
    evidence = shadow_test(model, attempt)
    show(evidence)
    return evidence
