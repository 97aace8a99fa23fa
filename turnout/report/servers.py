"""What the shadow test measured of both arms' servers, side by side: what they carry, and what they take."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from turnout.domain.evidence import Phase
from turnout.report.facts import AttemptFacts
from turnout.report.interval import Interval


class GenerationFigures(BaseModel):
    """How a generating model served, streamed and open loop; None where it was not measured.

    Attributes:
        rate_per_second: Requests that were sent a second.
        requests: How many.
        failed: Of them, those without a whole answer.
        first_token_seconds: Time to first token by quantile, from when a request was due.
        between_tokens_seconds: Time between tokens by quantile.
        tokens_out_per_second: Tokens generated a second, over the window.
        goodput_per_second: Requests a second that met `bounds`.
        bounds: First token and time between tokens of a good request, in seconds; None: any.
        usd_per_million_tokens_in: The window's whole cost over the tokens asked with.
        usd_per_million_tokens_out: The same over the tokens generated; None: no price, or not counted.
        price: What the cost was reckoned by.
    """

    model_config = ConfigDict(frozen=True)

    rate_per_second: float | None = None
    requests: int = 0
    failed: int = 0
    first_token_seconds: dict[str, Interval] = {}
    between_tokens_seconds: dict[str, Interval] = {}
    tokens_out_per_second: float | None = None
    goodput_per_second: float | None = None
    bounds: dict[str, float | None] = {}
    usd_per_million_tokens_in: float | None = None
    usd_per_million_tokens_out: float | None = None
    price: str = ""


class ServerFigures(BaseModel):
    """One arm's server; None where it was not measured.

    Attributes:
        throughput_at_bound_per_second: Good answers a second while 95 % came within the contract's
            `slow_seconds`, open loop; only where the owner lets the servers be loaded.
        at_least: That was the owner's ceiling: it may carry more.
        bound_seconds: The bound.
        cpu_cores: Cores in use while the outputs were compared; legacy's clients' requests among it.
        memory_mib: Resident memory at its end.
        generation: How it generates; only where the owner lets the servers be loaded.
        task_score: Share of the owner's prompts that it answers well; only where the contract has a task.
    """

    model_config = ConfigDict(frozen=True)

    throughput_at_bound_per_second: float | None = None
    at_least: bool = False
    bound_seconds: float | None = None
    cpu_cores: float | None = None
    memory_mib: float | None = None
    generation: GenerationFigures | None = None
    task_score: Interval = Interval()


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
        generation=_generation(_part(tests[-1].measurements, "generation", arm)),
        task_score=Interval(**_part(tests[-1].measurements, "task", arm)),
    )


def _generation(found: dict[str, Any]) -> GenerationFigures | None:
    if not found:
        return None
    cost = found["cost"]
    return GenerationFigures(
        rate_per_second=found["rate_per_second"],
        requests=found["requests"],
        failed=found["failed"],
        first_token_seconds=found["time_to_first_token_seconds"],
        between_tokens_seconds=found["time_between_tokens_seconds"],
        tokens_out_per_second=found["tokens_per_second"]["out"],
        goodput_per_second=found["goodput_per_second"],
        bounds=found["bounds"],
        usd_per_million_tokens_in=cost["usd_per_million_tokens_in"],
        usd_per_million_tokens_out=cost["usd_per_million_tokens_out"],
        price=cost["assumes"],
    )


def _part(measurements: dict[str, Any], name: str, arm: str) -> dict[str, Any]:
    found = (measurements.get(name) or {}).get(arm)
    return found if isinstance(found, dict) else {}
