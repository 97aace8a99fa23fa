"""Rollback: all traffic to legacy, the attempt ended, its servers taken down."""

from prefect import flow

from flows.pages import show
from tasks.aliases import take_package_back
from tasks.rollback import take_back, undeploy
from turnout.domain.errors import TemporaryError
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
    clear_away(model, attempt)
    show(evidence)
    return evidence


def clear_away(model: str, attempt: str) -> None:
    """Take down what an attempt had deployed, and let the registry's aliases say so."""
    undeploy(model, attempt)
    try:
        take_package_back(model, attempt)
    except TemporaryError as error:  # what serves is the router's word; the aliases only tell of it
        print(f"the registry's aliases were not moved back: {error}")  # noqa: T201 -- Prefect logs it
