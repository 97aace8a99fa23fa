"""From Prometheus' answers to what is observed of each workload. Pure; `turnout.fabric.traffic` asks.

Where several stacks tell of one workload, the first of `STACKS` that knows a figure is believed and named as
its source; stacks are never added up, for they count the same requests. What no stack tells stays unknown.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from turnout.domain.observed import Figure, Observed
from turnout.domain.serving_stacks import MODEL, NAMESPACE, SERVICE, Part, Quantity, Query
from turnout.domain.workload import Workload

_SUFFIXES = ("", "-default")
"""KServe's Knative Services were named NAME-predictor-default before 0.11."""

_ADDED_UP = (Quantity.CPU, Quantity.MEMORY)


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of an answer, with its labels."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What one query brought."""

    query: Query
    samples: tuple[Sample, ...]


def observed(
    workloads: Sequence[Workload], answers: Iterable[Answer], *, window_seconds: float
) -> tuple[Workload, ...]:
    """Put the figures of all answers to the workloads that they are about.

    Args:
        workloads: The estate.
        answers: One for each query that was asked.
        window_seconds: Length of time that the queries looked back.

    Returns:
        The workloads in their order; a figure that no answer tells stays as it was.
    """
    tables = [_Table(answer) for answer in sorted(answers, key=lambda one: one.query.rank)]
    return tuple(_with(workload, _observed(workload, tables, window_seconds)) for workload in workloads)


def names(workload: Workload, part: Part) -> tuple[str, ...]:
    """Names that a part of a workload may go by, the likeliest first.

    An InferenceService's clients meet its transformer where it has one, else its predictor; a route in front
    of both has its own name. Other kinds go by their own name.
    """
    own = workload.name
    if workload.kind == "LLMInferenceService":
        return (f"{own}-kserve", f"{own}-kserve-workload", own)
    if workload.kind != "InferenceService":
        return (own,)
    roles = [one.role for one in workload.components]
    entry = "transformer" if "transformer" in roles else "predictor"
    if part is Part.ROUTE:
        return (own, f"{own}-{entry}")
    parts = {Part.ENTRY: [entry], Part.PREDICTOR: ["predictor"]}.get(part) or [*roles, "predictor"]
    told = [f"{own}-{role}{suffix}" for role in dict.fromkeys(parts) for suffix in _SUFFIXES]
    return tuple(told)


class _Table:
    """One answer, by the names in its labels."""

    def __init__(self, answer: Answer) -> None:
        self.query = answer.query
        self._rows: dict[tuple[str, str], list[Sample]] = defaultdict(list)
        for sample in answer.samples:
            if math.isfinite(sample.value):  # a quantile of nothing is NaN
                labels = sample.labels
                self._rows[labels.get(NAMESPACE, ""), labels.get(SERVICE, "")].append(sample)

    def value(self, workload: Workload) -> float | None:
        """The workload's value in the answer's own unit; None where it has none, or none that is its own."""
        found = [self._rows.get((workload.namespace, name)) for name in names(workload, self.query.part)]
        rows = [_one(samples, workload) for samples in found if samples]
        told = [value * self.query.unit for value in rows if value is not None]
        if not told:
            return None
        return sum(told) if self.query.quantity in _ADDED_UP else told[0]


def _one(samples: list[Sample], workload: Workload) -> float | None:
    """The value of the workload's model; a server of several models, none of its name, tells nothing.

    An ensemble's parts are counted beside the ensemble, so models of one server cannot be added up.
    """
    by_model = {sample.labels.get(MODEL, ""): sample.value for sample in samples}
    if len(by_model) == 1:
        return next(iter(by_model.values()))
    return by_model.get(workload.name)


def _observed(workload: Workload, tables: list[_Table], window_seconds: float) -> Observed:
    def first(quantity: Quantity) -> Figure | None:
        for table in tables:
            if table.query.quantity is quantity and (value := table.value(workload)) is not None:
                window = None if table.query.is_moment else window_seconds
                return Figure(value=value, source=table.query.source, window_seconds=window)
        return None

    return Observed(
        requests_per_second=_requests(workload, tables, window_seconds),
        latency_p50_seconds=first(Quantity.MEDIAN),
        latency_p99_seconds=first(Quantity.P99),
        error_share=_error_share(workload, tables, window_seconds),
        cpu_cores=first(Quantity.CPU),
        memory_gib=first(Quantity.MEMORY),
        accelerator_share=first(Quantity.ACCELERATOR),
    )


def _requests(workload: Workload, tables: list[_Table], window_seconds: float) -> Figure | None:
    """All requests, failed ones included where they have a counter of their own."""
    for rank, total in _totals(workload, tables):
        failed, among = _failed(workload, tables, rank)
        value = total.value if among or failed is None else total.value + failed.value
        return Figure(value=value, source=total.source, window_seconds=window_seconds)
    return None


def _error_share(workload: Workload, tables: list[_Table], window_seconds: float) -> Figure | None:
    """Failed requests of all requests, by one stack. No failure seen is 0; no request at all is unknown."""
    for rank, total in _totals(workload, tables):
        failed, among = _failed(workload, tables, rank)
        if not any(_is(table, Quantity.ERRORS, rank) for table in tables):
            continue
        lost = failed.value if failed else 0.0
        requests = total.value if among else total.value + lost
        if requests > 0:
            share = min(lost / requests, 1.0)
            return Figure(value=share, source=(failed or total).source, window_seconds=window_seconds)
    return None


def _totals(workload: Workload, tables: list[_Table]) -> Iterable[tuple[int, Figure]]:
    for table in tables:
        if table.query.quantity is Quantity.REQUESTS and (value := table.value(workload)) is not None:
            yield table.query.rank, Figure(value=value, source=table.query.source)


def _failed(workload: Workload, tables: list[_Table], rank: int) -> tuple[Figure | None, bool]:
    """Failed requests by the stack of this rank, and whether they are among its requests."""
    total = next((t.query.source for t in tables if _is(t, Quantity.REQUESTS, rank)), "")
    for table in tables:
        if _is(table, Quantity.ERRORS, rank):
            value, source = table.value(workload), table.query.source
            return (None if value is None else Figure(value=value, source=source)), source == total
    return None, True


def _is(table: _Table, quantity: Quantity, rank: int) -> bool:
    return table.query.quantity is quantity and table.query.rank == rank


def _with(workload: Workload, found: Observed) -> Workload:
    known = {name: value for name in Observed.model_fields if (value := getattr(found, name)) is not None}
    return workload.model_copy(update={"observed": workload.observed.model_copy(update=known)})
