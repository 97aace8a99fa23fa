"""Reads all that the report is made of below a state directory. Decides nothing; loses nothing silently."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from turnout.domain.approval import Approval, Gate
from turnout.domain.contract import Contract
from turnout.domain.errors import NotFoundError, TurnoutError
from turnout.domain.evidence import Evidence, EvidenceStore
from turnout.domain.requests import ComparisonRecord, RequestRecord
from turnout.domain.route import Tombstone
from turnout.domain.workload import Workload
from turnout.fabric import contracts
from turnout.fabric.approvals import ApprovalFiles
from turnout.fabric.attempts import AttemptFiles
from turnout.fabric.state import State
from turnout.report import parsing
from turnout.report.facts import AttemptFacts, Breach, Facts, ModelFacts, RouteEvent
from turnout.report.journals import document, journal

T = TypeVar("T")


@dataclass
class Sources:
    """Where the facts come from.

    Attributes:
        state: The state directory.
        requests: Reads what the router tells of each request of a model, in flight or done.
        tombstone: Reads what ended an attempt, by model and attempt.
        contracts: Folder of the owners' contracts, where there is one.
        evidence: The evidence store, where one is given; left out once it has not answered.
        notes: Collects what could not be read.
    """

    state: State
    requests: Callable[[str], Iterable[RequestRecord]]
    tombstone: Callable[[str, str], Tombstone | None]
    contracts: Path | None = None
    evidence: EvidenceStore | None = None
    notes: list[str] = field(default_factory=list)


def gather(sources: Sources) -> Facts:
    """Read everything; what cannot be read becomes a note."""
    taken = time.time()
    models = tuple(_model(sources, name) for name in _names(sources.state))
    last = max((_last(model) for model in models), default=taken)
    return Facts(taken, min(last, taken) or taken, models, tuple(dict.fromkeys(sources.notes)))


def _last(model: ModelFacts) -> float:
    """The newest sign of life of a model; 0 where there is none."""
    signs = [c.finished_seconds for c in model.calls] + [r.started_seconds for r in model.requests[-1:]]
    signs += [e.at_seconds for e in model.events] + [e.at_seconds for e in model.evidence]
    signs += [look.at_seconds for a in model.attempts for look in a.looks[-1:]]
    signs += [c.at_seconds for a in model.attempts for c in a.comparisons[-1:]]
    return max(signs, default=0.0)


def _names(state: State) -> list[str]:
    """Every model that left a trace."""
    found = {file.parent.name for file in state.routes.glob("*/history.jsonl")}
    found |= {file.stem for folder in ("client", "access") for file in (state.root / folder).glob("*.jsonl")}
    found |= {_model_of(id_) for id_ in _attempt_ids(state)}
    return sorted(found)


def _attempt_ids(state: State) -> list[str]:
    """Every attempt that left a trace, also where the flows' record of it is lost."""
    found = {file.stem for file in state.attempts.glob("*-*.json")}
    found |= {file.stem for file in state.comparisons("x").parent.glob("*-*.jsonl")}
    found |= {
        file.name.removesuffix(".looks.jsonl") for file in state.guard("x").parent.glob("*.looks.jsonl")
    }
    for history in state.routes.glob("*/history.jsonl"):
        found |= {str(row["attempt"]) for row in journal(history).rows if row.get("attempt")}
    return sorted(i for i in found if i.rsplit("-", 1)[-1].isdigit())


def _model_of(attempt: str) -> str:
    return attempt.rsplit("-", 1)[0]


def _model(sources: Sources, name: str) -> ModelFacts:
    state = sources.state
    evidence = _evidence(sources, name)
    own = sorted(
        (i for i in _attempt_ids(state) if _model_of(i) == name), key=lambda i: int(i.rsplit("-", 1)[1])
    )
    return ModelFacts(
        name=name,
        calls=_parsed(sources, state.client(name), parsing.client_call),
        events=_parsed(sources, state.routes / name / "history.jsonl", parsing.route_event),
        requests=_requests(sources, name),
        attempts=tuple(_attempt(sources, name, id_, evidence) for id_ in own),
        workload=_workload(state, name),
        contract=_contract(sources, name),
        planned=_planned(state, name),
        evidence=tuple(evidence),
        golden=len(journal(state.work / "golden" / f"{name}.jsonl").rows),
    )


