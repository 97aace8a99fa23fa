"""`plan.html`: the waves, how the pools fill up, what has to be answered and what changed; one file."""

import datetime as dt
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from turnout.domain.calendar import Calendar
from turnout.domain.plan import Plan, PlanLine
from turnout.domain.plan_changes import Change
from turnout.domain.pools import Pool
from turnout.domain.room import Room
from turnout.report.inventory_page import MOST
from turnout.report.templates import page

_NAMES = 12
"""Models of a wave that are named."""


@dataclass(frozen=True, slots=True)
class WaveRow:
    """One wave."""

    number: int
    day: str | None
    count: int
    ready_share: float
    blocked_share: float
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A wave on the line of days; `left` in [0, 1]."""

    number: int
    day: str
    count: int
    left: float


@dataclass(frozen=True, slots=True)
class Frozen:
    """A freeze on the line of days; `left` and `width` in [0, 1]."""

    who: str
    words: str
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Days:
    """The line of days, from the first wave to the last."""

    first: str
    last: str
    marks: tuple[Mark, ...]
    freezes: tuple[Frozen, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """What one wave adds to a pool: nodes in use after it, and the share of the pool that it takes."""

    wave: int
    nodes: int
    share: float


@dataclass(frozen=True, slots=True)
class PoolRow:
    """One pool and what each wave takes of it."""

    name: str
    accelerator: str | None
    nodes: int
    price: float | None
    parts: tuple[Part, ...]
    full: float
    scarcest: str


@dataclass(frozen=True, slots=True)
class Question:
    """One question to one owner, and the models that wait for the answer."""

    owner: str
    kind: str
    question: str
    models: tuple[str, ...]


def render(
    plan: Plan,
    pools: Sequence[Pool],
    *,
    calendar: Calendar = Calendar(),  # noqa: B008 -- frozen
    changes: Sequence[Change] | None = None,
) -> str:
    """Make the page.

    Args:
        plan: The plan.
        pools: The pools that it was made for.
        calendar: Its calendar, for the freezes.
        changes: What changed since the last plan; None: there was none.
    """
    wave_rows = _waves(plan)
    return page(
        "plan.html.j2",
        plan=plan,
        ready=sum(not line.blockers for line in plan.lines),
        waves=wave_rows,
        wave_numbers=[row.number for row in wave_rows],
        days=_days(plan, calendar, wave_rows),
        pools=_pools(plan.room, pools),
        questions=questions(plan),
        changes=changes,
        price=plan.price_words,
        prices=[_price(line) for line in plan.lines[:MOST]],
        most=MOST,
        taken_seconds=time.time(),
    )


def questions(plan: Plan) -> list[Question]:
    """What has to be answered, by owner and question, most models first."""
    asked: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for line in plan.lines:
        for blocker in line.blockers:
            asked[line.owner or "nobody known", blocker.kind, blocker.question].append(line.name)
    made = [Question(*key, tuple(models)) for key, models in asked.items()]
    return sorted(made, key=lambda one: (-len(one.models), one.owner, one.kind))


def _waves(plan: Plan) -> list[WaveRow]:
    by_wave: dict[int, list[PlanLine]] = defaultdict(list)
    for line in plan.lines:
        by_wave[line.wave].append(line)
    largest = max(map(len, by_wave.values()), default=1)
    return [_wave(number, lines, largest) for number, lines in sorted(by_wave.items())]


def _wave(number: int, lines: Sequence[PlanLine], largest: int) -> WaveRow:
    ready = sum(not line.blockers for line in lines)
    return WaveRow(
        number=number,
        day=str(lines[0].day) if lines[0].day else None,
        count=len(lines),
        ready_share=ready / largest,
        blocked_share=(len(lines) - ready) / largest,
        names=tuple(line.model for line in lines[:_NAMES]),
    )


def _pools(room: Sequence[Room], pools: Sequence[Pool]) -> list[PoolRow]:
    return [_pool(pool, [one for one in room if one.pool == pool.name]) for pool in pools]


def _pool(pool: Pool, room: list[Room]) -> PoolRow:
    room.sort(key=lambda one: one.wave)
    before = [0.0, *(one.share for one in room)]
    parts = tuple(
        Part(one.wave, one.nodes, max(one.share - was, 0.0))
        for one, was in zip(room, before, strict=False)
        if one.share > was
    )
    full, scarcest = (room[-1].share, room[-1].scarcest) if room else (0.0, "")
    return PoolRow(pool.name, pool.accelerator, pool.nodes, pool.price_per_hour_usd, parts, full, scarcest)


def _days(plan: Plan, calendar: Calendar, waves: Sequence[WaveRow]) -> Days | None:
    """The waves and the freezes on one line of days; None where waves have no days."""
    known = {line.wave: line.day for line in plan.lines if line.day}
    if not known:
        return None
    first, last = min(known.values()), max(known.values()) + dt.timedelta(days=1)
    length = (last - first).days
    counts = {row.number: row.count for row in waves}
    marks = tuple(
        Mark(number, str(day), counts[number], (day - first).days / length)
        for number, day in sorted(known.items())
    )
    all_freezes = [("everybody", one) for one in calendar.freezes]
    all_freezes += [(owner, one) for owner, them in calendar.owners.items() for one in them]
    rows = tuple(
        Frozen(
            who,
            one.words(),
            max((one.first - first).days, 0) / length,
            (min(one.last, last) - max(one.first, first)).days / length,
        )
        for who, one in all_freezes
        if one.last >= first and one.first <= last
    )
    return Days(str(first), str(last), marks, rows)


def _price(line: PlanLine) -> str:
    best = line.placement.best if line.placement else None
    if best is None:
        return "-"
    return "unknown" if best.price_per_hour_usd is None else f"{best.price_per_hour_usd:,.3f}"
