import json
import signal
import subprocess
import sys
import time

from conftest import CONTRACT, ROOT, end, said

from tests.waiting import until
from turnout.fabric import ports


def test_a_failing_candidate_is_taken_back_and_no_client_notices(migration):
    """30 % failures at weight 0.5: rolled back by the sentinel alone, with its account; no client fails."""
    lab = migration.lab
    lab.sentinel()
    until(migration.armed, "armed at weight 0")
    assert lab.standing(migration.attempt)["weight"] == 0
    migration.change(weight=0.5)
    until(lambda: len(migration.candidate.clients) > 40, "the candidate has clients")
    assert migration.route.attempt == migration.attempt
    migration.candidate.failing = 0.3
    failed_from = time.time()
    until(lambda: migration.route.attempt is None, "rolled back")
    stone = lab.router.tombstone(migration.name, migration.attempt)
    assert stone.by == "sentinel"
    assert stone.reason.startswith("errors: ")
    until(lambda: lab.standing(migration.attempt).get("ended"), "the sentinel says so")
    standing = lab.standing(migration.attempt)
    assert (standing["armed"], standing["verdict"], standing["signal"]) == (False, "breach", "errors")
    time.sleep(0.5)
    last = max(migration.candidate.clients)
    assert last <= stone.at_seconds + 0.5
    migration.clients.stop()
    assert not migration.clients.failures
    print(f"rolled back {stone.at_seconds - failed_from:.1f} s after the first failure")
    account = lab.state.guard(migration.attempt).with_name(f"{migration.attempt}.breach.json")
    assert json.loads(account.read_text())["signal"] == "errors"
    looks = [json.loads(line) for line in lab.state.looks(migration.attempt).read_text().splitlines()]
    assert looks[-1]["verdict"] == "breach"
    assert all(look["weight"] == 0.5 for look in looks)
    asked = sum(look["candidate"]["requests"] for look in looks)
    # Counted by when the router took a request, seen here when it arrived: a little later.
    end = looks[-1]["at"] + 1
    surely, perhaps = (sum(at < end + late for at in migration.candidate.clients) for late in (0, 0.25))
    assert surely <= asked <= perhaps
    assert judged(lab.state.looks(migration.attempt))["verdict"] == "breach"


def judged(journal):
    """What `turnout judge` says of a journal of the sentinel."""
    bounds = [word for one in CONTRACT["bounds"].items() if one[0] != "slow_seconds" for word in bound(*one)]
    command = [sys.executable, "-m", "turnout", "judge", str(journal), *bounds]
    return json.loads(subprocess.run(command, check=True, capture_output=True, cwd=ROOT).stdout)


def bound(name, limit):
    """The options of one bound."""
    return ["--max", f"{name}={limit}"]


def test_without_a_living_sentinel_the_candidate_gets_nothing(migration):
    """Killed: no traffic after the lease, legacy answers everything; started again, it goes on."""
    lab = migration.lab
    sentinel = lab.sentinel()
    until(migration.armed, "armed")
    migration.change(weight=0.5)
    until(lambda: lab.standing(migration.attempt).get("step_looks", 0) >= 3, "looks are judged")
    sentinel.send_signal(signal.SIGKILL)
    sentinel.wait(10)
    looks = len(lab.state.looks(migration.attempt).read_text().splitlines())
    time.sleep(lab.settings.guard_lease_seconds)
    before = len(migration.candidate.clients)
    time.sleep(1)
    assert len(migration.candidate.clients) == before
    lab.sentinel()
    until(lambda: len(migration.candidate.clients) > before + 20, "the candidate has clients again")
    standing = lab.standing(migration.attempt)
    assert standing["looks"] > looks
    assert standing["ended"] is None
    migration.clients.stop()
    assert not migration.clients.failures
    journal = [json.loads(line) for line in lab.state.looks(migration.attempt).read_text().splitlines()]
    moments = [(look["at"], look["weight"]) for look in journal]
    assert len(set(moments)) == len(moments)
    seconds = [at for at, _ in moments]
    assert seconds == sorted(seconds)


def test_a_stopped_sentinel_is_as_good_as_none(migration):
    """SIGSTOP: no traffic within the lease; SIGCONT: it goes on, and the pause is held against nobody."""
    lab = migration.lab
    sentinel = lab.sentinel()
    until(migration.armed, "armed")
    migration.change(weight=0.5)
    until(lambda: len(migration.candidate.clients) > 20, "the candidate has clients")
    sentinel.send_signal(signal.SIGSTOP)
    time.sleep(lab.settings.guard_lease_seconds)
    before = len(migration.candidate.clients)
    time.sleep(1)
    assert len(migration.candidate.clients) == before
    sentinel.send_signal(signal.SIGCONT)
    until(lambda: len(migration.candidate.clients) > before + 20, "the candidate has clients again")
    assert migration.route.attempt == migration.attempt
    migration.clients.stop()
    assert not migration.clients.failures


def test_a_weight_without_a_word_is_taken_back(migration):
    """The flow that raised the weight died: when the step lease runs out the sentinel rolls back."""
    lab = migration.lab
    lab.sentinel()
    until(migration.armed, "armed")
    migration.change(weight=0.5, step_lease_seconds=3.0)
    until(lambda: migration.route.attempt is None, "rolled back")
    stone = lab.router.tombstone(migration.name, migration.attempt)
    assert (stone.by, stone.reason) == ("sentinel", "step lease ran out")
    migration.clients.stop()
    assert not migration.clients.failures


