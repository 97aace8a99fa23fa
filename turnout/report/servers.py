"""What the shadow test measured of both arms' servers, side by side: what they carry, and what they take."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from turnout.domain.evidence import Phase
from turnout.report.facts import AttemptFacts


class ServerFigures(BaseModel):
    """One arm's server; None where it was not measured.

    Attributes:
        throughput_at_bound_per_second: Good answers a second while 95 % came within the contract's
            `slow_seconds`, open loop; only where the owner lets the servers be loaded.
        at_least: That was the owner's ceiling: it may carry more.
        bound_seconds: The bound.
        cpu_cores: Cores in use while the outputs were compared; legacy's clients' requests among it.
        memory_mib: Resident memory at its end.
    """

    model_config = ConfigDict(frozen=True)

    throughput_at_bound_per_second: float | None = None
    at_least: bool = False
    bound_seconds: float | None = None
    cpu_cores: float | None = None
    memory_mib: float | None = None


def measured(attempt: AttemptFacts, arm: str) -> ServerFigures:
    """What the newest shadow test of an attempt tells of an arm: `legacy` or `candidate`."""
    tests = [e for e in attempt.evidence if e.phase is Phase.SHADOW]
    if not tests:
        return ServerFigures()
    load, taken = (_part(tests[-1].measurements, name, arm) for name in ("load", "resources"))
    seconds, cpu = taken.get("seconds"), taken.get("cpu_seconds")
    return ServerFigures(
        throughput_at_bound_per_second=load.get("per_second"),
        at_least=bool(load.get("at_least")),
        bound_seconds=load.get("bound_seconds"),
        cpu_cores=cpu / seconds if cpu is not None and seconds else None,
        memory_mib=taken.get("rss_mib"),
    )


def _part(measurements: dict[str, Any], name: str, arm: str) -> dict[str, Any]:
    found = (measurements.get(name) or {}).get(arm)
    return found if isinstance(found, dict) else {}
