from hypothesis import given
from hypothesis import strategies as st

from turnout.services.sentinel.clock import Now
from turnout.services.sentinel.leases import GuardLease, StepClock

times = st.floats(min_value=0, max_value=1e7)


def test_a_guard_lease_begins_unarmed():
    """A sentinel that has judged nothing yet arms nothing."""
    assert not GuardLease(4.0).fresh(0.0)


@given(seconds=st.floats(min_value=0.1, max_value=60), renewed=times, later=times)
def test_a_guard_lease_lasts_its_length_and_no_longer(seconds, renewed, later):
    """Fresh exactly from its renewal on for as long as it is, whatever looking did since."""
    lease = GuardLease(seconds).renewed(renewed).failed(renewed + later)
    assert lease.fresh(renewed + later) == (renewed + later - renewed < seconds)
    assert not lease.fresh(renewed - 1)


def test_blindness_counts_from_the_first_look_that_failed():
    """A sentinel that was stopped for an hour looks first; the hour is held against nobody."""
    lease = GuardLease(4.0).renewed(100.0)
    assert lease.blind_seconds(3700.0) == 0
    lease = lease.failed(3700.0)
    assert (lease.blind_seconds(3700.0), lease.failed(3710.0).blind_seconds(3710.0)) == (0.0, 10.0)
    assert lease.renewed(3711.0).blind_seconds(3711.0) == 0


def test_a_step_lease_runs_on_over_a_restart():
    """The clock is kept by the machine, not by the process, and setting the wall clock changes nothing."""
    clock = StepClock.begin("iris-1.3", Now(unix_seconds=1000.0, boot_seconds=50.0, boot_id="a"))
    again = StepClock.model_validate_json(clock.model_dump_json())
    set_back = Now(unix_seconds=0.0, boot_seconds=349.0, boot_id="a")
    assert not again.ran_out(300.0, set_back)
    assert again.ran_out(300.0, Now(unix_seconds=0.0, boot_seconds=350.0, boot_id="a"))
    assert not again.ran_out(None, Now(unix_seconds=0.0, boot_seconds=1e9, boot_id="a"))


def test_a_step_lease_runs_on_over_a_reboot():
    """After the machine started anew the wall clock is all there is; it never makes the time negative."""
    clock = StepClock.begin("iris-1.3", Now(unix_seconds=1000.0, boot_seconds=5000.0, boot_id="a"))
    assert clock.elapsed_seconds(Now(unix_seconds=1400.0, boot_seconds=3.0, boot_id="b")) == 400.0
    assert clock.elapsed_seconds(Now(unix_seconds=900.0, boot_seconds=3.0, boot_id="b")) == 0.0
