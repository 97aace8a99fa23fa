"""A drill: what is made to go wrong, where, and in which phase of a migration. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What is made to go wrong."""

    KILL = "kill"
    """kill -9 of the process; its supervisor starts it again."""
    PAUSE = "pause"
    """SIGSTOP of the process and what it started, for longer than the lease that guards; then SIGCONT."""
    HOT_RESTART = "hot restart"
    """A successor takes the listeners over (SIGHUP)."""
    FORWARD = "clock forward"
    BACK = "clock back"
    """The wall clock of one process jumps, and back after a while; its monotonic clock goes on."""
    FULL = "full"
    """No block is left, for a while."""
    HANGING = "hanging"
    SLOW = "slow"
    NONSENSE = "nonsense"
    LEAKING = "leaking"
    """It keeps memory with each request until the kernel kills it at its limit."""


class Stage(StrEnum):
    """Where a migration is: its phases, and the gate that its candidate waits at with traffic."""

    BASELINE = "baseline"
    PACKAGE = "package"
    DEPLOY = "deploy"
    SHADOW = "shadow"
    CANARY = "canary"
    GATE = "gate"
    CUTOVER = "cutover"


STAGES = tuple(Stage)
WORKER, RUN, SENTINEL, SHADOW = "prefect-worker", "flow run", "sentinel", "shadow"
PREFECT, MLFLOW, TRITON, RAY, LEGACY, ENVOY = "prefect", "mlflow", "triton", "ray", "legacy", "envoy"
DISK, CANDIDATE = "disk", "candidate"
KILLED = "killed by the kernel"
"""What a leak has to come to."""

PROCESSES = (WORKER, RUN, SENTINEL, SHADOW, PREFECT, MLFLOW, TRITON, RAY, LEGACY, ENVOY)
CLOCKED = (SENTINEL, SHADOW, WORKER)
"""Processes that compare the wall clock with what others wrote. Envoy takes no preloaded clock: its memory
allocator polls while it starts, and libfaketime allocates in there. Its clock beside the sentinel's is what
the sentinel's clock beside Envoy's is, the other way round."""
CANDIDATES = (Fault.HANGING, Fault.SLOW, Fault.NONSENSE, Fault.LEAKING)


@dataclass(frozen=True)
class Drill:
    """One drill.

    Attributes:
        fault: What goes wrong.
        target: Where: a process of the lab (of every model, where each has its own), its disk, a candidate.
        stage: While the migration is there.
    """

    fault: Fault
    target: str
    stage: Stage

    @property
    def name(self) -> str:
        """How it is named on the command line and in results: `kill-envoy-canary`."""
        return f"{self.fault}-{self.target}-{self.stage}".replace(" ", "-")


def exists(target: str, stage: Stage) -> bool:
    """Whether a target is there in a stage: no candidate before it is deployed, no run while a gate waits."""
    if target == RUN:
        return stage is not Stage.GATE
    if target in (TRITON, CANDIDATE):
        return stage in (Stage.SHADOW, Stage.CANARY, Stage.GATE, Stage.CUTOVER)
    return True


def full() -> tuple[Drill, ...]:
    """Every process killed and stopped at every stage; Envoy replaced; disk, clock and candidates."""
    found = [Drill(fault, target, stage) for target in PROCESSES for fault in _STOPS for stage in STAGES]
    found += [Drill(Fault.HOT_RESTART, ENVOY, stage) for stage in STAGES]
    found += [Drill(fault, CANDIDATE, stage) for fault in CANDIDATES for stage in _SERVING]
    found += [Drill(fault, target, stage) for target in CLOCKED for fault in _JUMPS for stage in _SERVING]
    found += [Drill(Fault.FULL, DISK, stage) for stage in _SERVING]
    return tuple(drill for drill in found if exists(drill.target, drill.stage))


def short() -> tuple[Drill, ...]:
    """One of each that matters most, where the candidate has traffic: for every change of the code."""
    return (
        *(Drill(Fault.KILL, target, Stage.CANARY) for target in PROCESSES),
        *(Drill(Fault.PAUSE, target, Stage.CANARY) for target in (SENTINEL, RUN)),
        *(Drill(Fault.PAUSE, target, Stage.GATE) for target in (ENVOY, LEGACY)),
        Drill(Fault.HOT_RESTART, ENVOY, Stage.CANARY),
        Drill(Fault.LEAKING, CANDIDATE, Stage.CANARY),
        Drill(Fault.FORWARD, SENTINEL, Stage.GATE),
        Drill(Fault.BACK, SENTINEL, Stage.GATE),
        Drill(Fault.FULL, DISK, Stage.GATE),
    )


_STOPS = (Fault.KILL, Fault.PAUSE)
_JUMPS = (Fault.FORWARD, Fault.BACK)
_SERVING = (Stage.CANARY, Stage.GATE)


def next_of(todo: Iterable[Drill], stages: Mapping[str, Stage]) -> tuple[Drill, tuple[str, ...]] | None:
    """Choose what to do now: the drills that are rarest to come by first.

    Args:
        todo: Drills not done yet.
        stages: Where each model's migration is; those that are nowhere are left out.

    Returns:
        A drill and the models that are at its stage; None where nothing can be done now.
    """
    possible = [drill for drill in todo if drill.stage in stages.values()]
    if not possible:
        return None
    # Short stages pass by themselves and come once a migration; a gate waits for as long as it has to. What
    # ends an attempt comes after what does not.
    chosen = min(possible, key=lambda d: (d.stage is Stage.GATE, _ends(d), _rank(d)))
    return chosen, tuple(model for model, stage in stages.items() if stage is chosen.stage)


def _rank(drill: Drill) -> int:
    """The order among equals: as they are listed."""
    return _ORDER[drill.name]


def _ends(drill: Drill) -> int:
    """How many attempts it is likely to end: a candidate's fault one; Ray's more; a full disk may end all."""
    if drill.fault is Fault.FULL:
        return 3
    if drill.target == RAY:
        return 2
    return 1 if drill.target in (TRITON, CANDIDATE) else 0


_ORDER = {drill.name: number for number, drill in enumerate(dict.fromkeys((*short(), *full())))}
