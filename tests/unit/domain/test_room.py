from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.domain.assignment import Assignment
from turnout.domain.pools import Pool
from turnout.domain.room import pool_room
from turnout.domain.targets import TargetRuntime

CPU = Pool(name="cpu", cpu=4, memory_gib=16, nodes=4)
SLICES = Pool(
    name="v6e", accelerator="tpu-v6e", accelerators_per_node=4, cpu=100, memory_gib=700, nodes=8,
    topology="4x4", hosts_per_slice=4,
)  # fmt: skip


def _on(pool, model, **fields):
    told = {"namespace": "prod", "runtime": TargetRuntime.TRITON, "replicas": 1, "cpu": 1, "memory_gib": 1}
    return Assignment(model=model, pool=pool, **(told | fields))


def test_pools_fill_up_wave_by_wave():
    """Each wave adds to those before it, and the reader sees nodes, the share and what is scarcest."""
    inside = [_on("cpu", "a", replicas=2), _on("cpu", "b", cpu=3), _on("cpu", "c", memory_gib=16)]
    found = pool_room(inside, {("prod", "a"): 1, ("prod", "b"): 2, ("prod", "c"): 4}, (CPU,))
    assert [(one.wave, one.nodes, one.share, one.scarcest) for one in found] == [
        (1, 1, 2 / 16, "cores"),
        (2, 2, 5 / 16, "cores"),
        (3, 2, 5 / 16, "cores"),
        (4, 3, 6 / 16, "cores"),
    ]


def test_a_slice_is_full_when_one_replica_has_it():
    """A multi-host slice is taken whole, however little its pods ask for."""
    inside = [_on("v6e", "a", accelerators=4, hosts=4)]
    (found,) = pool_room(inside, {("prod", "a"): 1}, (SLICES,))
    assert (found.nodes, found.share) == (4, 0.5)


def test_without_waves_there_is_nothing_to_tell():
    """A workload without a wave takes no room yet."""
    assert pool_room([_on("cpu", "a")], {}, (CPU,)) == ()


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from([0.5, 1, 2, 4]), st.integers(1, 2)), max_size=8))
def test_room_never_shrinks_from_wave_to_wave(found):
    """Nothing that moved in moves out, and no pool is told to be more than full."""
    inside = [_on("cpu", f"m{n}", cpu=cpu, replicas=many) for n, (_, cpu, many) in enumerate(found)]
    waves = {("prod", f"m{n}"): wave for n, (wave, _, _) in enumerate(found)}
    rooms = pool_room(inside, waves, (CPU,))
    assert all(0 <= one.share <= 1 and one.nodes <= one.most for one in rooms)
    assert [one.share for one in rooms] == sorted(one.share for one in rooms)
