"""What a generating model is asked when its owner lets it be loaded, and what is told of it."""

import json

import pytest

from tasks import generation as module
from tasks.discover import discover_estate
from tasks.generation import side_by_side
from tasks.plan import plan_estate
from turnout.domain.contract import BaselineLoad
from turnout.domain.generation import StreamRecord
from turnout.domain.route import Backend
from turnout.fabric import contracts
from turnout.fabric.registry.evidence import MemoryEvidence
from turnout.fabric.state import State
from turnout.lab import chats
from turnout.lab import estate as lab
from turnout.settings import Settings
from turnout.wiring import migrating
from turnout.wiring.migrating import Wiring

MODEL = "smollm"
ARMS = {"legacy": Backend(name="smollm-legacy", port=2), "candidate": Backend(name="smollm-1", port=3)}
LOAD = BaselineLoad(load=True, ceiling_per_second=0.5, step_seconds=8.0, between_tokens_seconds=0.2)


@pytest.fixture
def wiring(tmp_path):
    """The lab's language model in files: planned, with a golden set, and its owner lets it be loaded."""
    state = State(tmp_path / "state")
    lab.lay_out(state, lab.Portfolio.FULL)
    for file in (state.estate / "manifests").iterdir():
        if file.stem != MODEL:
            file.unlink()
    folders = {name: state.estate / name for name in ("manifests", "contracts")}
    settings = Settings(
        state=state.root, **folders, pools=state.estate / "pools.yaml", owners=state.estate / "owners.yaml"
    )
    made = Wiring(settings, evidence=MemoryEvidence())
    migrating.use(made)
    discover_estate.fn()
    plan_estate.fn()
    contracts.write(settings.contracts, made.contract(MODEL).model_copy(update={"baseline": LOAD}))
    file = state.work / "golden" / f"{MODEL}.jsonl"
    file.parent.mkdir(parents=True)
    answer = {"choices": [{"message": {"content": "Paris."}}]}
    rows = [chats.request(made.contract(MODEL), [row]).decode() for row in chats.rows()[:3]]
    file.write_text("".join(json.dumps({"request": r, "response": json.dumps(answer)}) + "\n" for r in rows))
    yield made
    migrating.use(None)


@pytest.fixture
def sent(monkeypatch):
    """What AIPerf was asked for; the candidate is four times as fast."""
    asked = []

    def send(url, bodies, **how):
        asked.append((url, list(bodies), how))
        pace = 0.4 if ":2/" in url else 0.1
        return [
            StreamRecord(due, tuple(due + pace * n for n in range(1, 7)), due + 6 * pace, 30, 6)
            for due in (0.0, 2.0, 4.0, 6.0)
        ]

    monkeypatch.setattr(module.aiperf, "send", send)
    return asked


def test_both_arms_are_sent_the_golden_chats_as_streams_at_the_ceiling(wiring, sent, tmp_path):
    """One after the other, the same bodies, each with its usage asked for."""
    side_by_side(wiring, wiring.contract(MODEL), ARMS, tokenizer=tmp_path)
    (first, bodies, how), (second, same, again) = sent
    assert first == "http://127.0.0.1:2/openai/v1/chat/completions"
    assert second == "http://127.0.0.1:3/openai/v1/chat/completions"
    assert (bodies, how) == (same, again)
    assert how == {"rate": 0.5, "seconds": 8.0, "within_seconds": 28.0, "tokenizer": tmp_path}
    assert all(body["stream"] and body["stream_options"] == {"include_usage": True} for body in bodies)
    assert [body["messages"][0]["content"] for body in bodies] == [r["prompt"] for r in chats.rows()[:3]]


def test_first_token_pace_goodput_and_cost_stand_side_by_side(wiring, sent, tmp_path):
    """The candidate's chats are good ones, legacy's too slow; tokens cost what the planned pool does."""
    found = side_by_side(wiring, wiring.contract(MODEL), ARMS, tokenizer=tmp_path)
    assert sent
    legacy, candidate = found["legacy"], found["candidate"]
    assert legacy["time_to_first_token_seconds"]["p50"]["estimate"] == pytest.approx(0.4)
    assert candidate["time_between_tokens_seconds"]["p50"]["estimate"] == pytest.approx(0.1)
    assert candidate["tokens_per_second"]["out"] == pytest.approx(24 / 6.6)
    assert (legacy["goodput_per_second"], candidate["goodput_per_second"]) == (0.0, pytest.approx(4 / 6.6))
    assert candidate["bounds"] == {"first_token_seconds": 10.0, "between_tokens_seconds": 0.2}
    cost = candidate["cost"]
    if cost["usd_per_million_tokens_out"] is not None:
        assert cost["usd_per_million_tokens_out"] < legacy["cost"]["usd_per_million_tokens_out"]
    assert "USD an hour" in cost["assumes"]
