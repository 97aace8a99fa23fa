"""What the kept plan says, as the flows and tasks obey it."""

from turnout.domain.errors import NotFoundError, RefusedError
from turnout.domain.plan import Plan, PlanLine
from turnout.fabric.state import State


def kept(state: State) -> Plan | None:
    """The plan that was kept last, or None."""
    file = state.work / "plan.json"
    return Plan.model_validate_json(file.read_bytes()) if file.is_file() else None


def unblocked(state: State, model: str) -> PlanLine:
    """The plan's line of a model that nothing stands in the way of.

    Raises:
        NotFoundError: There is no plan, or the model is not in it.
        RefusedError: Something has to be settled first.
    """
    line = _plan(state).line(model)
    if line is None:
        raise NotFoundError(
            f"plan of {model}",
            observed="nothing kept",
            limit="the model in the plan",
            remedy="Run discover and plan.",
        )
    if line.blockers:
        raise RefusedError(
            f"migration of {model}",
            observed="; ".join(f"{blocker.kind}: {blocker.what}" for blocker in line.blockers),
            limit="a plan without blockers",
            remedy="Settle them, then run discover and plan again.",
        )
    return line


def waves(state: State, models: list[str] | None) -> dict[int, list[str]]:
    """Return the models to move by wave, in order; where there are names, only those and in that order.

    Raises:
        NotFoundError: There is no plan.
    """
    found: dict[int, list[str]] = {}
    for line in _plan(state).lines:
        if not line.blockers and (models is None or line.model in models):
            found.setdefault(line.wave, []).append(line.model)
    if models is not None:
        for wave in found.values():
            wave.sort(key=models.index)
    return dict(sorted(found.items()))


def _plan(state: State) -> Plan:
    plan = kept(state)
    if plan is None:
        raise NotFoundError("plan", observed="nothing kept", limit="a plan", remedy="Run discover and plan.")
    return plan
