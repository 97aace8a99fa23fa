"""What changed from one plan to the next, so that a scheduled plan tells only what is new."""

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from turnout.domain.plan import Plan, PlanLine

Key = tuple[str, str]


class Change(BaseModel):
    """One change.

    Attributes:
        model: `namespace/name`.
        what: new, gone, runtime, bridge, pool, replicas, wave, price, risk, blocked, settled.
        before: As the last plan had it; None: it was not there.
        after: As it is now; None: it is no longer there.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    what: str
    before: str | None = None
    after: str | None = None

    def words(self) -> str:
        """The change in one line."""
        if self.before is None or self.after is None:
            return f"{self.model}: {self.what}" + (
                f": {self.before or self.after}" if self.before or self.after else ""
            )
        return f"{self.model}: {self.what} {self.before} -> {self.after}"


def changes(before: Plan, after: Plan) -> tuple[Change, ...]:
    """Compare two plans, by namespace and name; prices within a thousandth of a dollar are the same."""
    old, new = _by_key(before), _by_key(after)
    found = [_gone(old[key]) for key in sorted(old.keys() - new.keys())]
    found += [_new(new[key]) for key in sorted(new.keys() - old.keys())]
    for key in sorted(old.keys() & new.keys()):
        if old[key].digest != new[key].digest:
            found.extend(_between(old[key], new[key]))
    return tuple(found)


def _by_key(plan: Plan) -> dict[Key, PlanLine]:
    return {(line.namespace, line.model): line for line in plan.lines}


def _new(line: PlanLine) -> Change:
    facts = _facts(line)
    return Change(
        model=line.name, what="new", after=f"{facts['runtime']} on {facts['pool']}, wave {line.wave}"
    )


def _gone(line: PlanLine) -> Change:
    return Change(model=line.name, what="gone", before=f"was in wave {line.wave}")


def _between(old: PlanLine, new: PlanLine) -> Iterator[Change]:
    before, after = _facts(old), _facts(new)
    for what, was in before.items():
        if was != after[what]:
            yield Change(model=new.name, what=what, before=was, after=after[what])
    was_blocked, is_blocked = ({b.kind: b.what for b in line.blockers} for line in (old, new))
    for kind in is_blocked.keys() - was_blocked.keys():
        yield Change(model=new.name, what="blocked", after=f"{kind}: {is_blocked[kind]}")
    for kind in was_blocked.keys() - is_blocked.keys():
        yield Change(model=new.name, what="settled", before=f"{kind}: {was_blocked[kind]}")


def _facts(line: PlanLine) -> dict[str, str]:
    best = line.placement.best if line.placement else None
    price = best.price_per_hour_usd if best else None
    return {
        "runtime": str(line.runtime or "nowhere"),
        "bridge": str(line.bridge or "none"),
        "pool": best.pool if best else "none",
        "wave": str(line.wave) + (f" ({line.day})" if line.day else ""),
        "price": "unknown" if price is None else f"{price:.3f} USD/hour",
        "risk": str(line.risk),
    }
