"""The main job in the lab: three models move under live traffic, each with its own story; then the report.

A full portfolio goes on from there: its other models move in the waves of the plan, one flow starts them all.

`make demo` runs it. Everything goes through the doors that a user has: Prefect's runs, the gates' forms, the
router's own state. Only the faults are the lab's.
"""

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from turnout.domain.attempt import End, Outcome
from turnout.domain.errors import PermanentError
from turnout.domain.route import Route
from turnout.fabric.state import State
from turnout.lab import down, estate, faults, traffic, up
from turnout.lab.estate import LegacyModel, Portfolio
from turnout.lab.stories import STORIES, Chapter

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State as RunState  # read when the lab's settings are there

LONGEST_SECONDS = 1500.0
LONGEST_WITH_A_PERSON_SECONDS = 6 * 3600.0
LAST_TRAFFIC_SECONDS = 10.0
SAY_EVERY_SECONDS = 15.0
LOOK_EVERY_SECONDS = 1.0
PACE_AFTERWARDS = 0.2
"""Of what they were called before, while the rest of a portfolio moves: two cores bear no more."""
FAULT_AFTER_SECONDS = 6.0
"""In the middle of the canary's step, not at its edge."""


@dataclass
class _Story:
    """Where a model's story stands."""

    model: str
    chapters: tuple[Chapter, ...]
    run: UUID
    chapter: int = 0
    weight: float = 0.0
    weight_since: float = 0.0
    faulted: bool = False
    doing: str = ""
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def attempt(self) -> str:
        return f"{self.model}-{self.chapter + 1}"

    @property
    def now(self) -> Chapter:
        return self.chapters[self.chapter]

    @property
    def done(self) -> bool:
        return len(self.outcomes) == len(self.chapters)


def run(
    state: Path,
    gates: str = "lab",
    rate: float = 20.0,
    *,
    portfolio: Portfolio = Portfolio.QUICK,
    keep: bool = False,
) -> int:
    """Run the demo from nothing to the report.

    Args:
        state: The state directory.
        gates: "lab": the lab's owners answer; "me": a person answers in the UI.
        rate: Requests a second and model.
        portfolio: Which models.
        keep: Leave the lab running afterwards.

    Returns:
        0 when every story ended as it has to and no client request failed, else 1.
    """
    started = time.time()
    try:
        up.up(state, rate=rate, portfolio=portfolio)
        demo = _Demo(state, gates, started)
        demo.play()
        return demo.conclude()
    finally:
        if not keep:
            down.down(state)