def test_a_second_sentinel_refuses_and_the_first_ends_cleanly(migration):
    """Two would count everything twice: the second says so and ends; SIGTERM disarms and saves."""
    lab = migration.lab
    sentinel = lab.sentinel()
    second = lab.service("sentinel", lab.admin_port)
    assert second.wait(60) == 1
    assert sentinel.poll() is None
    until(migration.armed, "armed")
    sentinel.terminate()
    assert sentinel.wait(10) == 0
    assert lab.state.guard(migration.attempt).exists()
    assert not migration.armed()


def test_a_torn_record_never_loses_a_breach(migration):
    """With clients on it, a record that cannot be read ends the attempt: a breach may be lost with it."""
    lab = migration.lab
    sentinel = lab.sentinel()
    until(migration.armed, "armed")
    migration.change(weight=0.5)
    until(lambda: lab.standing(migration.attempt).get("step_looks", 0) >= 2, "looks are judged")
    sentinel.kill()
    sentinel.wait(10)
    record = lab.state.guard(migration.attempt)
    record.write_text(record.read_text()[:-100])
    lab.sentinel()
    until(lambda: migration.route.attempt is None, "rolled back")
    stone = lab.router.tombstone(migration.name, migration.attempt)
    assert stone.by == "sentinel"
    assert "torn" in stone.reason
    assert not migration.clients.failures


def test_blind_means_unarmed_and_in_the_end_over(migration):
    """A log that stands still while requests complete: unarmed within the lease, rolled back in a minute."""
    lab = migration.lab
    lab.sentinel()
    until(migration.armed, "armed")
    migration.change(weight=0.5)
    until(lambda: len(migration.candidate.clients) > 20, "the candidate has clients")
    log = lab.state.access_log(migration.name)
    log.rename(log.with_name("elsewhere.log"))  # Envoy goes on writing there; the sentinel finds nothing
    until(lambda: not migration.armed(), "unarmed")
    assert "missing from the access log" in lab.standing(migration.attempt)["hold"]
    time.sleep(1)
    before = len(migration.candidate.clients)
    time.sleep(1)
    assert len(migration.candidate.clients) == before
    until(lambda: migration.route.attempt is None, "rolled back", 90)
    stone = lab.router.tombstone(migration.name, migration.attempt)
    assert stone.by == "sentinel"
    assert stone.reason.startswith("no fresh telemetry for ")
    assert len(migration.candidate.clients) == before
    migration.clients.stop()
    assert not migration.clients.failures


def test_a_share_that_does_not_fit_the_weight_holds(migration):
    """A log in which the candidate has more requests than its weight can explain: no pass, and the reason."""
    lab = migration.lab
    lab.sentinel()
    until(migration.armed, "armed")
    migration.change(weight=0.1)
    until(lambda: lab.standing(migration.attempt).get("step_looks", 0) >= 3, "looks are judged")
    log = lab.state.access_log(migration.name)

    def lie():
        """Tell each of the candidate's newest requests ten times more."""
        lines = [json.loads(line) for line in log.read_text().splitlines()[-100:]]
        told = [
            line
            for line in lines
            if line["type"] == "DownstreamEnd" and line["route"].startswith("candidate;")
        ]
        again = [
            {**line, "id": f"{line['id']}-{n}", "start": f"{time.time():.6f}"}
            for line in told
            for n in range(10)
        ]
        with log.open("a") as out:
            out.writelines(json.dumps(line) + "\n" for line in again)

    def held():
        lie()
        return "do not fit weight 0.1" in (lab.standing(migration.attempt).get("hold") or "")

    until(held, "held")
    assert lab.standing(migration.attempt)["verdict"] == "undecided"
    assert migration.route.attempt == migration.attempt


def test_a_sentinel_that_wakes_up_late_revives_nothing(migration):
    """Stopped, its lock gone, another one in its place: what that one rolled back stays so when it goes on.

    The router asks one address. While its sentinel is stopped nobody is armed, whatever another one thinks;
    that other one can only take back. And the lock is not all that keeps a second one off: the port is taken.
    """
    lab = migration.lab
    sentinel = lab.sentinel()
    until(migration.armed, "armed")
    migration.change(weight=0.5, step_lease_seconds=60.0)
    until(lambda: len(migration.candidate.clients) > 20, "the candidate has clients")
    sentinel.send_signal(signal.SIGSTOP)
    lock = lab.state.guard("any").with_name("lock")
    lock.unlink()
    assert lab.service("sentinel", lab.sentinel_port).wait(60) == 1  # the stopped one has the port
    other = lab.service("sentinel", port := ports.pick())
    try:
        until(
            lambda: (said(f"http://127.0.0.1:{port}/attempts/{migration.attempt}") or {}).get("armed"),
            "its word",
        )
        time.sleep(lab.settings.guard_lease_seconds)
        before = len(migration.candidate.clients)
        time.sleep(1)
        assert len(migration.candidate.clients) == before
        migration.change(weight=0.5, step_lease_seconds=0.1)
        until(lambda: migration.route.attempt is None, "rolled back by the other one")
        sentinel.send_signal(signal.SIGCONT)
        until(lambda: lab.standing(migration.attempt).get("ended"), "the late one sees it")
        assert not migration.armed()
        assert migration.route.attempt is None
        assert len(migration.candidate.clients) == before
    finally:
        end(other)
        end(sentinel)
    assert lab.router.tombstone(migration.name, migration.attempt).reason == "step lease ran out"
    migration.clients.stop()
    assert not migration.clients.failures
