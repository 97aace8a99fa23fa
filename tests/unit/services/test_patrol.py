"""The round on real files: route folders, access logs, records; only Envoy itself is not there."""

import json
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Wire
from turnout.domain.requests import Arm
from turnout.domain.route import Backend, Opening, Registration, RoutePolicy, Tombstone
from turnout.fabric.router import ending, route_document
from turnout.fabric.router.admin import EnvoyAdmin
from turnout.fabric.router.directory import RouteDirectory
from turnout.fabric.router.ending import REGISTRATION
from turnout.fabric.router.envoy import EnvoyRouter
from turnout.fabric.router.publishing import OPENING
from turnout.fabric.router.route_name import RouteName
from turnout.fabric.router.standing import Standing
from turnout.fabric.state import State
from turnout.fabric.telemetry import AccessLog
from turnout.services.sentinel.answers import Board
from turnout.services.sentinel.clock import Now
from turnout.services.sentinel.patrol import Patrol
from turnout.services.sentinel.post import WRITE_SECONDS

BEGAN = 1_000_000
WEIGHT = 0.5


class Router(EnvoyRouter):
    """The router's files; nobody follows them, so there is no report to wait for."""

    def __init__(self, state):
        """Know where the files are, and hold no rollback up."""
        super().__init__(state, admin_url="http://127.0.0.1:1")
        self.held: dict[str, threading.Event] = {}
        self.asked: list[str] = []

    def roll_back(self, model, attempt, *, reason, by):
        """Move the traffic; then hang where the test says so."""
        self.asked.append(attempt)
        made = ending.end(self._directory(model), attempt, reason=reason, by=by)
        if model in self.held:
            assert self.held[model].wait(30)
        return Tombstone(**asdict(made))


class Log(AccessLog):
    """The access logs, and the count that Envoy would tell beside them."""

    def __init__(self, state):
        """Begin with nothing completed."""
        super().__init__(state, EnvoyAdmin("http://127.0.0.1:1"))
        self.counts: dict[str, int] = {}

    def all_completed(self):
        """What was written."""
        return dict(self.counts)


class Contracts:
    """The same contract for every model."""

    def of(self, model):
        """The contract."""
        same = SameAnswer(kind=AnswerKind.LABELS)
        return Contract(model=model, wire=Wire.V1, inputs=(), outputs=(), same_answer=same)


class Place:
    """A state directory with models in their canary, and whoever guards them."""

    def __init__(self, root, models=("m0",)):
        """Open an attempt of each model at weight 0.5."""
        self.state = State(Path(root))
        self.state.guard("any").parent.mkdir()
        self.router, self.log = Router(self.state), Log(self.state)
        for model in models:
            self._open(model)

    def _open(self, model):
        policy = RoutePolicy()
        registration = Registration(model=model, listen_port=1, stable=Backend(name="l", port=1))
        opening = Opening(model=model, attempt=f"{model}-1", candidate=Backend(name="c", port=2))
        legacy = route_document.render(Standing(model=model), legacy=policy, candidate=None)
        live = Standing(model=model, attempt=f"{model}-1", number=2, weight=WEIGHT)
        directory = RouteDirectory(self.state.routes / model)
        directory.found(legacy, {REGISTRATION: registration.model_dump_json().encode()})
        document = route_document.render(live, legacy=policy, candidate=policy)
        directory.prepare(f"{model}-1", document, {OPENING: opening.model_dump_json().encode()})
        directory.open(f"{model}-1")

    def sentinel(self):
        """A sentinel's round, with its own memory."""
        return Patrol(
            state=self.state,
            router=self.router,
            telemetry=self.log,
            contracts=Contracts(),
            board=Board(),
            lease_seconds=4.0,
        )

    def write(self, model, second, *, failing=False, each=4):
        """What Envoy writes of a second: requests of both arms; legacy answers for a failing candidate."""
        file = self.state.access_log(model)
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = []
        for n in range(2 * each):
            arm = Arm.LEGACY if n % 2 else Arm.CANDIDATE
            bad = failing and arm is Arm.CANDIDATE
            name = RouteName(arm, model, f"{model}-1", f"{model}-1.2", WEIGHT, captured=False)
            start = {
                "type": "DownstreamStart",
                "id": f"{second}-{n}",
                "route": str(name),
                "start": f"{BEGAN + second + 0.01 * n:.6f}",
            }
            end = {
                "type": "DownstreamEnd",
                "status": 200,
                "duration_us": 5000,
                "first_byte_us": 4000,
                "duration_ms": 5,
                "tries": 2 if bad else 1,
                "arm": "legacy" if bad else str(arm),
                "details": "via_upstream",
                "flags": "-",
            }
            lines += [json.dumps(start), json.dumps({**start, **end})]
        with file.open("a") as out:
            out.write("\n".join(lines) + "\n")
        self.log.counts[model] = self.log.counts.get(model, 0) + 2 * each

    def looks(self, model="m0"):
        """The journal."""
        return [json.loads(line) for line in self.state.looks(f"{model}-1").read_text().splitlines()]

    def ended(self, model="m0"):
        """The tombstone."""
        return self.router.tombstone(model, f"{model}-1")


def after(second):
    """The clocks when a second of the test has just settled."""
    return Now(BEGAN + second + 1.28, 500.0 + second + 1.28, "boot")


def lease(patrol, attempt):
    """The guard lease of an attempt."""
    return patrol._posts[attempt].watch.lease


