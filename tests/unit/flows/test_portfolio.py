"""Waves one after the other, and no more migrations at once than asked for; no Prefect."""

from types import SimpleNamespace
from uuid import uuid4

import pytest
from prefect.states import Completed, Failed, Running

from flows import portfolio as module
from flows.portfolio import portfolio

WAVES = {1: ("iris", "wine", "topics"), 2: ("digits",)}


class Server:
    """Prefect's part: a run ends at the second look, well or as a test says."""

    def __init__(self):
        """Nothing has started."""
        self.models, self.looks, self.most, self.bad = {}, {}, 0, set()

    def __enter__(self):
        """It is its own client."""
        return self

    def __exit__(self, *_):
        """Nothing is kept open."""

    def start(self, model):
        """Start a run."""
        run = uuid4()
        self.models[run] = model
        self.most = max(self.most, sum(looks < 2 for looks in self.looks.values()) + 1)
        self.looks[run] = 0
        return run

    def read_flow_run(self, run):
        """How it stands."""
        self.looks[run] += 1
        bad = self.models[run] in self.bad
        ended = Failed(name="Rolled back") if bad else Completed(name="Cut over")
        return SimpleNamespace(state=ended if self.looks[run] > 1 else Running(), run_count=1)


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A planned estate."""
    made = Server()
    (tmp_path / "plan.json").touch()
    state = SimpleNamespace(work=tmp_path)
    monkeypatch.setattr(module, "current", lambda: SimpleNamespace(state=state))
    monkeypatch.setattr(module, "waves", lambda _state, _models: WAVES)
    monkeypatch.setattr(module, "_start", made.start)
    monkeypatch.setattr(module, "get_client", lambda **_: made)
    monkeypatch.setattr(module, "_POLL_SECONDS", 0.0)
    return made


@pytest.mark.parametrize(("at_once", "most"), [(None, 3), (2, 2), (1, 1)])
def test_every_wave_is_seen_to_its_end(server, at_once, most):
    """In the order of the plan, and never more at once than asked for."""
    assert portfolio.fn(at_once=at_once).is_completed()
    assert list(server.models.values()) == ["iris", "wine", "topics", "digits"]
    assert server.most == most


def test_a_wave_with_a_failure_is_the_last(server):
    """Its other models go on; the next wave does not begin, unless it is asked for."""
    server.bad = {"wine"}
    state = portfolio.fn(at_once=1)
    assert (state.name, state.message) == ("Stopped", "wave 1: wine: Rolled back")
    assert "digits" not in server.models.values()
    assert portfolio.fn(stop_on_failure=False).is_completed()
    assert "digits" in server.models.values()
