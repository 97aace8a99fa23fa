"""A state directory as a lab leaves it after its three stories, written in the agreed formats."""

import json
import random
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

from turnout.domain.approval import Approval, Decision, Gate
from turnout.domain.attempt import Attempt, End, Outcome
from turnout.domain.contract import AnswerKind, Contract, Rollout, SameAnswer, Tensor, Wire
from turnout.domain.requests import Arm, ComparisonRecord, RequestRecord
from turnout.domain.workload import Workload
from turnout.fabric import contracts
from turnout.fabric.approvals import ApprovalFiles
from turnout.fabric.attempts import AttemptFiles
from turnout.fabric.state import State
from turnout.report.gathering import Sources

START = 1_750_000_000.0
SIGNALS = ("errors", "slow", "differs")
LIMIT = 4.09  # ln(3 / 0.05): three guarded signals share alpha


@dataclass
class Stage:
    """Writes a state directory, story by story.

    Args:
        root: The state directory.
        per_second: Requests a second of each model's client.
        seconds: How long the clients call.
    """

    root: Path
    per_second: float = 6.0
    seconds: float = 120.0
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    requests: dict[str, list[RequestRecord]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with an estate of three models."""
        self.state = State(self.root)
        self.contracts = self.root / "contracts"
        (self.root / "work").mkdir(parents=True)
        estate = [
            ("iris", "sklearn", "v1", "kserve-sklearnserver"),
            ("cancer", "xgboost", "v2", "kserve-mlserver"),
        ]
        estate.append(("diabetes", "sklearn", "v1", "kserve-sklearnserver"))
        found = [
            Workload(name=n, framework=f, wire=w, runtime=r).model_dump(mode="json") for n, f, w, r in estate
        ]
        (self.root / "work" / "inventory.json").write_text(json.dumps({"workloads": found}))
        lines = [
            {"model": n, "runtime": "triton", "bridge": "ray_serve" if w == "v1" else None}
            for n, _, w, _ in estate
        ]
        (self.root / "work" / "plan.json").write_text(json.dumps({"lines": lines}))
        kinds = {
            "iris": AnswerKind.LABELS,
            "cancer": AnswerKind.PROBABILITIES,
            "diabetes": AnswerKind.REGRESSION,
        }
        tensor = (Tensor(name="x", datatype="FP32", shape=(-1, 4)),)
        for name, _, wire, _ in estate:
            same = SameAnswer(kind=kinds[name])
            contract = Contract(
                model=name, wire=Wire(wire), inputs=tensor, outputs=tensor, same_answer=same,
                rollout=Rollout(steps=(0.1, 0.25, 0.5)),
            )  # fmt: skip
            contracts.write(self.contracts, contract)

    def at(self, second: float) -> float:
        """A moment of a story that is told in two minutes, stretched to the stage's length."""
        return second * self.seconds / 120

    def sources(self) -> Sources:
        """What the report reads; requests come as records, for the access log is the telemetry's business."""
        return Sources(
            state=self.state,
            requests=lambda model: self.requests.get(model, []),
            tombstone=lambda _model, _attempt: None,
            contracts=self.contracts,
        )

    def lines(self, file: Path, rows: list[dict]) -> None:
        """Append rows to a file of JSON lines."""
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows)

    def history(
        self, model: str, attempt: str, steps: list[tuple[float, str, float]], by: str = "migrate"
    ) -> None:
        """The router's history: seconds since the start, event, weight."""
        self.lines(
            self.state.routes / model / "history.jsonl",
            [
                {
                    "at_seconds": START + at, "event": event, "version": f"v{number}", "attempt": attempt,
                    "weight": weight, "capture_share": 0.5,
                    "reason": "errors" if event == "roll_back" else "",
                    "by": "sentinel" if event == "roll_back" else by,
                }
                for number, (at, event, weight) in enumerate(steps)
            ],
        )  # fmt: skip

    def attempt(self, model: str, number: int, end: Outcome | None, at: float) -> str:
        """The flows' record of an attempt, and its end."""
        files, id_ = AttemptFiles(self.state), f"{model}-{number}"
        files.save(Attempt(id=id_, model=model, number=number))
        if end:
            files.end(id_, End(outcome=end, by="migrate", reason="", at_seconds=START + at))
        return id_

    def answer(
        self, attempt: str, gate: Gate, owner: str, decision: Decision, *, at: float, ask: int = 1
    ) -> None:
        """An answer at a gate."""
        refused = decision is Decision.REFUSED
        ApprovalFiles(self.state).record(
            Approval(
                model=attempt.rsplit("-", 1)[0], attempt=attempt, gate=gate, ask=ask, owner=owner,
                decision=decision, at_seconds=START + at, evidence_digest="d" * 64,
                reason="the code was used before" if refused else "evidence looks fine",
            )
        )  # fmt: skip

    def traffic(
        self, model: str, weights: list[tuple[float, str | None, float]], failing_from: float | None = None
    ) -> None:
        """What client and router saw: weights hold from a moment on, for an attempt."""
        at, seen, calls = 0.0, [], []
        while (at := at + self.chance.expovariate(self.per_second)) < self.seconds:
            attempt, weight = next(((a, w) for t, a, w in reversed(weights) if at >= t), (None, 0.0))
            record = self._request(model, at, attempt, weight, failing_from)
            seen.append(record)
            sent = record.started_seconds
            done = sent + (record.duration_seconds or 0.0) + 0.001
            calls.append({"id": record.request_id, "model": model, "scheduled": sent - 0.001, "sent": sent,
                          "finished": done, "status": 200, "ok": True, "error": None})  # fmt: skip
        self.requests[model] = seen
        self.lines(self.state.client(model), calls)

    def _request(
        self, model: str, at: float, attempt: str | None, weight: float, failing_from: float | None
    ) -> RequestRecord:
        arm = Arm.CANDIDATE if self.chance.random() < weight else Arm.LEGACY
        middle = 0.0042 if arm is Arm.CANDIDATE else 0.0075
        took = middle * self.chance.lognormvariate(0, 0.45)
        failed = (
            arm is Arm.CANDIDATE
            and failing_from is not None
            and at >= failing_from
            and self.chance.random() < 0.3
        )
        return RequestRecord(
            request_id=f"{model}-{at:.6f}", model=model, attempt=attempt, route_version="v", arm=arm,
            weight=weight, started_seconds=START + at, duration_seconds=took * (2.5 if failed else 1),
            first_byte_seconds=took, status=200, tries=2 if failed else 1,
            answered_by=Arm.LEGACY if failed else arm,
        )  # fmt: skip

    def looks(
        self,
        attempt: str,
        times: tuple[float, float],
        *,
        harmed_from: float | None = None,
        breach: bool = False,
    ) -> None:
        """The sentinel's journal: evidence of harm falls while all is well and climbs once it is not."""
        start, end = times
        harm, fine = dict.fromkeys(SIGNALS, 0.0), dict.fromkeys(SIGNALS, 0.0)
        rows = []
        for second in range(int(end - start)):
            climbing = harmed_from is not None and start + second >= harmed_from
            for signal in harm:
                bad = climbing and signal == "errors"
                harm[signal] = max(
                    -6.0, harm[signal] + (0.9 if bad else -0.06) * self.chance.uniform(0.4, 1.6)
                )
                fine[signal] += (-0.4 if bad else 0.11) * self.chance.uniform(0.5, 1.5)
            if fine["errors"] > LIMIT + 2:
                fine = dict.fromkeys(fine, 0.0)
            evidence = {
                s: {
                    "log_wealth": harm[s],
                    "log_limit": LIMIT,
                    "pass_log_wealth": fine[s],
                    "pass_log_limit": LIMIT,
                }
                for s in SIGNALS
            }
            rows.append(
                {"seconds": 1, "weight": 0.1, "at": START + start + second, "verdict": "undecided",
                 "signal": None, "evidence": evidence}
            )  # fmt: skip
        self.lines(self.state.looks(attempt), rows)
        if breach:
            account = {"by": "sentinel", "reason": "errors", "at_seconds": START + end, "signal": "errors"}
            self.state.guard(attempt).with_name(f"{attempt}.breach.json").write_text(json.dumps(account))

    def compared(
        self,
        attempt: str,
        times: tuple[float, float],
        number: int,
        *,
        wrong: float = 0.0,
        labels: bool = False,
    ) -> None:
        """Compared replays between two moments, a share of them wrong."""
        start, end = times
        self.lines(
            self.state.comparisons(attempt),
            [
                asdict(
                    self._comparison(attempt, start + (end - start) * index / number, wrong, labels=labels)
                )
                for index in range(number)
            ],
        )

    def _comparison(self, attempt: str, at: float, wrong: float, *, labels: bool) -> ComparisonRecord:
        differs = self.chance.random() < wrong
        old, other = (0, 2) if labels else (self.chance.uniform(0.02, 0.98), self.chance.uniform(0.02, 0.98))
        new = other if differs else old if labels else old + self.chance.gauss(0, 1e-7)
        distance = float(differs) if labels else abs(new - old)
        body = _v1 if labels else _v2
        example = {
            "request": json.dumps({"inputs": [{"data": [self.chance.uniform(0, 30) for _ in range(30)]}]}),
            "old": body(old), "new": body(new), "distance": distance, "what": f"{old} became {new}.",
        }  # fmt: skip
        return ComparisonRecord(
            model=attempt.rsplit("-", 1)[0], attempt=attempt, at_seconds=START + at, captured_from=Arm.LEGACY,
            new_differs=differs, old_differs=False, new_failed=False, distance=distance, legacy_seconds=0.007,
            candidate_seconds=0.004 * self.chance.lognormvariate(0, 0.4), example=example,
        )  # fmt: skip


