"""From lines to looks: whatever becomes of the files, each request is counted once, where it belongs."""

import json
from collections import Counter as Count
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from turnout.domain import counting
from turnout.domain.counting import CountingRules
from turnout.domain.requests import Arm
from turnout.fabric import access_files
from turnout.fabric.router.admin import EnvoyAdmin
from turnout.fabric.router.route_name import RouteName
from turnout.fabric.state import State
from turnout.fabric.telemetry import AccessLog, Cursor

MODEL, ATTEMPT = "iris", "iris-1"
RULES = CountingRules(slow_seconds=0.3, error_seconds=1.0, rescue_seconds=0.3)
SAVED = TypeAdapter(Cursor)


@pytest.fixture(scope="module", autouse=True)
def _listed_at_each_look():
    """What changed twice within a tick of the file system's clock is listed later; here at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(access_files, "_RELIST_SECONDS", 0.0)
        yield


@dataclass(frozen=True)
class Request:
    """One request as it happens, at a proxy."""

    number: int
    proxy: str
    arm: Arm
    weight: float
    started: float
    seconds: float
    fails: bool

    def line(self, kind: str) -> str:
        """Its start or its end as the proxy writes it; ids are unique within a proxy alone."""
        route = RouteName(self.arm, MODEL, ATTEMPT, f"{ATTEMPT}.2", self.weight, captured=False)
        told = {"type": kind, "id": f"c-{self.number}", "route": str(route), "start": f"{self.started:.6f}"}
        if kind == "DownstreamEnd":
            microseconds = round(self.seconds * 1e6)
            told |= {"status": 500 if self.fails else 200, "duration_us": microseconds, "duration_ms": 0}
            told |= {"first_byte_us": microseconds, "tries": 1, "arm": self.arm}
            told |= {"details": "via_upstream", "flags": "-"}
        return json.dumps(told) + "\n"


@st.composite
def requests(draw):
    """Requests of two proxies within three seconds, under two weights; half of the ids are used by both."""
    made = []
    for number in range(draw(st.integers(1, 12))):
        started = 1000.0 + draw(st.integers(0, 29)) / 10 + number / 1e4
        proxies = draw(st.sampled_from([("",), ("east",), ("", "east")]))
        made += [
            Request(
                number,
                proxy,
                draw(st.sampled_from(list(Arm))),
                0.1 if started < 1001.5 else 0.5,
                started,
                draw(st.sampled_from([0.05, 0.2, 0.6, 1.2])),
                draw(st.booleans()),
            )
            for proxy in proxies
        ]
    return made


class Disk:
    """The logs of both proxies: lines are repeated, files put aside and proxies started anew."""

    def __init__(self, folder):
        """Begin with no log."""
        self.state = State(folder)
        self.file("").parent.mkdir(parents=True)
        self._aside = 0

    def file(self, proxy):
        """The file that a proxy writes to."""
        file = self.state.access_log(MODEL)
        return file.with_name(f"{MODEL}.{proxy}.jsonl") if proxy else file

    def write(self, proxy, text, *, torn=False):
        """Append a line, as one or in two pieces."""
        with self.file(proxy).open("a") as out:
            out.write(text[: len(text) // 2] if torn else text)
        if torn:
            with self.file(proxy).open("a") as out:
                out.write(text[len(text) // 2 :])

    def rotate(self, proxy):
        """Put the file aside, as a proxy that is told to or that starts on another file."""
        if self.file(proxy).exists():
            self._aside += 1
            self.file(proxy).rename(f"{self.file(proxy)}.{self._aside:06d}")


def run(folder, made, chances, *, steps):
    """Let the lines come in the order of their times, with accidents between; look every so often."""
    lines = sorted(
        [(one.started, n, one, "DownstreamStart") for n, one in enumerate(made)]
        + [(one.started + one.seconds, n, one, "DownstreamEnd") for n, one in enumerate(made)]
    )
    disk, looks = Disk(folder), []
    cursor, counter = Cursor(), counting.begin(ATTEMPT, 998.5)
    reader = AccessLog(disk.state, EnvoyAdmin(""))
    written, at = 0, 999.0
    for _ in range(steps):
        at += 0.3
        while written < len(lines) and lines[written][0] <= at:
            _, _, one, kind = lines[written]
            text = one.line(kind)
            disk.write(one.proxy, text, torn=chances.draw(st.booleans()))
            accident = chances.draw(st.sampled_from(["none", "none", "repeat", "rotate", "both"]))
            if accident in ("rotate", "both"):
                disk.rotate(one.proxy)
            if accident in ("repeat", "both"):
                disk.write(one.proxy, text)
            written += 1
        restarts = chances.draw(st.booleans())
        if restarts:  # a sentinel that starts again has what it saved, and nothing else
            reader = AccessLog(disk.state, EnvoyAdmin(""))
            cursor = SAVED.validate_json(SAVED.dump_json(cursor))
            counter = counting.Counter.from_json(counter.to_json())
        records, cursor = reader.read(MODEL, cursor)
        counter, more = counting.advance(counter, RULES, records, [], at)
        looks += more
    return looks, cursor


@settings(max_examples=60, deadline=None)
@given(made=requests(), chances=st.data())
def test_each_request_is_counted_once_under_the_weight_and_arm_of_its_start(tmp_path_factory, made, chances):
    """Whatever interleaving of starts, ends, repeats, rotations, torn lines and restarts of the sentinel."""
    looks, _ = run(tmp_path_factory.mktemp("chain"), made, chances, steps=30)
    counted = Count()
    for look in looks:
        counted[look.weight, Arm.LEGACY] += look.legacy.requests
        counted[look.weight, Arm.CANDIDATE] += look.candidate.requests
    assert +counted == Count((one.weight, one.arm) for one in made)
    failed = sum(one.fails or one.seconds > RULES.error_seconds for one in made)
    assert sum(look.legacy.errors + look.candidate.errors for look in looks) == failed


@settings(max_examples=60, deadline=None)
@given(made=requests(), chances=st.data())
def test_repeats_do_not_cover_up_what_is_missing(tmp_path_factory, made, chances):
    """The number of ended requests is held against the router's own: a line that comes again is not one more.

    Within one process: a reader that starts again begins anew with the router's count as well.
    """
    disk = Disk(tmp_path_factory.mktemp("repeats"))
    reader, cursor = AccessLog(disk.state, EnvoyAdmin("")), Cursor()
    for one in made:
        for kind in ("DownstreamStart", "DownstreamEnd"):
            for _ in range(chances.draw(st.integers(1, 3))):
                disk.write(one.proxy, one.line(kind))
                if chances.draw(st.booleans()):
                    disk.rotate(one.proxy)
                if chances.draw(st.booleans()):
                    _, cursor = reader.read(MODEL, cursor)
    _, cursor = reader.read(MODEL, cursor)
    assert cursor.ended == len(made)
    assert not cursor.in_flight


def test_a_log_that_stands_still_gives_the_same_cursor(tmp_path):
    """Nothing new is told by the very object that came in: the cheapest of tests."""
    disk = Disk(tmp_path)
    disk.write("", Request(1, "", Arm.LEGACY, 0.0, 1000.0, 0.1, fails=False).line("DownstreamEnd"))
    reader = AccessLog(disk.state, EnvoyAdmin(""))
    _, cursor = reader.read(MODEL)
    assert reader.read(MODEL, cursor) == ([], cursor)
    assert reader.read(MODEL, cursor)[1] is cursor
