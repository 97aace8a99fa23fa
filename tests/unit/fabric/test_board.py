import pytest

from turnout.domain.errors import InvalidInputError
from turnout.domain.server import ServerSpec, ServerStatus
from turnout.fabric.board import Board, Observed, digest
from turnout.fabric.state import State

SPEC = ServerSpec(name="one", environment="core", command=("true",))


def test_a_spec_is_read_as_it_was_put(state: State):
    """What a flow asks for is what the supervisor reads."""
    Board(state).put(SPEC)

    assert Board(state).names() == ["one"]
    assert Board(state).spec("one") == SPEC


def test_putting_the_same_spec_again_does_not_touch_the_file(state: State):
    """Asking again leaves no trace that could start a server anew."""
    Board(state).put(SPEC)
    before = (state.servers / "one.json").stat()

    Board(state).put(SPEC)

    assert (state.servers / "one.json").stat().st_ino == before.st_ino


def test_a_spec_taken_down_is_gone(state: State):
    """Taking down is seen by everybody, and harmless when repeated."""
    Board(state).put(SPEC)
    Board(state).take("one")
    Board(state).take("one")

    assert Board(state).names() == []
    assert Board(state).spec("one") is None


def test_what_cannot_be_read_is_unknown(state: State):
    """A damaged file is not taken for a spec or a status."""
    Board(state).put(SPEC)
    (state.servers / "one.json").write_text("{")

    assert Board(state).spec("one") is None
    assert Board(state).observed("one") is None


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", "-a", "a-", "a.b", ".hidden", "a\n"])
def test_a_name_that_could_be_another_file_is_refused(state: State, name: str):
    """Server names are DNS labels; none reaches outside its folder."""
    with pytest.raises(InvalidInputError):
        Board(state).put(SPEC.model_copy(update={"name": name}))


def test_a_changed_spec_has_another_digest():
    """Any change of a spec is seen."""
    assert digest(SPEC) == digest(SPEC.model_copy())
    assert digest(SPEC) != digest(SPEC.model_copy(update={"env": {"A": "1"}}))


def test_a_status_is_read_as_it_was_shown(state: State):
    """What the supervisor saw is what everybody reads."""
    seen = Observed(digest="d", status=ServerStatus(name="one", state="ready", pid=7, restarts=2))
    Board(state).show(seen)

    assert Board(state).observed("one") == seen
    Board(state).forget("one")
    assert Board(state).observed("one") is None


def test_without_a_supervisor_there_is_none(state: State):
    """A lock file that nobody holds is no supervisor."""
    assert Board(state).supervisor() is None
    state.servers.mkdir(parents=True)
    Board(state).lock_file.write_text("4711")
    assert Board(state).supervisor() is None
