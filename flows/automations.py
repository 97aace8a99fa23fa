"""Automations of Prefect's server that start a crashed migration again, without a person, within two minutes.

`python -m flows.automations` registers them; repeating it changes nothing. They run in the server, so they
need neither worker nor flow:

1. A run that stops beating (`PREFECT_FLOWS_HEARTBEAT_FREQUENCY`, 30 s at least) is Crashed. A worker that
   lives says so at once; this is for the case that it was killed too.
2. A run that was handed to a worker and never began is Crashed.
3. A Crashed migration is scheduled again: the same run, so that its page and its answers stay. It goes on
   from the evidence, the route and the recorded answers. Bounded by the run's own count of starts; one that
   cannot even be loaded is left to a person.

Only the last one looks at Crashed: on SQLite, two automations that write about one event lock each other out,
and Prefect then puts the event aside for a quarter of an hour.

A heartbeat that is late on an overloaded machine may crash a run that lives. That is harmless: the second
process waits for the first one's lock on the model.
"""

from datetime import timedelta
from typing import Any

from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from pydantic import BaseModel

TAG = "turnout"
"""Tag of every deployment; the automations look at no other runs."""

RESTARTED_TAG = "turnout-restarted"
"""Tag of the deployments whose crashed runs are started again."""

BEAT_WITHIN_SECONDS = 75
"""Two missed heartbeats and some room for a busy machine."""

BEGIN_WITHIN_SECONDS = 90
"""A process may need a minute to load on two busy cores."""

MOST_STARTS = 25
"""Starts of one run, wake-ups at gates included, after which a crash needs a person."""

NEVER_BEGAN = "it was handed out and never began"
"""What is said of a run that no process ever took up."""
_FINAL = ("Completed", "Failed", "Cancelled", "Cancelling", "Suspended", "Paused")
_OURS = ("Cut over", "Stopped in shadow", "Rolled back", "Rejected", "Abandoned", "Legacy retired")


def automations(beat_within_seconds: int = BEAT_WITHIN_SECONDS) -> list[Automation]:
    """Return the automations as they should be."""
    started = [str(count) for count in range(1, MOST_STARTS)]
    return [
        _silent(beat_within_seconds),
        _never_began(),
        _again("turnout: a crashed migration is started again", {"prefect.run-count": started}),
        _again(
            "turnout: a migration killed before it began is started again",
            {"prefect.run-count": "0", "prefect.state-message": ["*SIGKILL*", f"*{NEVER_BEGAN}*"]},
        ),
    ]


def _events(*states: str) -> set[str]:
    return {f"prefect.flow-run.{state}" for state in states}


def _silent(beat_within_seconds: int) -> Automation:
    beat = _events("heartbeat")
    return Automation(
        name="turnout: a run that stops beating is crashed",
        trigger=EventTrigger(
            after=beat,
            expect=beat | _events(*_FINAL, *_OURS),
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related={"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=beat_within_seconds),
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="no heartbeat: its process is gone")],
    )


def _never_began() -> Automation:
    handed = _events("Pending")
    return Automation(
        name="turnout: a run that never begins is crashed",
        trigger=EventTrigger(
            after=handed,
            expect=_events("Running", "Retrying", "Rerunning", *_FINAL, *_OURS),
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related={"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=BEGIN_WITHIN_SECONDS),
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=NEVER_BEGAN)],
    )


def _again(name: str, which: dict[str, str | list[str]]) -> Automation:
    return Automation(
        name=name,
        trigger=EventTrigger(
            expect=_events("Crashed"),
            match={"prefect.resource.id": "prefect.flow-run.*", **which},
            match_related={
                "prefect.resource.id": f"prefect.tag.{RESTARTED_TAG}",
                "prefect.resource.role": "tag",
            },
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.SCHEDULED,
                name="AwaitingRetry",
                message="it crashed; it goes on from its evidence",
            )
        ],
    )


def register(all_wanted: list[Automation]) -> None:
    """Register automations, or bring those that are there to what they should be.

    What is there as it should be is left alone: an automation that is written anew forgets whose heartbeat it
    waits for, and a worker that comes in the place of a killed one registers all of them.
    """
    with get_client(sync_client=True) as client:
        for wanted in all_wanted:
            known = client.read_automations_by_name(wanted.name)
            if not known:
                wanted.create()
            elif _said(known[0]) != _said(wanted):
                wanted.id = known[0].id
                wanted.update()


def _said(automation: BaseModel) -> dict[str, Any]:
    """What an automation is to do; its identity is the server's."""
    return automation.model_dump(include={"description", "enabled", "trigger", "actions"})


if __name__ == "__main__":
    register(automations())
    for one in automations():
        print(one.name)  # noqa: T201 -- a command's output
