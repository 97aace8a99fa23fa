import json

import pytest

from turnout.domain.assignment import Assignment
from turnout.domain.errors import RefusedError
from turnout.domain.plan import Plan, PlanLine
from turnout.settings import Cluster, Settings
from turnout.wiring.placing import placed

POOLS = """\
pools:
  - {name: cpu, cpu: 8, memory_gib: 32, nodes: 4}
  - {name: heads, cpu: 4, memory_gib: 16, nodes: 1}
"""


def line(namespace):
    """A line of the model in a namespace."""
    return PlanLine(
        model="iris", namespace=namespace, framework="onnx", wave=1, runtime="triton", bridge=None,
        placement=None, risk=0, reasons=(), blockers=(),
    )  # fmt: skip


def assigned(namespace, pool="cpu"):
    """Where the model of a namespace goes."""
    return Assignment(
        model="iris", namespace=namespace, runtime="triton", pool=pool, replicas=1, cpu=1, memory_gib=1
    )


@pytest.fixture
def settings(tmp_path):
    """Settings with pools, and a plan of two namespaces that have a model of one name."""
    (tmp_path / "pools.yaml").write_text(POOLS)
    paths = dict.fromkeys(("manifests", "contracts", "owners"), tmp_path)
    found = Settings(state=tmp_path, estate="cluster", pools=tmp_path / "pools.yaml", **paths)
    keep(found, Plan(lines=(line("b"), line("a")), assignments=(assigned("a"), assigned("b"))))
    return found


def keep(settings, plan):
    """Keep a plan as the phase does."""
    (settings.state / "work").mkdir(exist_ok=True)
    (settings.state / "work" / "plan.json").write_text(plan.document())


def test_a_model_goes_where_its_line_of_the_plan_says(settings):
    """With the pool of that name and the package that its attempt names."""
    found = placed(settings, "iris", "3")
    assert found.assignment == assigned("b")
    assert (found.pool.name, found.version, found.head_pool) == ("cpu", "3", None)


def test_rays_heads_have_the_pool_that_the_settings_name(settings):
    """One of the pools in force."""
    named = settings.model_copy(update={"cluster": Cluster(head_pool="heads")})
    assert placed(named, "iris", "3").head_pool.name == "heads"


@pytest.mark.parametrize(("model", "version", "pool", "said"), [
    ("unheard", "3", "cpu", "places no such model"),
    ("iris", None, "cpu", "names no package"),
    ("iris", "3", "gone", "no pool gone"),
])  # fmt: skip
def test_what_cannot_be_placed_is_refused_with_its_reason(settings, model, version, pool, said):
    """A model without a line, an attempt without a package, a pool that has gone since."""
    keep(settings, Plan(lines=(line("b"),), assignments=(assigned("b", pool),)))
    with pytest.raises(RefusedError, match=said):
        placed(settings, model, version)


def test_without_a_plan_nothing_is_placed(settings):
    """One clear error, with its remedy."""
    (settings.state / "work" / "plan.json").unlink()
    with pytest.raises(RefusedError, match="Run discover and plan"):
        placed(settings, "iris", "3")
    assert json.loads(Plan(lines=()).document())["lines"] == []
