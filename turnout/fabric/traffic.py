"""What Prometheus knows of an estate: one query a figure and serving stack, whatever the estate's size."""

import time
from collections.abc import Sequence

from turnout.domain.inventory import Inventory
from turnout.domain.serving_stacks import metrics, queries
from turnout.domain.traffic import Answer, observed
from turnout.domain.workload import Workload
from turnout.fabric.prometheus import Prometheus
from turnout.settings import Settings

WEEK_SECONDS = 7 * 86_400
"""The default window: it holds the week's own ups and downs once."""


def observe(
    workloads: Sequence[Workload],
    prometheus: Prometheus,
    *,
    window_seconds: int = WEEK_SECONDS,
    at_seconds: float | None = None,
) -> tuple[Workload, ...]:
    """Fill in traffic, latency, errors and utilisation.

    Args:
        workloads: The estate.
        prometheus: Where its metrics are.
        window_seconds: Length of time to look back.
        at_seconds: Unix time that the window ends at; None: now.

    Returns:
        The workloads in their order; what Prometheus does not know of one stays unknown.

    Raises:
        UnreachableError: Prometheus does not answer.
        TemporaryError: It cannot answer all of it now.
        InvalidInputError: It refuses, or is no Prometheus.
    """
    end = time.time() if at_seconds is None else at_seconds
    there = prometheus.there(metrics(), start_seconds=end - window_seconds, end_seconds=end)
    answers = [
        Answer(query, prometheus.query(query.promql, at_seconds=end))
        for query in queries(there, window_seconds)
    ]
    return observed(workloads, answers, window_seconds=window_seconds)


def with_traffic(inventory: Inventory, settings: Settings) -> Inventory:
    """The inventory with what the settings' Prometheus knows of it; as it is where there is none."""
    if not settings.prometheus:
        return inventory
    prometheus = Prometheus(settings.prometheus, settings.prometheus_token_file)
    return inventory.model_copy(update={"workloads": observe(inventory.workloads, prometheus)})
