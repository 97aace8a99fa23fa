"""Counts of a route by the router's own choice, as Prometheus has them from each proxy's statistics.

For routers whose access log is out of reach. What these statistics cannot tell is not made up (`BLIND_TO`):
with them errors alone can be guarded.
"""

from dataclasses import dataclass

from turnout.domain.counters import Reading, Tally
from turnout.domain.requests import Arm
from turnout.fabric.prometheus import Prometheus
from turnout.fabric.router.envoy_names import counted_as
from turnout.fabric.router.naming import check_attempt

SIGNALS = ("errors",)
"""Signals that can be guarded on these counts."""

BLIND_TO = (
    "slow requests and slow first tokens: Envoy's times come in buckets of its own, up to 5 s late",
    "requests in flight: one that hangs is told of when it ends, so errors are counted by their ends",
    "the weight at a request's start: a count belongs to the time between two scrapes",
    "diverted requests: the candidate was chosen, not armed and never tried; they look answered",
    "which request it was: nothing is counted twice, but nothing can be looked up either",
)
"""What these counts cannot tell."""

_COUNTED = ("completed", "retry", "retry_success")
_UP = "envoy_server_uptime"


@dataclass(frozen=True, slots=True)
class ArmTotals:
    """What the proxies counted for one arm since a tally was begun.

    Attributes:
        requests: Ended requests for which the route chose this arm, tries apart.
        errors: Those that ended with a 5xx, and those that were rescued.
        rescued: Those whose second try, on legacy, was answered well.
        tried_again: Those whose first try failed, rescued or not: a client's own error (400) among them.
    """

    requests: int
    errors: int
    rescued: int
    tried_again: int


def totals(tally: Tally, arm: Arm) -> ArmTotals:
    """One arm's totals."""

    def total(name: str) -> int:
        return round(tally.totals.get(f"{arm}.{name}", 0.0))

    return ArmTotals(
        requests=total("completed"),
        errors=total("5xx") + total("retry_success"),
        rescued=total("retry_success"),
        tried_again=total("retry"),
    )


def read(prometheus: Prometheus, model: str, attempt: str, *, at_seconds: float) -> tuple[Reading, ...]:
    """Read the counters of every proxy that Prometheus scrapes.

    Args:
        prometheus: It scrapes each proxy's `/stats/prometheus`.
        model: The model.
        attempt: Its attempt.
        at_seconds: Moment that is asked about, Unix time.

    Returns:
        A reading for each proxy whose last scrape did not fail, of the time of that scrape. None from a proxy
        says nothing about its requests: the caller holds (`Tally.heard_seconds`) until it is heard of again.

    Raises:
        UnreachableError: Prometheus does not answer.
        TemporaryError: It cannot answer now.
        InvalidInputError: It refuses the query or the token.
    """
    check_attempt(model, attempt)
    arms = {counted_as(arm, attempt): arm for arm in Arm}
    up = {one.labels["instance"]: one.value for one in prometheus.query(_UP, at_seconds=at_seconds)}
    scraped = prometheus.query(f"timestamp({_UP})", at_seconds=at_seconds)
    heard = {one.labels["instance"]: one.value for one in scraped}
    names = "|".join(f"envoy_vhost_route_upstream_rq_{name}" for name in (*_COUNTED, "xx"))
    chosen = f'envoy_virtual_host="{model}",envoy_route=~"{"|".join(arms)}"'
    counts: dict[str, dict[str, float]] = {instance: {} for instance in up.keys() & heard.keys()}
    for one in prometheus.query(f'{{__name__=~"{names}",{chosen}}}', at_seconds=at_seconds):
        name = one.labels["__name__"].removeprefix("envoy_vhost_route_upstream_rq_")
        if name == "xx":
            name = f"{one.labels['envoy_response_code_class']}xx"
        if one.labels["instance"] in counts:
            counts[one.labels["instance"]][f"{arms[one.labels['envoy_route']]}.{name}"] = one.value
    return tuple(
        Reading(instance, heard[instance] - up[instance], heard[instance], told)
        for instance, told in counts.items()
    )