def _v1(value: float) -> str:
    return json.dumps({"predictions": [value]})


def _v2(value: float) -> str:
    return json.dumps(
        {"outputs": [{"name": "predict", "shape": [1, 1], "datatype": "FP32", "data": [value]}]}
    )


def three_stories(stage: Stage) -> Stage:
    """The demo: a cutover, a stop in shadow with a second attempt that is cut over, a rollback."""
    moved(stage)
    stopped_then_moved(stage)
    taken_back(stage)
    return stage


def moved(stage: Stage) -> None:
    """Iris is cut over; somebody tried a used code at its gate."""
    at = stage.at
    iris = stage.attempt("iris", 1, Outcome.CUT_OVER, at(100))
    steps = [(20, 0.0), (45, 0.1), (65, 0.25), (80, 0.5), (100, 0.95)]
    stage.history("iris", iris, [(at(t), "open" if w == 0 else "change", w) for t, w in steps])
    stage.answer(iris, Gate.CANARY, "ana", Decision.REFUSED, at=at(40))
    stage.answer(iris, Gate.CANARY, "ana", Decision.APPROVE, at=at(43), ask=2)
    stage.answer(iris, Gate.CUTOVER, "ana", Decision.APPROVE, at=at(98))
    stage.traffic("iris", [(at(t), iris, w) for t, w in steps])
    stage.looks(iris, (at(45), at(119)))
    stage.compared(iris, (at(21), at(118)), 200, labels=True)


