"""A plan as Markdown: for a run's page, a pull request, a ticket."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from turnout.domain.plan import Plan, PlanLine
from turnout.domain.plan_changes import Change

_MOST = 200
"""Lines of a table at most: pages that show Markdown have limits of their own."""


def markdown(plan: Plan, changes: Sequence[Change] | None = None) -> str:
    """Write a plan.

    Args:
        plan: The plan.
        changes: What changed since the last one; None: there was none.
    """
    parts = [
        f"# Migration plan\n\n{len(plan.lines)} models, {_ready(plan)} may start. {plan.statement}",
        *([] if changes is None else [_changes(changes)]),
        *_waves(plan),
        _questions(plan),
        _unread(plan),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _ready(plan: Plan) -> int:
    return sum(not line.blockers for line in plan.lines)


def _changes(changes: Sequence[Change]) -> str:
    told = "\n".join(f"- {_plain(change.words())}" for change in changes[:_MOST]) or "Nothing."
    return f"## Changed since the last plan\n\n{told}{_more(changes)}"


def _waves(plan: Plan) -> Iterator[str]:
    head = "| model | from | to | pool | USD/hour | risk | waits for |\n|---|---|---|---|---|---|---|"
    for number, found in groupby(plan.lines, key=lambda line: line.wave):
        lines = list(found)
        day = f", {lines[0].day}" if lines[0].day else ""
        rows = "\n".join(_row(line) for line in lines[:_MOST])
        yield f"## Wave {number}{day}\n\n{head}\n{rows}{_more(lines)}"


def _row(line: PlanLine) -> str:
    best = line.placement.best if line.placement else None
    price = best.price_per_hour_usd if best else None
    cells = (
        line.name,
        line.framework,
        f"{line.runtime or 'nowhere'}{' + bridge' if line.bridge else ''}",
        best.pool if best else "none",
        "unknown" if best and price is None else f"{price:.3f}" if price is not None else "",
        str(line.risk),
        ", ".join(blocker.kind.replace("_", " ") for blocker in line.blockers),
    )
    return f"| {' | '.join(map(_plain, cells))} |"


def _questions(plan: Plan) -> str:
    asked = [
        f"- **{_plain(line.name)}** ({_plain(line.owner or 'owner unknown')}): {blocker.question} "
        f"({_plain(blocker.what)})"
        for line in plan.lines
        for blocker in line.blockers
    ]
    return f"## Questions\n\n{chr(10).join(asked[:_MOST])}{_more(asked)}" if asked else ""


def _unread(plan: Plan) -> str:
    if not plan.unread:
        return ""
    lines = "\n".join(f"- {_plain(one)}" for one in plan.unread[:_MOST])
    return f"## Not read, and so in no wave\n\n{lines}{_more(plan.unread)}"


def _more(rows: Sequence[object]) -> str:
    return f"\n\nand {len(rows) - _MOST} more." if len(rows) > _MOST else ""


def _plain(text: str) -> str:
    """Text from manifests, which must not become markup."""
    escaped = "".join(f"\\{sign}" if sign in "\\`*_[]<>|#" else sign for sign in text)
    return " ".join(escaped.split())
