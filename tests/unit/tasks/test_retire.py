"""Legacy goes on its owner's word alone, and once its successor is fit to stand; it comes back first."""

import time
from dataclasses import dataclass, field

import pytest

from runtimes.wire import Reply
from tasks.retire import fit_to_retire, restore_legacy, retire_legacy
from turnout.domain.approval import Approval, Decision, Gate
from turnout.domain.attempt import End, Outcome
from turnout.domain.canary import SentinelReport
from turnout.domain.contract import Rollout
from turnout.domain.errors import RefusedError, TemporaryError
from turnout.domain.evidence import Verdict
from turnout.domain.route import Backend, Opening, RouteChange
from turnout.fabric import contracts

DAY = 86_400


@dataclass
class Parts:
    """Sentinel, legacy servers and their size in one, in the order in which they are used."""

    report_: SentinelReport | None = None
    done: list[str] = field(default_factory=list)
    status: int = 200
    body: bytes = b'{"predictions": [0]}'
    is_scaled_here: bool = True

    def report(self, _attempt):
        """The sentinel's word."""
        return self.report_

    def scales(self, _model):
        """Whether it can be scaled."""
        return self.is_scaled_here

    def retire(self, _model):
        """Scale it down."""
        self.done.append("down")

    def restore(self, _model):
        """Bring it back."""
        self.done.append("up")

    def predict(self, _contract, _body):
        """Legacy's answer."""
        self.done.append("asked")
        return Reply(status=self.status, body=self.body, seconds=0.0)


@pytest.fixture
def parts():
    """A sentinel that guards the attempt at its full share."""
    return Parts(SentinelReport(attempt="iris-1", armed=True, weight=0.95, verdict="pass"))


@pytest.fixture
def wiring(estate, parts, monkeypatch):
    """A model that was cut over eight days ago."""
    made = estate.wiring
    made.__dict__ |= {"sentinel": parts, "legacy_size": parts, "legacy": parts}
    monkeypatch.setattr("tasks.retire.golden", lambda _wiring, _model: [{"request": {}}] * 5)
    monkeypatch.setattr("tasks.retire._ANSWERS_WITHIN_SECONDS", 0.0)
    made.attempts.new("iris")
    made.router.open(Opening(model="iris", attempt="iris-1", candidate=Backend(name="iris-1", port=3)))
    for weight in (0.5, 0.95):
        version = made.router.read("iris").version
        made.router.change(RouteChange(model="iris", attempt="iris-1", read_version=version, weight=weight))
    cut_over = End(outcome=Outcome.CUT_OVER, by="migrate", reason="95%", at_seconds=time.time() - 8 * DAY)
    made.attempts.end("iris-1", cut_over)
    return made


def approve(wiring, evidence, decision=Decision.APPROVE):
    """The owner's word over this very evidence."""
    wiring.approvals.record(
        Approval(
            model="iris", attempt="iris-1", gate=Gate.RETIRE, ask=1, owner="ana", decision=decision,
            reason="", evidence_digest=evidence.digest, at_seconds=time.time(),
        )
    )  # fmt: skip


@pytest.mark.usefixtures("wiring")
def test_a_candidate_that_has_served_for_long_is_fit():
    """The owner is shown for how long, at which share, and what the sentinel has seen."""
    found = fit_to_retire.fn("iris", "iris-1")
    assert found.verdict is Verdict.PASS
    assert found.measurements["served_seconds"] == pytest.approx(8 * DAY, abs=60)


@pytest.mark.usefixtures("wiring")
@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"armed": False}, "the sentinel does not guard it now"),
        ({"hold": "counting is late"}, "counting is late"),
        ({"verdict": "breach"}, "breach"),
    ],
)
def test_one_that_nothing_guards_is_not(parts, change, missing):
    """What the sentinel does not vouch for now does not stand alone."""
    parts.report_ = parts.report_.model_copy(update=change)
    found = fit_to_retire.fn("iris", "iris-1")
    assert found.verdict is Verdict.HOLD
    assert missing in found.reasons[0]


