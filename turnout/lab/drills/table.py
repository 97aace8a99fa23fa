"""The drills' results as the table in the documentation. Pure."""

from collections.abc import Iterable
from itertools import groupby

from turnout.domain.errors import NotFoundError
from turnout.lab.drills.drill import STAGES
from turnout.lab.drills.observed import Observation, Result

BEGIN, END = "<!-- drills: begin -->", "<!-- drills: end -->"
_HEAD = (
    "| what happens | phases | requests | failed | no server, at most | back on legacy | how it ended |",
    "|---|---|---|---|---|---|---|",
)
_WORDS = {
    "kill": "{target}: killed (-9)",
    "pause": "{target}: stopped (SIGSTOP) for {seconds}, then continued",
    "hot restart": "{target}: replaced (hot restart)",
    "clock forward": "{target}: its clock jumps an hour forward, then back",
    "clock back": "{target}: its clock jumps an hour back, then forward",
    "full": "{target}: full for {seconds}",
    "hanging": "{target} hangs",
    "slow": "{target} answers slowly",
    "nonsense": "{target} answers 200 with nonsense",
    "leaking": "{target} leaks memory until the kernel kills it",
}


def rendered(results: Iterable[Result]) -> str:
    """One row a fault and target, over all phases and models."""
    seen = sorted((one.seen for one in results), key=_key)
    rows = [_row(list(group)) for _, group in groupby(seen, key=_key)]
    return "\n".join((*_HEAD, *rows))


def inserted(page: str, table: str) -> str:
    """The page with the table between its markers.

    Raises:
        NotFoundError: It has no markers.
    """
    if BEGIN not in page or END not in page:
        raise NotFoundError("page", observed="no markers", limit=f"{BEGIN} and {END}", remedy="Put them in.")
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}"


def _key(seen: Observation) -> tuple[str, str]:
    return seen.target, seen.fault


def _row(seen: list[Observation]) -> str:
    first = seen[0]
    longest = max((one.fault_seconds or 0.0 for one in seen), default=0.0)
    words = _WORDS[first.fault].format(target=f"`{first.target}`", seconds=f"{longest:.0f} s")
    stages = [stage.value for stage in STAGES if stage in {one.stage for one in seen}]
    outages = [one.outage[1] - one.outage[0] for one in seen if one.outage]
    cells = (
        words,
        ", ".join(stages),
        f"{sum(one.requests for one in seen):,}",
        f"{sum(len(one.failures) for one in seen):,}",
        f"{max(outages):.1f} s" if outages else "-",
        _back(seen),
        _ends(seen),
    )
    return f"| {' | '.join(cells)} |"


def _back(seen: list[Observation]) -> str:
    """After how many seconds the route was back on legacy, or the candidate silent, where that happened."""
    silent = [o.candidate_last_seconds or 0.0 for o in seen if o.lease_seconds is not None]
    gone = [r.after_seconds for o in seen for r in o.route[1:] if r.attempt is None][:99]
    if silent:
        return f"no request to the candidate after {max(silent):.1f} s"
    return f"{min(gone):.0f} to {max(gone):.0f} s" if gone else "-"


def _ends(seen: list[Observation]) -> str:
    count: dict[str, int] = {}
    for one in seen:
        name = str(one.outcome or "no end").replace("_", " ")
        count[name] = count.get(name, 0) + 1
    again = sum(one.starts > 1 for one in seen)
    words = [f"{number} {name}" for name, number in sorted(count.items(), key=lambda pair: -pair[1])]
    return ", ".join(words) + (f" ({again} after a restart)" if again else "")
