"""Servers of one process alone: nobody has brought a lab up, and nothing is left."""

import httpx
import pytest

from turnout.domain.errors import InvalidInputError
from turnout.fabric.own_processes import OwnProcesses


def test_a_server_runs_without_a_lab_and_leaves_nothing(tiny, living):
    """It is ready when `ensure` returns; supervisor, processes and files are gone after the last `stop`."""
    own = OwnProcesses()
    pid = own.ensure(tiny, ready_within_seconds=30).pid
    assert httpx.get(tiny.ready_url).status_code == 200
    assert own.status("tiny").state == "ready"
    own.stop("tiny")
    assert not living([pid])
    assert not own.state.root.exists()
    own.stop("tiny")


def test_it_can_be_asked_again(tiny, living):
    """One package after the other is tried in the same process."""
    own = OwnProcesses()
    for _ in range(2):
        pid = own.ensure(tiny, ready_within_seconds=30).pid
        own.stop("tiny")
        assert not living([pid])


def test_a_server_that_does_not_come_up_leaves_nothing_either(tiny, make, free_port):
    """Whoever tries a server ends it whatever happened."""
    own = OwnProcesses()
    own.ensure(tiny, ready_within_seconds=30)
    with pytest.raises(InvalidInputError, match="port"):
        own.ensure(make("another", free_port), ready_within_seconds=30)
    own.stop("another")
    own.stop("tiny")
    assert not own.state.root.exists()
