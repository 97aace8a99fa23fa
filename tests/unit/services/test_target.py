import pytest

from turnout.domain.requests import Arm
from turnout.services.shadow.target import RECENT, Pace, target, unsuitable


@pytest.fixture
def aim(contract, make_route):
    """A healthy attempt in its canary."""
    return target(make_route(weight=0.5), contract, healthy=True)


def test_no_attempt_or_no_contract_is_no_target(contract, make_route):
    """Nothing is replayed to nobody, and nothing without a contract to compare by."""
    assert target(make_route(attempt=None, candidate=None), contract, healthy=True) is None
    assert target(make_route(), None, healthy=True) is None


def test_a_model_with_side_effects_is_never_replayed(contract, make_route, make_exchange):
    """The contract's word that requests may not be sent twice holds for replays too."""
    once = contract.model_copy(update={"policy": contract.policy.model_copy(update={"replayable": False})})
    assert (
        unsuitable(target(make_route(), once, healthy=True), make_exchange())
        == "the contract forbids replays"
    )


def test_only_the_candidates_own_answers_are_held_against_legacy(aim, make_exchange):
    """An answer that legacy gave in the candidate's place, or of unknown origin, would prove nothing."""
    assert unsuitable(aim, make_exchange(Arm.CANDIDATE)) is None
    rescued = make_exchange(Arm.CANDIDATE, answered_by=Arm.LEGACY)
    assert unsuitable(aim, rescued) is not None
    assert unsuitable(aim, make_exchange(Arm.CANDIDATE, attempt="iris-0")) is not None
    assert unsuitable(aim, make_exchange(Arm.LEGACY, attempt=None)) is None
    assert unsuitable(None, make_exchange()) == "no live attempt"


def test_replays_give_way_when_an_arm_with_clients_is_slow(aim, contract, make_route):
    """Slow legacy, or a slow candidate with clients, sheds replays; a slow one in shadow is measured."""
    pace = Pace()
    for _ in range(RECENT):
        pace.saw(Arm.LEGACY, 0.1)
        pace.saw(Arm.CANDIDATE, 0.9)
    assert pace.too_slow(aim) is Arm.CANDIDATE
    assert pace.too_slow(target(make_route(weight=0), contract, healthy=True)) is None
    for _ in range(RECENT):
        pace.saw(Arm.LEGACY, 0.9)
    assert pace.too_slow(aim) is Arm.LEGACY
    pace.forget()
    assert pace.too_slow(aim) is None
