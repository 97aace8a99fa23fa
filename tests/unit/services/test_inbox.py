"""Records of proxies become lines: of known models alone, each once, whatever else comes in."""

import pytest

from tests.unit.router.proxy_records import DOOR, LEGACY, record, tried, unsent
from turnout.domain.requests import Arm
from turnout.fabric.state import State
from turnout.fabric.telemetry import SENT, AccessLog
from turnout.services.collector.inbox import LARGEST_VALUE_CHARACTERS, Inbox, Record
from turnout.services.collector.joining import HOLD_SECONDS

POD = "envoy-turnout-7d9-x"


class Nobody:
    """Counts nothing."""

    def reopen_logs(self):
        """Nothing is open."""


class Place:
    """A state directory with an inbox, a reader and a clock."""

    def __init__(self, root):
        """Begin with nothing taken; the model iris is registered."""
        self.state, self.seconds, self.cursor = State(root), 0.0, None
        self.inbox = Inbox(self.state, "turnout", {"iris"}.__contains__, lambda: self.seconds)
        self.log = AccessLog(self.state, Nobody(), SENT)

    def take(self, *attributes, proxy=POD):
        """Take records of one proxy; returns the requests that are read then."""
        self.inbox.take([Record(proxy, each) for each in attributes])
        requests, self.cursor = self.log.read("iris", self.cursor)
        return requests


@pytest.fixture
def place(tmp_path):
    """A state directory with an inbox."""
    return Place(tmp_path)


def test_a_request_is_written_and_read_once(place):
    """Of each proxy into a file of its own, under an id that no other proxy's has."""
    [one] = place.take(record(LEGACY))
    [other] = place.take(record(LEGACY), proxy="pod-2")
    assert {one.request_id, other.request_id} == {f"{POD}/7-1000000000", "pod-2/7-1000000000"}
    assert {file.name for file in place.state.access_log("iris").parent.iterdir()} == {
        f"iris.{POD}.jsonl",
        "iris.pod-2.jsonl",
    }


def test_the_word_that_nobody_was_asked_may_come_first_or_last(place):
    """Joined by the request's id and the proxy; each word is used once."""
    assert [one.diverted for one in place.take(unsent(), record(DOOR, LEGACY))] == [True]
    [legacys] = place.take(record(LEGACY, LEGACY, id="9-1", request="b"), tried(LEGACY, "404", "b"))
    assert (legacys.arm, legacys.tries) == (Arm.LEGACY, 2)
    assert place.take(record(DOOR, LEGACY, id="8-1")) == []
    assert place.take(unsent(), proxy="pod-2") == []
    assert [one.diverted for one in place.take(unsent())] == [True]
    place.seconds += HOLD_SECONDS
    assert place.take() == []


def test_without_the_word_the_candidate_failed(place):
    """After as long as the word may take."""
    assert place.take(record(DOOR, LEGACY)) == []
    place.seconds += HOLD_SECONDS - 0.01
    assert place.take() == []
    place.seconds += 0.01
    assert [one.rescued for one in place.take()] == [True]


def test_answers_that_have_begun_are_counted_as_the_proxies_count(place):
    """A request is counted when its answer begins, and not again at its end."""
    waits = {"type": "DownstreamPeriodic", "duration_us": "-"}
    counts = []
    for each in (
        record(DOOR, status="0", first_byte_us="-", details="-", **waits),
        record(DOOR, **waits),
        record(DOOR, **waits),
        record(DOOR),
        record(LEGACY, id="8-1"),
    ):
        place.take(each)
        counts.append((place.log.counted(place.cursor), place.cursor.ended))
    assert counts == [(0, 0), (1, 0), (1, 0), (1, 1), (2, 2)]


def test_what_is_not_ours_is_counted_and_left_out(place):
    """Other namespaces, unknown models, bad records, no pod's name, endless texts: no file, no error."""
    other = record(LEGACY, namespace="other")
    assert place.take(other, record(LEGACY, namespace="turnout", name="wine"), {}, {"a": "b"}) == []
    assert place.take(record(LEGACY), proxy="../../etc/passwd") == []
    assert place.take(record(LEGACY, details="x" * (LARGEST_VALUE_CHARACTERS + 1))) == []
    assert (place.inbox.tally.foreign, place.inbox.tally.unreadable) == (1, 5)
    assert not place.state.access_log("iris").parent.exists()
    unknown = Inbox(place.state, "turnout", set().__contains__)
    unknown.take([Record(POD, record(LEGACY))])
    assert unknown.tally.foreign == 1


def test_a_disk_that_takes_nothing_costs_lines_and_no_more(place):
    """They are counted as lost; the next ones are written when it takes them again."""
    folder = place.state.access_log("iris").parent
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("")
    place.inbox.take([Record(POD, record(LEGACY))])
    assert place.inbox.tally.lost == 1
    folder.unlink()
    assert len(place.take(record(LEGACY))) == 1


def test_a_file_put_aside_is_followed_by_a_new_one(place):
    """Nobody has to be told to reopen it."""
    place.take(record(LEGACY))
    place.log.rotate("iris", largest_bytes=1)
    assert len(place.take(record(LEGACY, id="8-1"))) == 1
    assert len(list(place.state.access_log("iris").parent.iterdir())) == 2
