"""Deploy: bring the candidate up and make it known to the router, at weight 0."""

from prefect import flow

from flows.pages import show
from tasks.deploy import deploy_candidate
from turnout.domain.evidence import Evidence


@flow(name="deploy", flow_run_name="deploy {attempt}", log_prints=True)
def deploy(model: str, attempt: str) -> Evidence:
    """Deploy an attempt's package until a real inference answers.

    Args:
        model: The model.
        attempt: The attempt, MODEL-N.
    """
    evidence = deploy_candidate(model, attempt)
    show(evidence)
    return evidence
