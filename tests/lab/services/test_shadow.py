import json
import time

import pytest
import yaml
from conftest import said

from tasks import shadow as shadowing
from tests.waiting import until
from turnout.domain.evidence import Verdict
from turnout.domain.expectations import Evidenced
from turnout.domain.requests import Arm
from turnout.fabric import comparison_files, suites
from turnout.fabric.comparison_files import START
from turnout.fabric.registry.evidence import MemoryEvidence
from turnout.fabric.state import State
from turnout.fabric.validator import GreatExpectations
from turnout.fabric.whole import write
from turnout.wiring import migrating
from turnout.wiring.migrating import Wiring


@pytest.fixture
def guarded(migration):
    """A migration whose sentinel arms the candidate."""
    migration.lab.sentinel()
    until(migration.armed, "armed")
    return migration


def captured(migration):
    """What was captured of the model."""
    file = migration.lab.state.captures(migration.name)
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def compared(migration):
    """What was compared of the attempt."""
    return comparison_files.read(migration.lab.state.comparisons(migration.attempt), START, examples=True)[0]


@pytest.fixture(scope="module")
def expecting(tmp_path_factory):
    """Great Expectations, loaded once."""
    validator = GreatExpectations(State(tmp_path_factory.mktemp("state")))
    yield validator
    validator.close()


@pytest.fixture
def tested(guarded, expecting):
    """Run the shadow test as the flow does, evidence kept in memory."""
    evidence = MemoryEvidence()
    lab = guarded.lab
    migrating.use(Wiring(lab.settings, evidence=evidence, validator=expecting))
    yield lambda: shadowing.shadow_test.fn(guarded.name, guarded.attempt)
    migrating.use(None)


def test_captures_are_what_clients_sent_and_got(migration):
    """Every captured pair is, byte for byte of its JSON, a request of a client and the answer that it got."""
    migration.change(capture_share=1.0)
    until(lambda: len(captured(migration)) > 50, "exchanges are captured")
    migration.clients.stop()
    answers = {row[0]: answer for _, row, answer in migration.clients.answers}
    assert not migration.clients.failures
    seen = captured(migration)
    for one in seen:
        (row,) = json.loads(one["request"])["instances"]
        assert json.loads(one["response"])["predictions"] == [answers[row[0]]]
        assert (one["arm"], one["answered_by"], one["status"]) == ("legacy", "legacy", 200)
        assert one["attempt"] == migration.attempt
        assert one["path"] == f"/v1/models/{migration.name}:predict"
        assert not one["request_base64"]
        assert 0 <= one["duration_seconds"] < 5
    rows = [json.loads(one["request"])["instances"][0][0] for one in seen]
    assert len(rows) == len(set(rows))


def test_nothing_is_captured_that_the_route_does_not_ask_for(migration):
    """At a capture share of 0 the shadow service sees nothing."""
    until(lambda: len(migration.clients.answers) > 60, "clients call")
    assert captured(migration) == []
    assert migration.candidate.replays == []


def test_a_healthy_candidate_passes_off_the_request_path(guarded, tested):
    """The test passes on replays alone: no client ever reaches the candidate, and none notices anything."""
    evidence = tested()
    assert evidence.verdict is Verdict.PASS, evidence.reasons
    assert evidence.measurements["samples"] >= 60
    assert evidence.measurements["differing"] == 0
    assert evidence.measurements["latency"]["candidate"]["p50"]["low_seconds"] > 0
    assert guarded.candidate.clients == []
    assert len(guarded.candidate.replays) >= evidence.measurements["samples"]
    assert guarded.legacy.replays
    guarded.clients.stop()
    assert not guarded.clients.failures
    assert tested() == evidence  # fresh passing evidence is not measured again


def test_samples_that_their_suite_does_not_accept_hold_the_test(guarded, tested):
    """A pass on evidence that the owner calls insufficient is a hold, which names the expectation."""
    file = suites.suite_file(guarded.lab.settings.suites, guarded.name, Evidenced.SHADOW_SAMPLES)
    write(
        file, "expectations:\n- {type: expect_table_row_count_to_be_between, kwargs: {min_value: 100000}}\n"
    )
    _shorten(guarded.lab.settings.contracts / f"{guarded.name}.yaml", longest_seconds=20.0)
    evidence = tested()
    assert evidence.verdict is Verdict.HOLD
    (reason,) = evidence.reasons
    assert reason.startswith("shadow_samples: expect_table_row_count_to_be_between")
    assert f"{file}:2" in reason
    assert evidence.measurements["samples"] >= 60
    assert evidence.measurements["unmet_expectations"][0]["suite"] == "shadow_samples"


