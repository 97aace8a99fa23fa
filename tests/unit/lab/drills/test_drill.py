"""What is drilled, and in which order."""

from turnout.lab.drills.drill import PROCESSES, STAGES, Drill, Fault, Stage, exists, full, next_of, short


def test_every_process_is_killed_and_stopped_in_every_stage_it_lives_in():
    """The full set leaves nothing out but what is not there at all, and the short set is part of it."""
    drills = set(full())
    for process in PROCESSES:
        for stage in STAGES:
            for fault in (Fault.KILL, Fault.PAUSE):
                assert (Drill(fault, process, stage) in drills) == exists(process, stage)
    assert len({drill.name for drill in drills}) == len(full())
    assert set(short()) <= drills
    assert {drill.target for drill in short()} >= {*PROCESSES, "disk", "candidate"}


def test_a_passing_stage_comes_before_a_waiting_one():
    """A gate waits for as long as it has to; a canary ends by itself."""
    gate, canary = (Drill(Fault.KILL, "envoy", stage) for stage in (Stage.GATE, Stage.CANARY))
    stages = {"iris": Stage.GATE, "cancer": Stage.CANARY}
    assert next_of([gate, canary], stages) == (canary, ("cancer",))
    assert next_of([gate], stages) == (gate, ("iris",))
    assert next_of([gate], {"cancer": Stage.CANARY}) is None
    assert next_of([], stages) is None


def test_what_ends_an_attempt_comes_last():
    """Else the drills after it would find no candidate."""
    broken, full_disk = Drill(Fault.SLOW, "candidate", Stage.GATE), Drill(Fault.FULL, "disk", Stage.GATE)
    kept = Drill(Fault.KILL, "sentinel", Stage.GATE)
    assert next_of([full_disk, broken, kept], {"iris": Stage.GATE})[0] == kept
    assert next_of([full_disk, broken], {"iris": Stage.GATE})[0] == broken
