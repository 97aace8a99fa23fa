import json

from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.cli.judge import command
from turnout.domain.contract import Bounds
from turnout.domain.guard import GuardBounds, begin, judge, observe
from turnout.domain.looks import ArmCounts, Look, Pairs
from turnout.fabric.state import State
from turnout.services.sentinel.files import Files
from turnout.services.sentinel.watch import Judged

BOUNDS = Bounds(first_token=0.1, first_token_seconds=0.2)


@st.composite
def arms(draw, harm):
    """Counts of one arm; with a chance `harm` of the worst that it can be."""
    requests = draw(st.integers(0, 12))
    worst = draw(st.floats(0, 1)) < harm
    bad = requests if worst else draw(st.integers(0, min(1, requests)))
    kind = draw(st.sampled_from(["errors", "slow", "slow_first"]))
    counts = {"errors": 0, "slow": 0, "slow_first": 0} | {kind: bad}
    return ArmCounts(requests, rescued=counts["errors"], **counts)


@st.composite
def canaries(draw):
    """Looks of a canary whose weight changes, its candidate harmful in some way or in none."""
    harm = draw(st.sampled_from([0.0, 0.0, 0.9]))
    looks = []
    for weight in draw(st.lists(st.sampled_from([0.1, 0.25, 0.5]), min_size=1, max_size=3)):
        one = draw(
            st.builds(Look, st.just(weight), arms(0.0), arms(harm), pairs=st.builds(Pairs, st.integers(0, 9)))
        )
        looks += [one] * draw(st.integers(1, 150))
    return [
        Look(o.weight, o.legacy, o.candidate, o.seconds, o.pairs, at_seconds=float(i))
        for i, o in enumerate(looks)
    ]


@given(looks=canaries(), replayed=st.booleans())
@settings(deadline=None, max_examples=25)
def test_the_sentinels_journal_is_judged_to_its_own_verdict(tmp_path_factory, looks, replayed):
    """Breach, pass or neither: `turnout judge` gives what the sentinel wrote, at its look, to the bit."""
    limits = {k: v for k, v in BOUNDS.limits().items() if replayed or k != "differs"}
    bounds = GuardBounds(tuple(limits.items()))
    state, judged = begin(bounds), []
    for look in looks:
        state = observe(state, bounds, look)
        judged.append(Judged(look, judge(state, bounds)))
        if judged[-1].verdict.kind == "breach":
            break
    store = State(tmp_path_factory.mktemp("state"))
    Files(store).journal("iris-1", judged)
    options = [f"--max={name}={limit}" for name, limit in limits.items()]
    result = CliRunner().invoke(command, [str(store.looks("iris-1")), *options], catch_exceptions=False)
    answer, last = json.loads(result.stdout), judged[-1].verdict
    assert (answer["verdict"], answer["signal"]) == (last.kind, last.signal)
    if last.kind != "undecided":
        at = judged[answer["line"] - 1].verdict
        assert answer["evidence"] == at.evidence
        before = judged[answer["line"] - 2] if answer["line"] > 1 else None
        new_step = before is None or before.look.weight != judged[answer["line"] - 1].look.weight
        assert new_step or before.verdict.kind != last.kind