def test_both_arms_are_loaded_where_their_owner_allows_it(guarded, tested):
    """After a passed test each rate goes to both servers; what they carry is part of the evidence."""
    file = guarded.lab.settings.contracts / f"{guarded.name}.yaml"
    contract = yaml.safe_load(file.read_text())
    contract["baseline"] = {"load": True, "ceiling_per_second": 16.0, "step_seconds": 1.0}
    contract["bounds"]["slow_seconds"] = 10.0
    write(file, yaml.safe_dump(contract))
    asked = {"request": json.dumps({"instances": [[1.0]]}), "response": json.dumps({"predictions": [1.0]})}
    write(guarded.lab.state.work / "golden" / f"{guarded.name}.jsonl", json.dumps(asked) + "\n")
    evidence = tested()
    assert evidence.verdict is Verdict.PASS, evidence.reasons
    for arm in ("legacy", "candidate"):
        found = evidence.measurements["load"][arm]
        assert [step["rate_per_second"] for step in found["steps"]] == [1.0, 2.0, 4.0, 8.0, 16.0]
        assert [step["sent"] for step in found["steps"]] == [1, 2, 4, 8, 16]
        assert found["per_second"] > 0
    guarded.clients.stop()
    assert not guarded.clients.failures


def _shorten(file, *, longest_seconds):
    contract = yaml.safe_load(file.read_text())
    contract["rollout"]["shadow_longest_seconds"] = longest_seconds
    write(file, yaml.safe_dump(contract))


def test_a_wrong_candidate_is_told_with_examples(guarded, tested):
    """Answers that are well-formed and wrong stop the attempt in shadow, and the owner sees which."""
    guarded.candidate.offset = 1.0
    evidence = tested()
    assert evidence.verdict is Verdict.FAIL
    assert any("differ from legacy's" in reason for reason in evidence.reasons)
    for example in evidence.measurements["examples"]:
        (row,) = json.loads(example["request"])["instances"]
        assert json.loads(example["old"])["predictions"] == [sum(row)]
        assert json.loads(example["new"])["predictions"] == [sum(row) + 1]
        assert example["distance"] == 1
    assert guarded.candidate.clients == []


def test_a_candidate_that_does_not_answer_replays_fails(guarded, tested):
    """Half of the replays failing is a failure, and said to be one of answering."""
    guarded.candidate.failing = 0.5
    evidence = tested()
    assert evidence.verdict is Verdict.FAIL
    assert evidence.measurements["failing"] > 0


def test_in_the_canary_the_candidates_answers_are_held_against_legacy(guarded):
    """What the candidate told clients is replayed to legacy; wrong answers are a breach of `differs`."""
    guarded.change(weight=0.5, capture_share=1.0)
    until(
        lambda: [c for c in compared(guarded) if c.captured_from is Arm.CANDIDATE],
        "answers of the candidate are compared",
    )
    assert not any(c.new_differs for c in compared(guarded))
    guarded.candidate.offset = 1.0
    until(lambda: guarded.route.attempt is None, "rolled back")
    stone = guarded.lab.router.tombstone(guarded.name, guarded.attempt)
    assert stone.reason.startswith("differs: ")
    wrong = [c for c in compared(guarded) if c.captured_from is Arm.CANDIDATE and c.new_differs]
    assert wrong


def test_without_the_sentinels_word_nothing_is_replayed(migration):
    """Replays are the first load to be shed: no sentinel, no replays, and the reason is counted."""
    migration.lab.no_sentinel()
    migration.change(capture_share=1.0)
    until(lambda: len(captured(migration)) > 30, "exchanges are captured")
    counts = migration.lab.state.captures(migration.name).with_name(f"{migration.name}.counts.json")
    until(lambda: counts.exists() and "healthy" in counts.read_text(), "counted")
    assert migration.candidate.replays == []
    assert migration.legacy.replays == []


def test_a_model_with_side_effects_is_never_replayed(guarded):
    """The contract's word that requests may not be sent twice is kept, sentinel or not."""
    file = guarded.lab.settings.contracts / f"{guarded.name}.yaml"
    contract = yaml.safe_load(file.read_text())
    contract["policy"]["replayable"] = False
    write(file, yaml.safe_dump(contract))
    time.sleep(1.5)  # the shadow service looks once a second
    guarded.change(capture_share=1.0)
    until(lambda: len(captured(guarded)) > 60, "exchanges are captured")
    assert guarded.candidate.replays == []
    assert guarded.legacy.replays == []
    assert said(f"{guarded.lab.settings.sentinel}/attempts/{guarded.attempt}")["armed"]