class _Demo:
    """One run of the demo."""

    def __init__(self, state: Path, gates: str, started: float) -> None:
        settings_file = State(state).root / "turnout.yaml"
        os.environ["TURNOUT_SETTINGS"] = str(settings_file)
        from turnout.settings import load  # noqa: PLC0415 -- after the lab has written it

        self._settings = load(settings_file)
        os.environ["PREFECT_API_URL"] = self._settings.prefect_api
        from turnout.lab.desk import Desk  # noqa: PLC0415 -- Prefect reads its settings when imported
        from turnout.wiring import migrating  # noqa: PLC0415

        self._wiring = migrating.Wiring(self._settings)
        for owner in self._wiring.owners.all():
            self._wiring.owners.enrol(owner)
        self._desk = Desk(
            self._wiring.owners, self._wiring.attempts, ui=self._settings.prefect_ui, say=self._say
        )
        self._person, self._started, self._said = gates == "me", started, 0.0
        self._stories: list[_Story] = []

    def play(self) -> None:
        """Start every story and see it through to its end."""
        with self._desk:
            self._play()
            if others := [m for m in estate.laid_out(self._wiring.state) if m.name not in STORIES]:
                self._move_in_waves(others)

    def _play(self) -> None:
        for model, chapters in STORIES.items():
            self._prepare(f"{model}-1", chapters[0])
            self._stories.append(_Story(model, chapters, self._desk.start(model)))
        self._say(f"three migrations started; watch them at {self._settings.prefect_ui}")
        self._see_through()

    def _move_in_waves(self, models: list[LegacyModel]) -> None:
        self._call_the_moved_less()
        # Who is called seldom takes longest to know, and begins first.
        names = [m.name for m in sorted(models, key=lambda one: one.pace)]
        run = self._desk.start_waves(names)
        self._stories += [_Story(name, (Chapter(Outcome.CUT_OVER),), run) for name in names]
        self._say(f"the rest of the portfolio moves in the waves of the plan: {', '.join(names)}")
        self._see_through()

    def _call_the_moved_less(self) -> None:
        state, moved = self._wiring.state, {story.model for story in self._stories if story.done}
        paces = {model.name: model.pace for model in estate.laid_out(state)}
        traffic.pace(state, paces | {model: paces[model] * PACE_AFTERWARDS for model in moved})

    def _see_through(self) -> None:
        longest = LONGEST_WITH_A_PERSON_SECONDS if self._person else LONGEST_SECONDS
        deadline = time.monotonic() + longest
        while not all(story.done for story in self._stories):
            if time.monotonic() > deadline:
                raise PermanentError(
                    "demo",
                    observed=f"not ended: {[s.attempt for s in self._stories if not s.done]}",
                    limit=f"an end within {longest:.0f} s",
                    remedy=f"Read {self._wiring.state.log('prefect-worker')} and Prefect's pages.",
                )
            self._look()
            self._heartbeat()
            time.sleep(LOOK_EVERY_SECONDS)

    def _look(self) -> None:
        """One look at every story; a run that several of them share is read once."""
        going = [story for story in self._stories if not story.done]
        states = {run: self._desk.read(run).state for run in {story.run for story in going}}
        for story in going:
            self._tick(story, states[story.run])

    def conclude(self) -> int:
        """Let the traffic run on a little, stop the client, write the report and judge the whole."""
        self._say(f"all stories have ended; {LAST_TRAFFIC_SECONDS:.0f} s more of traffic")
        time.sleep(LAST_TRAFFIC_SECONDS)
        self._wiring.servers.stop("client")
        from turnout.report.writing import write  # noqa: PLC0415 -- plots load slowly

        page, summary = write(
            self._settings, wall_seconds=time.time() - self._started, evidence=self._wiring.evidence
        )
        failures = json.loads(summary.read_text())["client"]["failures"]
        wrong = [
            f"{story.model}: {[str(o) for o in story.outcomes]}"
            for story in self._stories
            if story.outcomes != [chapter.expected for chapter in story.chapters]
        ]
        for line in wrong:
            self._say(f"NOT AS IT SHOULD BE: {line}")
        click.echo(f"client failures: {failures}\n{page}\n{summary}")
        return 1 if wrong or failures else 0

    def _prepare(self, attempt: str, chapter: Chapter) -> None:
        if chapter.fault and chapter.at_weight == 0:
            faults.put(self._settings.state, attempt, chapter.fault, **dict(chapter.parameters))

    def _tick(self, story: _Story, state: "RunState | None") -> None:
        route = self._wiring.router.read(story.model)
        self._follow(story, route)
        self._fault(story, route)
        end = self._wiring.attempts.ended(story.attempt)
        if end is not None:
            self._end(story, end, state)
        elif state and state.is_final() and not state.is_crashed():
            raise PermanentError(  # a crashed run is started again by Prefect's automation
                f"run of {story.attempt}",
                observed=f"{state.name}: {state.message}",
                limit="a run that brings its attempt to an end",
                remedy=f"Read {self._wiring.state.log('prefect-worker')}.",
            )
        elif ask := self._desk.waiting(story.attempt):
            if self._person:
                self._desk.show(ask)
            else:
                self._desk.answer(ask)

    def _follow(self, story: _Story, route: Route) -> None:
        if route.weight != story.weight:
            self._say(f"{story.attempt}: candidate's weight {story.weight:.0%} -> {route.weight:.0%}")
            story.weight, story.weight_since = route.weight, time.monotonic()
        progress = self._wiring.attempts.progress(story.attempt)
        if progress and progress.doing != story.doing:
            story.doing = progress.doing
            self._say(f"{story.attempt}: {story.doing}")

    def _fault(self, story: _Story, route: Route) -> None:
        fault, at = story.now.fault, story.now.at_weight
        if fault is None or story.faulted or at == 0 or route.weight < at:
            return
        if time.monotonic() - story.weight_since < FAULT_AFTER_SECONDS:
            return
        faults.put(self._settings.state, story.attempt, fault, **dict(story.now.parameters))
        story.faulted = True
        self._say(
            f"{story.attempt}: the lab makes the candidate go wrong: {fault} {dict(story.now.parameters)}"
        )

    def _end(self, story: _Story, end: End, state: "RunState | None") -> None:
        self._say(f"{story.attempt}: {end.outcome} (by {end.by}: {end.reason})")
        story.outcomes.append(end.outcome)
        if story.done:
            if story.model not in STORIES:
                self._call_the_moved_less()
            return
        if state is None or not state.is_final():  # the run still clears away; the next attempt waits for it
            story.outcomes.pop()
            return
        story.chapter += 1
        story.weight, story.faulted = 0.0, False
        self._prepare(story.attempt, story.now)
        story.run = self._desk.start(story.model, again=True)
        self._say(f"{story.attempt}: a new attempt is started")

    def _heartbeat(self) -> None:
        if time.monotonic() - self._said < SAY_EVERY_SECONDS:
            return
        doing = ", ".join(
            f"{s.attempt} {s.doing or 'waits for a worker'}" for s in self._stories if not s.done
        )
        self._say(f"... {doing}")

    def _say(self, line: str) -> None:
        self._said = time.monotonic()
        click.echo(f"[{time.time() - self._started:4.0f} s] {line}")
