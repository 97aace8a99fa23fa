import stat
from pathlib import Path

import pyotp
import pytest

from turnout.domain.errors import InvalidInputError, NotFoundError
from turnout.fabric.owners import Owners
from turnout.fabric.state import State

NOW = 1_790_000_010.0
FILE = """\
owners:
  ana: {name: Ana, models: [iris]}
  bo: {name: Bo, models: [cancer, both]}
  chi: {name: Chi, models: [both]}
"""


@pytest.fixture
def owners(state: State, tmp_path: Path) -> Owners:
    """Three owners, two of them enrolled."""
    file = tmp_path / "owners.yaml"
    file.write_text(FILE)
    found = Owners(state, file)
    found.enrol("ana")
    found.enrol("bo")
    return found


def test_an_owner_proves_themselves_with_their_own_code(owners: Owners):
    """The code of the owner's device is accepted, also one step before or after, spaces or not."""
    code = owners.code("ana", NOW)
    assert owners.verify("ana", f"{code[:3]} {code[3:]}", NOW + 30).accepted


def test_a_code_is_accepted_once(owners: Owners):
    """A code that was read over a shoulder is worth nothing."""
    code = owners.code("ana", NOW)
    assert owners.verify("ana", code, NOW).accepted
    again = owners.verify("ana", code, NOW + 1)
    assert (again.accepted, again.reason) == (False, "this code was used before")
    assert owners.verify("ana", owners.code("ana", NOW), NOW).accepted, "the next one is good"


def test_a_wrong_an_old_and_another_owners_code_are_refused(owners: Owners):
    """Each refusal says why."""
    code = owners.code("ana", NOW)
    wrong = "000000" if code != "000000" else "111111"
    assert owners.verify("ana", wrong, NOW).reason == "the code is wrong"
    assert not owners.verify("ana", owners.code("ana", NOW - 600), NOW).accepted
    assert "another owner's" in owners.verify("ana", owners.code("bo", NOW), NOW).reason


def test_secrets_are_their_keepers_alone(owners: Owners, state: State):
    """Nobody else on the machine reads secrets or used codes."""
    owners.verify("ana", "000000", NOW)
    assert stat.S_IMODE(state.owners.stat().st_mode) == 0o700
    for name in ("secrets.json", "used.json"):
        assert stat.S_IMODE((state.owners / name).stat().st_mode) == 0o600


def test_enrolling_again_changes_nothing(owners: Owners):
    """The owner's device stays good however often the lab comes up, and the URI holds its secret."""
    first, second = owners.enrol("ana"), owners.enrol("ana")
    assert first == second
    assert owners.code("ana", NOW) == pyotp.parse_uri(first).at(NOW)


def test_a_model_has_exactly_one_owner(owners: Owners):
    """A gate that nobody, or more than one, could answer is an error before it is asked."""
    assert owners.of("iris") == "ana"
    with pytest.raises(NotFoundError, match="0 owners"):
        owners.of("unknown")
    with pytest.raises(NotFoundError, match="2 owners"):
        owners.of("both")


@pytest.mark.parametrize(
    ("text", "said"),
    [("owners: [", "line"), ("owners: {ana: {models: [iris]}}", "ana.name"), ("people: {}", "owners")],
)
def test_an_owners_file_that_cannot_be_used_says_where(state: State, tmp_path: Path, text: str, said: str):
    """One clear error, with the place."""
    file = tmp_path / "owners.yaml"
    file.write_text(text)
    with pytest.raises(InvalidInputError, match=said):
        Owners(state, file).all()