def _attempt(sources: Sources, model: str, id_: str, evidence: list[Evidence]) -> AttemptFacts:
    state, files = sources.state, AttemptFiles(sources.state)
    return AttemptFacts(
        id=id_,
        number=int(id_.rsplit("-", 1)[1]),
        record=_safely(sources, lambda: files.get(id_), f"the record of {id_}"),
        end=_safely(sources, lambda: files.ended(id_), f"the end of {id_}"),
        looks=_parsed(sources, state.looks(id_), parsing.look_row),
        breach=_breach(state, id_),
        comparisons=_comparisons(sources, id_),
        approvals=_approvals(sources, id_),
        evidence=tuple(e for e in evidence if e.attempt == id_),
        ended=_ended(sources, model, id_),
        fault_seconds=_modified(state.root / "faults" / f"{id_}.json"),
    )


def _parsed(sources: Sources, file: Path, parse: Callable[[dict[str, Any]], T | None]) -> tuple[T, ...]:
    read = journal(file)
    made = [parse(row) for row in read.rows]
    lost = read.unreadable + sum(m is None for m in made)
    if lost:
        sources.notes.append(f"{lost} lines of {file.relative_to(sources.state.root)} could not be read.")
    return tuple(m for m in made if m is not None)


def _safely(sources: Sources, read: Callable[[], T], what: str) -> T | None:
    """Read something; None with a note where it is broken, without one where it is not there."""
    try:
        return read()
    except NotFoundError:
        return None
    except (TurnoutError, ValidationError, ValueError, OSError) as error:
        sources.notes.append(f"Could not read {what}: {str(error).splitlines()[0]}")
        return None


def _requests(sources: Sources, name: str) -> tuple[RequestRecord, ...]:
    """Every request once: its end replaces its start."""
    read = _safely(sources, lambda: list(sources.requests(name)), f"the access log of {name}") or []
    newest: dict[str, RequestRecord] = {}
    for request in read:
        known = newest.get(request.request_id)
        if known is None or known.duration_seconds is None:
            newest[request.request_id] = request
    return tuple(sorted(newest.values(), key=lambda r: r.started_seconds))


def _comparisons(sources: Sources, attempt: str) -> tuple[ComparisonRecord, ...]:
    """The file, and the one before it, which was set aside when it had grown large."""
    file = sources.state.comparisons(attempt)
    older = _parsed(sources, file.with_suffix(".older.jsonl"), parsing.comparison)
    return older + _parsed(sources, file, parsing.comparison)


def _approvals(sources: Sources, attempt: str) -> tuple[Approval, ...]:
    found = [answer for gate in Gate for answer in _answers(sources, attempt, gate)]
    return tuple(sorted(found, key=lambda a: a.at_seconds))


def _answers(sources: Sources, attempt: str, gate: Gate) -> list[Approval]:
    files = ApprovalFiles(sources.state)
    what = f"the answers at gate {gate} of {attempt}"
    return _safely(sources, lambda: files.answers(attempt, gate), what) or []


def _breach(state: State, attempt: str) -> Breach | None:
    read = document(state.guard(attempt).with_name(f"{attempt}.breach.json"))
    return parsing.breach(read) if read else None


def _ended(sources: Sources, model: str, attempt: str) -> RouteEvent | None:
    stone = _safely(sources, lambda: sources.tombstone(model, attempt), f"the tombstone of {attempt}")
    if stone is None:
        return None
    return RouteEvent(stone.at_seconds, "roll_back", attempt, 0.0, stone.by, stone.reason)


def _evidence(sources: Sources, subject: str) -> list[Evidence]:
    if sources.evidence is None:
        return []
    try:
        return sources.evidence.history(subject)
    except TurnoutError as error:
        sources.notes.append(f"Evidence records are not shown: {error}")
        sources.evidence = None
        return []


def _contract(sources: Sources, name: str) -> Contract | None:
    folder = sources.contracts
    return (
        None
        if folder is None
        else _safely(sources, lambda: contracts.load(folder, name), f"the contract of {name}")
    )


def _workload(state: State, name: str) -> Workload | None:
    for row in _listed(state.work / "inventory.json", "workloads"):
        if row.get("name") == name:
            try:
                return Workload.model_validate(row)
            except ValidationError:
                return None
    return None


def _planned(state: State, name: str) -> dict[str, Any]:
    rows = (r for key in ("lines", "moves", "models") for r in _listed(state.work / "plan.json", key))
    return next((row for row in rows if name in (row.get("model"), row.get("name"), row.get("workload"))), {})


def _listed(file: Path, key: str) -> list[dict[str, Any]]:
    try:
        read = json.loads(file.read_text())
    except (OSError, ValueError):
        return []
    rows = read.get(key, []) if isinstance(read, dict) else read
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _modified(file: Path) -> float | None:
    try:
        return file.stat().st_mtime
    except OSError:
        return None