def stopped_then_moved(stage: Stage) -> None:
    """Cancer's first attempt is stopped in shadow, its second one is cut over."""
    at = stage.at
    wrong = stage.attempt("cancer", 1, Outcome.STOPPED_IN_SHADOW, at(45))
    stage.history(
        "cancer", wrong, [(at(22), "open", 0.0), (at(24), "change", 0.0), (at(45), "roll_back", 0.0)]
    )
    stage.compared(wrong, (at(25), at(44)), 200, wrong=0.7)
    right = stage.attempt("cancer", 2, Outcome.CUT_OVER, at(112))
    steps = [(55, 0.0), (75, 0.1), (88, 0.25), (99, 0.5), (110, 0.95)]
    stage.history("cancer", right, [(at(t), "open" if w == 0 else "change", w) for t, w in steps])
    stage.answer(right, Gate.CANARY, "bo", Decision.APPROVE, at=at(74))
    stage.answer(right, Gate.CUTOVER, "bo", Decision.APPROVE, at=at(109))
    stage.traffic("cancer", [(at(22), wrong, 0.0), *((at(t), right, w) for t, w in steps)])
    stage.looks(right, (at(75), at(119)))
    stage.compared(right, (at(56), at(118)), 200)


def taken_back(stage: Stage) -> None:
    """Diabetes fails 30 % of its requests in the middle of its canary."""
    at = stage.at
    fault, verdict = at(75), at(75) + 6.4
    failing = stage.attempt("diabetes", 1, Outcome.ROLLED_BACK, verdict)
    steps = [(at(21), "open", 0.0), (at(46), "change", 0.1), (at(66), "change", 0.25)]
    stage.history("diabetes", failing, [*steps, (verdict + 0.05, "roll_back", 0.0)])
    stage.answer(failing, Gate.CANARY, "chi", Decision.APPROVE, at=at(45))
    weights = [(t, failing, w) for t, _, w in steps]
    stage.traffic("diabetes", [*weights, (verdict + 0.05, None, 0.0)], failing_from=fault)
    stage.looks(failing, (at(46), verdict), harmed_from=fault, breach=True)
    stage.compared(failing, (at(22), at(80)), 150)


@pytest.fixture
def stage(tmp_path):
    """An empty stage: the estate is known, nothing has happened."""
    return Stage(tmp_path / "state")


@pytest.fixture(scope="session")
def stories(tmp_path_factory):
    """The three stories of the demo; shared, so tests only read it."""
    return three_stories(Stage(tmp_path_factory.mktemp("report") / "state"))


@pytest.fixture(scope="session")
def one_story(tmp_path_factory):
    """The story of the rollback alone, in little traffic; shared, so tests only read it."""
    stage = Stage(tmp_path_factory.mktemp("one") / "state", per_second=2.0)
    taken_back(stage)
    return stage
