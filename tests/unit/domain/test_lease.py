from hypothesis import given
from hypothesis import strategies as st

from turnout.domain.lease import TRUSTED_SHARE, Claim, Seen, trusted

SECONDS = 5.0


def seen(holder="a", version="1", since=0.0):
    """A lease as somebody sees it."""
    return Seen(holder=holder, version=version, seconds=SECONDS, since_seconds=since)


def test_the_holder_renews_and_others_wait_until_it_has_run_out():
    """A lease that nobody has renewed for its length may be taken; before that it is its holder's."""
    assert seen().claim("a", 100.0) is Claim.RENEW
    assert seen().claim("b", SECONDS - 0.1) is Claim.WAIT
    assert seen().claim("b", SECONDS) is Claim.TAKE


def test_a_lease_of_nobody_may_be_taken_at_once():
    """Whoever gave it back, or a Lease that was never held."""
    assert seen(holder="").claim("b", 0.0) is Claim.TAKE


def test_a_renewal_makes_it_young_again_and_another_look_does_not():
    """Its age is counted from when its version was first seen."""
    assert seen(since=0.0).after(seen(since=3.0)).since_seconds == 0.0
    assert seen(version="1").after(seen(version="2", since=3.0)).since_seconds == 3.0


@given(
    renewals=st.lists(st.floats(0.1, 20), min_size=1, max_size=20),
    delay=st.floats(0, 2),
    look=st.floats(0.1, 3),
)
def test_the_holder_stops_before_another_may_begin(renewals, delay, look):
    """However late a renewal arrives and whenever the other looks: never two that may act at one moment.

    The one who waits sees a version some time after it was asked for, and counts from then.
    """
    asked = 0.0
    for pause in renewals:
        first_seen = asked + delay + look
        taken = first_seen + SECONDS
        assert not trusted(asked, SECONDS, taken)
        asked += pause


def test_what_was_never_asked_for_is_not_held():
    """Nor is what was asked for too long ago; a clock that was set back holds nothing."""
    assert not trusted(None, SECONDS, 0.0)
    assert trusted(10.0, SECONDS, 10.0 + SECONDS * TRUSTED_SHARE - 0.01)
    assert not trusted(10.0, SECONDS, 10.0 + SECONDS * TRUSTED_SHARE)
    assert not trusted(10.0, SECONDS, 9.0)
