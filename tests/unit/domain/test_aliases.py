import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.domain.aliases import CANDIDATE, PREVIOUS, SERVING, Aliases, promoted, taken_back

VERSIONS = st.one_of(st.none(), st.sampled_from(["1", "2", "3"]))


def after(known: Aliases, markings, *, most: int | None = None) -> Aliases:
    """The aliases after some of the changes, in their order."""
    names = {"serving": known.serving, "candidate": known.candidate, "previous": known.previous}
    for one in list(markings)[:most]:
        names[one.alias] = one.version
    return Aliases(**names)


@pytest.mark.parametrize(
    ("known", "then"),
    [
        (Aliases(candidate="4"), Aliases(serving="4")),
        (Aliases(serving="3", candidate="4"), Aliases(serving="4", previous="3")),
        (Aliases(serving="3", candidate="4", previous="2"), Aliases(serving="4", previous="3")),
        (Aliases(serving="3", candidate="5"), Aliases(serving="4", previous="3", candidate="5")),
    ],
)
def test_what_was_cut_over_serves_and_what_served_was_before(known, then):
    """And it is no candidate any more; another one may be."""
    assert after(known, promoted(known, "4")) == then


@pytest.mark.parametrize(
    ("known", "then"),
    [
        (Aliases(serving="4", previous="3"), Aliases(serving="3")),
        (Aliases(serving="4"), Aliases()),
        (Aliases(serving="3", candidate="4", previous="2"), Aliases(serving="3", previous="2")),
        (Aliases(serving="5", candidate="6", previous="4"), Aliases(serving="5", candidate="6")),
        (Aliases(serving="5"), Aliases(serving="5")),
    ],
)
def test_what_was_taken_back_is_nothing_and_what_was_before_serves(known, then):
    """Legacy serves where nothing else was before."""
    assert after(known, taken_back(known, "4")) == then


@given(VERSIONS, VERSIONS, VERSIONS, st.integers(0, 3), st.booleans())
def test_killed_at_any_point_and_repeated_it_comes_to_the_same(serving, candidate, previous, done, back):
    """A flow that dies between two changes is started again, and nothing comes out otherwise."""
    change = taken_back if back else promoted
    known = Aliases(serving, candidate, previous)
    whole = after(known, change(known, "4"))
    broken = after(known, change(known, "4"), most=done)
    again = after(broken, change(broken, "4"))
    assert again == whole
    assert after(again, change(again, "4")) == again


def test_the_names_are_those_of_the_registry():
    """Owners and scripts look for these."""
    assert (SERVING, CANDIDATE, PREVIOUS) == ("serving", "candidate", "previous")
