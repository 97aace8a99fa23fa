"""Rollback: all traffic to legacy, the attempt ended, its servers taken down."""

from prefect import flow

from flows.pages import show
from tasks.rollback import take_back, undeploy
from turnout.domain.evidence import Evidence


@flow(name="rollback", flow_run_name="rollback {attempt}", log_prints=True)
def rollback(model: str, attempt: str, reason: str, by: str = "a flow") -> Evidence:
    """Take an attempt back, whoever ended it, and clear away what it deployed.

    Args:
        model: The model.
        attempt: The attempt, MODEL-N.
        reason: Why, for the record.
        by: On whose word.
    """
    evidence = take_back(model, attempt, reason, by)
    undeploy(model, attempt)
    show(evidence)
    return evidence