def test_nor_is_one_that_serves_for_too_short_or_too_little(wiring, parts):
    """The contract says how long; a share below the full one, and legacy of others, are said too."""
    longer = wiring.contract("iris").model_copy(update={"rollout": Rollout(retire_after_seconds=9 * DAY)})
    contracts.write(wiring.settings.contracts, longer)
    parts.report_, parts.is_scaled_here = None, False
    wiring.router.roll_back("iris", "iris-1", reason="x", by="x")
    found = fit_to_retire.fn("iris", "iris-1")
    assert found.verdict is Verdict.HOLD
    assert len(found.reasons) == 4


def test_without_the_owners_word_nothing_changes(wiring, parts):
    """A retirement that is started alone gets nowhere; neither does a rejected one."""
    found = fit_to_retire.fn("iris", "iris-1")
    with pytest.raises(RefusedError, match="gate retire"):
        retire_legacy.fn("iris", "iris-1")
    approve(wiring, found, Decision.REJECT)
    with pytest.raises(RefusedError, match="reject"):
        retire_legacy.fn("iris", "iris-1")
    assert wiring.router.read("iris").stable.name == "iris-legacy"
    assert parts.done == []


def test_legacy_goes_and_comes_back(wiring, parts):
    """The new servers are the stable ones before legacy ends; legacy answers before it has clients again."""
    approve(wiring, fit_to_retire.fn("iris", "iris-1"))
    assert retire_legacy.fn("iris", "iris-1").outcome is Outcome.RETIRED
    route = wiring.router.read("iris")
    assert (route.attempt, route.stable.name, route.weight) == (None, "iris-1", 0.0)
    assert wiring.attempts.ended("iris-1").outcome is Outcome.RETIRED
    assert retire_legacy.fn("iris", "iris-1").outcome is Outcome.RETIRED  # started again
    assert parts.done == ["down", "down"]
    assert restore_legacy.fn("iris", "iris-1", "too slow", "ana").reason == "too slow"
    assert wiring.router.read("iris").stable.name == "iris-legacy"
    assert parts.done == ["down", "down", "up", "asked", "asked", "asked"]
    assert wiring.attempts.ended("iris-1").outcome is Outcome.ROLLED_BACK
    with pytest.raises(RefusedError, match="not retired"):
        restore_legacy.fn("iris", "iris-1", "again", "ana")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"status": 503}, "503"),
        ({"body": b'{"answers": [0]}'}, "predictions"),
        ({"body": b"ok"}, "JSON"),
    ],
)
def test_legacy_that_does_not_answer_well_gets_no_clients(wiring, parts, change, fault):
    """What is asked in vain is left out of the route; the new servers go on."""
    approve(wiring, fit_to_retire.fn("iris", "iris-1"))
    retire_legacy.fn("iris", "iris-1")
    parts.__dict__ |= change
    with pytest.raises(TemporaryError, match=fault):
        restore_legacy.fn("iris", "iris-1", "back", "ana")
    assert wiring.router.read("iris").stable.name == "iris-1"


def test_a_rollback_that_comes_first_wins(wiring, parts):
    """The sentinel sends the attempt back between the owner's word and the act: legacy stays."""
    approve(wiring, fit_to_retire.fn("iris", "iris-1"))
    kept = wiring.router.register

    def register(registration):
        route = kept(registration)
        wiring.router.roll_back("iris", "iris-1", reason="errors", by="sentinel")
        return route

    wiring.router.register = register
    with pytest.raises(RefusedError, match="sentinel: errors"):
        retire_legacy.fn("iris", "iris-1")
    assert wiring.router.read("iris").stable.name == "iris-legacy"
    assert wiring.attempts.ended("iris-1").outcome is Outcome.ROLLED_BACK
    assert wiring.attempts.retirement("iris-1") is None
    assert parts.done == []
