"""Which drill a failed request belongs to: what no drill covers is a failure that nothing explains."""

import pytest

from turnout.lab.drills.drill import ENVOY, LEGACY, Drill, Fault, Stage
from turnout.lab.drills.injections import Injected
from turnout.lab.drills.observed import Request
from turnout.lab.drills.processes import Moving
from turnout.lab.drills.shot import Shot
from turnout.lab.drills.watching import RouteLog

BEGAN = 1_700_000_000.0


def shot(target, outage):
    """A kill of iris' canary, ten seconds of it."""
    return Shot(
        drill=Drill(Fault.KILL, target, Stage.CANARY), moving=Moving("iris", "iris-1", "run"), began=BEGAN,
        done=Injected([], None, 1.0), lease=None, known=frozenset(), log=RouteLog("iris", BEGAN, []),
        ended=BEGAN + 10, outage=outage,
    )  # fmt: skip


def failure(model, after):
    """A request that failed so many seconds after the fault."""
    return Request(model=model, sent_seconds=BEGAN + after, finished_seconds=BEGAN + after + 0.1, error="503")


@pytest.mark.parametrize(
    ("target", "model", "after", "covered"),
    [
        (LEGACY, "iris", 1, True),
        (LEGACY, "iris", 8, True),
        (LEGACY, "iris", 11, False),
        (LEGACY, "cancer", 1, False),
        (ENVOY, "cancer", 1, True),
        (ENVOY, "cancer", 8, False),
    ],
)
def test_a_failure_of_another_model_is_covered_only_while_the_router_was_gone(target, model, after, covered):
    """The router is everybody's, also of a model whose migration is in no stage; a legacy server is not."""
    assert shot(target, (BEGAN, BEGAN + 2)).covers(failure(model, after)) is covered


def test_a_replaced_router_excuses_nobody():
    """A hot restart has no outage."""
    assert not shot(ENVOY, None).covers(failure("cancer", 1))
