"""Cutover: give the candidate its full share."""

from prefect import flow

from flows.pages import show
from tasks.aliases import promote
from tasks.cutover import cut_over
from turnout.domain.errors import TemporaryError
from turnout.domain.evidence import Evidence, Verdict


@flow(name="cutover", flow_run_name="cutover {attempt}", log_prints=True)
def cutover(model: str, attempt: str) -> Evidence:
    """Give an approved candidate its full share; legacy keeps the control share and stays warm.

    Args:
        model: The model.
        attempt: The attempt, MODEL-N.

    Raises:
        RefusedError: Nobody approved it; started alone, this phase gets nowhere.
    """
    evidence = cut_over(model, attempt)
    if evidence.verdict is Verdict.PASS:
        try:
            promote(model, attempt)
        except TemporaryError as error:  # what serves is the router's word; the aliases only tell of it
            print(f"the registry's aliases were not moved: {error}")  # noqa: T201 -- Prefect logs it
    show(evidence)
    return evidence
