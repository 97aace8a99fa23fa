"""Kubeflow's recurring runs (ScheduledWorkflow): what trains or scores by the clock, and stops when moved."""

from pydantic import BaseModel, ConfigDict

from turnout.domain.dependencies import dependencies
from turnout.domain.document import Document
from turnout.domain.kubernetes_schema import Metadata, Part, unread
from turnout.domain.markings import identity


class Schedule(BaseModel):
    """One recurring run.

    Attributes:
        name: Name of the object.
        namespace: Its namespace.
        owner: From its annotation or label.
        cron: Its cron expression (with seconds first, as Kubeflow has it), where it has one.
        every_seconds: Its period, where it has one.
        is_enabled: Whether it runs; None: not said.
        dependencies: Names of what it calls or shares.
        source: Where it was read.
        unread: Fields that Turnout does not understand.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    namespace: str
    owner: str | None = None
    cron: str | None = None
    every_seconds: int | None = None
    is_enabled: bool | None = None
    dependencies: tuple[str, ...] = ()
    source: str = ""
    unread: tuple[str, ...] = ()


class _Cron(Part):
    cron: str | None = None
    start_time: str | None = None
    end_time: str | None = None


class _Period(Part):
    interval_second: int | None = None
    start_time: str | None = None
    end_time: str | None = None


class _Trigger(Part):
    cron_schedule: _Cron | None = None
    periodic_schedule: _Period | None = None


class _Spec(Part):
    enabled: bool | None = None
    trigger: _Trigger = _Trigger()
    max_concurrency: int | None = None
    no_catchup: bool | None = None


class _ScheduledWorkflow(Part):
    metadata: Metadata
    spec: _Spec


def schedule(document: Document) -> Schedule:
    """Read a ScheduledWorkflow.

    Raises:
        InvalidInputError: What is wrong first, with file and line.
    """
    document = document.without_nulls()
    found = document.read_as(_ScheduledWorkflow, limit="a ScheduledWorkflow of kubeflow.org/v1beta1")
    trigger = found.spec.trigger
    marks = identity(document, found.metadata)
    return Schedule(
        name=marks["name"],
        namespace=marks["namespace"],
        owner=marks["owner"],
        cron=trigger.cron_schedule.cron if trigger.cron_schedule else None,
        every_seconds=trigger.periodic_schedule.interval_second if trigger.periodic_schedule else None,
        is_enabled=found.spec.enabled,
        dependencies=dependencies(document.value["spec"]),
        source=marks["source"],
        unread=tuple(unread(found)),
    )
