"""What discovery found: workloads, runtimes, graphs, schedules, and what could not be read and why."""

from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ConfigDict

from turnout.domain.composition import composed
from turnout.domain.errors import InvalidInputError, PermanentError
from turnout.domain.inference_graph import Graph
from turnout.domain.schedule import Schedule
from turnout.domain.serving_runtime import Runtimes, ServingRuntime
from turnout.domain.workload import Workload


class Problem(BaseModel):
    """Something that cannot be read, or was read and cannot be used.

    Attributes:
        where: File and line, or the object in the cluster.
        observed: What was seen.
        limit: What would have been right.
        remedy: What the reader can do about it.
    """

    model_config = ConfigDict(frozen=True)

    where: str
    observed: str
    limit: str
    remedy: str

    @staticmethod
    def of(error: PermanentError) -> "Problem":
        """The problem that an error tells of."""
        return Problem(where=error.subject, observed=error.observed, limit=error.limit, remedy=error.remedy)

    def error(self) -> InvalidInputError:
        """The error that tells of the problem."""
        return InvalidInputError(self.where, observed=self.observed, limit=self.limit, remedy=self.remedy)


class NotRead(BaseModel):
    """An object of a kind that discovery does not read."""

    model_config = ConfigDict(frozen=True)

    kind: str
    name: str
    where: str


Entry = Workload | ServingRuntime | Graph | Schedule
"""What an object that is read becomes."""
Finding = Entry | Problem | NotRead


class Inventory(BaseModel):
    """The estate as found.

    Attributes:
        workloads: Sorted by namespace, name and kind; InferenceGraphs whose models are all here among them.
        runtimes: KServe's serving runtimes, sorted likewise.
        graphs: What calls several models as one.
        schedules: Recurring runs.
        problems: What could not be read. The rest can be planned; what is named here is not in the plan.
        not_read: Objects of other kinds.
    """

    model_config = ConfigDict(frozen=True)

    workloads: tuple[Workload, ...] = ()
    runtimes: tuple[ServingRuntime, ...] = ()
    graphs: tuple[Graph, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    problems: tuple[Problem, ...] = ()
    not_read: tuple[NotRead, ...] = ()

    def workload(self, model: str) -> Workload | None:
        """The workload of that name, or None."""
        return next((workload for workload in self.workloads if workload.name == model), None)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of all workloads."""
        return tuple(workload.name for workload in self.workloads)

    def with_owners(self, owners: Mapping[str, str]) -> "Inventory":
        """The same estate, the owners of unmarked workloads taken from the owners file (model: owner)."""
        owned = [
            workload.model_copy(update={"owner": workload.owner or owners.get(workload.name)})
            for workload in self.workloads
        ]
        return self.model_copy(update={"workloads": tuple(owned)})


def gather(findings: Iterable[Finding]) -> Inventory:
    """Put findings together; each workload gets the runtime that serves it.

    What is there twice is a problem and in neither form an entry: which one is in force is not guessed.
    """
    found: dict[tuple[str, str, str], Entry] = {}
    twice: set[tuple[str, str, str]] = set()
    problems: list[Problem] = []
    not_read: list[NotRead] = []
    for each in findings:
        if isinstance(each, Problem):
            problems.append(each)
        elif isinstance(each, NotRead):
            not_read.append(each)
        elif (first := found.setdefault(_key(each), each)) is not each:
            problems.append(_twice(first, each))
            twice.add(_key(each))
    entries = [found[key] for key in sorted(found.keys() - twice)]
    runtimes = tuple(entry for entry in entries if isinstance(entry, ServingRuntime))
    known = Runtimes(runtimes)
    single = tuple(known.resolved(entry) for entry in entries if isinstance(entry, Workload))
    graphs = tuple(entry for entry in entries if isinstance(entry, Graph))
    together = [one for graph in graphs if (one := composed(graph, single)) is not None]
    return Inventory(
        workloads=tuple(sorted((*single, *together), key=_key)),
        runtimes=runtimes,
        graphs=graphs,
        schedules=tuple(entry for entry in entries if isinstance(entry, Schedule)),
        problems=tuple(problems),
        not_read=tuple(not_read),
    )


def _kind(entry: Entry) -> str:
    return entry.kind if isinstance(entry, Workload | Graph) else type(entry).__name__


def _key(entry: Entry) -> tuple[str, str, str]:
    return entry.namespace or "", entry.name, _kind(entry)


def _twice(first: Entry, second: Entry) -> Problem:
    name = f"{second.namespace}/{second.name}" if second.namespace else second.name
    return Problem(
        where=second.source,
        observed=f"{name} a second time, first in {first.source}",
        limit=f"each {_kind(second)} once",
        remedy="Remove one of the two.",
    )