@settings(max_examples=20, deadline=None)
@given(kills=st.sets(st.integers(2, 34), max_size=4), fails_at=st.integers(5, 25))
def test_killed_between_any_rounds_it_judges_the_same_looks(kills, fails_at):
    """Journals and records are seconds behind when it is killed; no look is lost, or told twice."""
    courses = []
    for cuts in (set(), kills):
        with tempfile.TemporaryDirectory() as root:
            place = Place(root)
            patrol = place.sentinel()
            for second in range(45):
                place.write("m0", second, failing=second >= fails_at)
                if second in cuts:
                    patrol = place.sentinel()  # the one before is gone, with all it had not written
                patrol.go(after(second))
            assert place.ended().by == "sentinel"
            patrol.save()
            courses.append([{**look, "weight": WEIGHT} for look in place.looks()])
    straight, killed = courses
    assert straight[-1]["verdict"] == "breach"
    assert killed == straight


def test_what_is_written_keeps_up_within_its_turn(tmp_path):
    """Each attempt's journal and record are at most some seconds behind, each in a turn of its own."""
    models = [f"m{n}" for n in range(6)]
    place = Place(tmp_path, models)
    patrol = place.sentinel()
    for second in range(20):
        for model in models:
            place.write(model, second)
        patrol.go(after(second))
        if second > 2 * WRITE_SECONDS:
            newest = {model: place.looks(model)[-1]["at"] for model in models}
            assert min(newest.values()) >= BEGAN + second - WRITE_SECONDS
    assert len({place.looks(model)[-1]["at"] for model in models}) > 1
    patrol.save()
    assert {place.looks(model)[-1]["at"] for model in models} == {BEGAN + 19.0}


def test_a_rollback_that_hangs_holds_up_nobody_else(tmp_path):
    """A router that does not report keeps its own attempt waiting, unarmed; the others are guarded on."""
    place = Place(tmp_path, ("m0", "m1", "m2"))
    release = place.router.held["m0"] = threading.Event()
    patrol = place.sentinel()
    try:
        for second in range(30):
            for model in ("m0", "m1", "m2"):
                place.write(model, second, failing=(model, second) >= ("m0", 5) and model != "m2")
            patrol.go(after(second))
        assert place.ended("m0")
        assert place.ended("m1")
        assert set(patrol._posts) == {"m2-1"}  # the files say that m0 is over, though nobody reported it
        assert not patrol._board.armed("m0-1")
        assert lease(patrol, "m2-1").fresh(after(29).boot_seconds)
        assert place.router.asked.count("m0-1") == 1
    finally:
        release.set()
    patrol.save()
    assert patrol._board.attempt("m0-1")["ended"]["by"] == "sentinel"


@pytest.mark.parametrize("fails_at", [12, 22])
def test_a_late_sentinel_on_the_same_state_does_no_harm(tmp_path, fails_at):
    """One that was stopped wakes up beside its successor: both come to one verdict, and neither revives it.

    Its lease has run out while it slept, so it arms nothing before it has judged what it missed.
    """
    place = Place(tmp_path)
    stopped, successor = place.sentinel(), None
    for second in range(40):
        place.write("m0", second, failing=second >= fails_at)
        if second < 10:
            stopped.go(after(second))
            continue
        if successor is None:
            successor = place.sentinel()
        if second == 20 and "m0-1" in stopped._posts:
            assert not lease(stopped, "m0-1").fresh(after(second).boot_seconds)
        successor.go(after(second))
        if second >= 20:
            stopped.go(after(second))
    stone = place.ended()
    assert stone.reason.startswith("errors: ")
    for patrol in (stopped, successor):
        patrol.save()
        assert not patrol._board.armed("m0-1")
        assert patrol._board.attempt("m0-1")["ended"]["at_seconds"] == stone.at_seconds
    told = {}
    for look in place.looks():
        told.setdefault(look["at"], set()).add(json.dumps(look, sort_keys=True))
    assert {len(versions) for versions in told.values()} == {1}
    third = place.sentinel()
    third.recall()
    assert third._board.attempt("m0-1")["ended"]["reason"] == stone.reason


def test_a_record_that_was_being_replaced_is_the_old_or_the_new_one(tmp_path):
    """Killed between writing and renaming: the staged half is passed over, the record before it holds."""
    place = Place(tmp_path)
    patrol = place.sentinel()
    for second in range(8):
        place.write("m0", second)
        patrol.go(after(second))
    patrol.save()
    record = place.state.guard("m0-1")
    whole = record.read_text()
    for cut in (0, 1, 64, 65, len(whole) // 2, len(whole) - 2):
        record.with_suffix(".tmp").write_text(whole[:cut])
        again = place.sentinel()
        again.go(after(8))
        assert again._posts["m0-1"].watch.record.looks == 6
        assert place.ended() is None


def test_logs_are_rotated_from_what_a_restart_would_read(tmp_path):
    """Every model's log is looked at each minute; nothing is given up that the saved position is short of."""
    place = Place(tmp_path, ("m0", "m1"))
    asked, seen = [], set()
    place.log.rotate = lambda model, *, readers: asked.append((model, list(readers)))
    patrol = place.sentinel()
    for second in range(61):
        place.write("m0", second)
        patrol.go(after(second))
        for model, readers in asked:
            assert readers == [patrol._posts[f"{model}-1"].saved.record.cursor]
            seen.add(model)
        asked.clear()
    assert seen == {"m0", "m1"}
