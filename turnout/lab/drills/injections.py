"""Puts a drill's fault into the lab, and takes it away again."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from turnout.fabric.state import State
from turnout.lab import faults
from turnout.lab.drills import clock, disk, memory
from turnout.lab.drills.drill import CANDIDATE, ENVOY, KILLED, RUN, SENTINEL, TRITON, Drill, Fault, Stage
from turnout.lab.drills.observed import Deed
from turnout.lab.drills.processes import Moving, Processes, send

HOUR_SECONDS = 3600
NOTICE_SECONDS = 3.0
"""What the router needs to notice that the sentinel is silent: two checks, half a second apart, 1 s each."""
LEAST_SECONDS = 4.0
HANDED_OVER_SECONDS = 12.0
"""A hot restart: the old Envoy ends 10 s after the new one has taken over."""
JUMPED_SECONDS = 10.0
FULL_SECONDS = 10.0
BEYOND_SECONDS = 3.0
"""How much longer than the lease a pause lasts, so that something can be seen after it."""
LEAK_BYTES = 8 * 2**20
LEAST_ROOM_BYTES = 120 * 2**20
PARAMETERS: dict[Fault, dict[str, float]] = {
    Fault.HANGING: {"seconds": 60.0},
    Fault.SLOW: {"seconds": 1.3},
    Fault.NONSENSE: {},
    Fault.LEAKING: {"bytes": LEAK_BYTES},
}


@dataclass(frozen=True)
class Injected:
    """What was done, to whom, and for how long it is watched at least.

    Attributes:
        deeds: What was done; grows when it is undone.
        models: Models whose part was hit; None: all models share it.
        seconds: How long the fault lasts; None: until the candidate is sent back.
    """

    deeds: list[Deed]
    models: frozenset[str] | None
    seconds: float | None


@dataclass(frozen=True)
class Leases:
    """The leases that pauses have to outlast: the router's trust in the sentinel, and a step's."""

    guard_seconds: float
    step_seconds: float

    def of(self, drill: Drill) -> float | None:
        """The lease that takes the candidate's traffic away in this drill; None: nothing has to."""
        if drill.fault is not Fault.PAUSE:
            return None
        if drill.target == SENTINEL:
            return self.guard_seconds + NOTICE_SECONDS
        if drill.target == RUN and drill.stage is Stage.CANARY:
            return self.step_seconds + NOTICE_SECONDS
        return None


class Injector:
    """Does what a drill says.

    Args:
        state: The state directory.
        processes: Finds what is hit.
        leases: What pauses have to outlast.
    """

    def __init__(self, state: State, processes: Processes, leases: Leases) -> None:
        """Keep what is needed."""
        self._state, self._processes, self._leases = state, processes, leases

    @contextlib.contextmanager
    def put(self, drill: Drill, moving: tuple[Moving, ...]) -> Iterator[Injected]:
        """Put a fault in for as long as the block lasts.

        Args:
            drill: What to do.
            moving: The migrations that it is about.
        """
        with self._how(drill)(drill, moving) as injected:
            yield injected

    def _how(
        self, drill: Drill
    ) -> Callable[[Drill, tuple[Moving, ...]], contextlib.AbstractContextManager[Injected]]:
        if drill.target == CANDIDATE:
            return self._candidate
        return {
            Fault.KILL: self._kill,
            Fault.PAUSE: self._pause,
            Fault.HOT_RESTART: self._replace,
            Fault.FORWARD: self._jump,
            Fault.BACK: self._jump,
            Fault.FULL: self._fill,
        }[drill.fault]

    @contextlib.contextmanager
    def _kill(self, drill: Drill, moving: tuple[Moving, ...]) -> Iterator[Injected]:
        found = self._processes.leaders(drill.target, moving)
        deeds = [_now(send((p for them in found.values() for p in them), signal.SIGKILL))] if found else []
        yield Injected(deeds, _models(found), LEAST_SECONDS)

    @contextlib.contextmanager
    def _pause(self, drill: Drill, moving: tuple[Moving, ...]) -> Iterator[Injected]:
        found = self._processes.whole(drill.target, moving)
        stopped = [p for them in found.values() for p in them]
        lease = self._leases.of(drill) or self._leases.guard_seconds + NOTICE_SECONDS
        deeds = [_now(send(stopped, signal.SIGSTOP))] if found else []
        try:
            yield Injected(deeds, _models(found), lease + BEYOND_SECONDS)
        finally:
            if found:
                deeds.append(_now(send(stopped, signal.SIGCONT)))

    @contextlib.contextmanager
    def _replace(self, _: Drill, moving: tuple[Moving, ...]) -> Iterator[Injected]:
        found = self._processes.leaders(ENVOY, moving)
        runners = [p.parent() for them in found.values() for p in them]
        deeds = [_now(send((p for p in runners if p), signal.SIGHUP))] if found else []
        yield Injected(deeds, None, HANDED_OVER_SECONDS)

    @contextlib.contextmanager
    def _jump(self, drill: Drill, _: tuple[Moving, ...]) -> Iterator[Injected]:
        seconds = HOUR_SECONDS if drill.fault is Fault.FORWARD else -HOUR_SECONDS
        clock.jump(self._state, drill.target, seconds)
        deeds = [_now(f"the clock of {drill.target} set to {seconds:+d} s")]
        try:
            yield Injected(deeds, None, JUMPED_SECONDS)
        finally:
            clock.jump(self._state, drill.target, 0)
            deeds.append(_now("set back"))

    @contextlib.contextmanager
    def _fill(self, _: Drill, __: tuple[Moving, ...]) -> Iterator[Injected]:
        with disk.filled(self._state.root) as taken:
            deeds = [_now(f"{taken / 2**20:.0f} MiB taken, none left")]
            yield Injected(deeds, None, FULL_SECONDS)
        deeds.append(_now("given back"))

    @contextlib.contextmanager
    def _candidate(self, drill: Drill, moving: tuple[Moving, ...]) -> Iterator[Injected]:
        [one, *_] = moving
        with contextlib.ExitStack() as stack:
            said, killed = drill.fault.value, None
            if drill.fault is Fault.LEAKING:
                said += f" {LEAK_BYTES >> 20} MiB a request, limited to {LEAST_ROOM_BYTES >> 20} MiB more"
                killed = self._limit(one, stack)
            faults.put(self._state.root, one.attempt, drill.fault.value, **PARAMETERS[drill.fault])
            stack.callback(faults.lift, self._state.root, one.attempt)
            deeds = [_now(f"{one.attempt}: {said}")]
            yield Injected(deeds, frozenset({one.model}), None)
            if killed and (count := killed()):
                deeds.append(_now(f"{KILLED}: {count}"))

    def _limit(self, one: Moving, stack: contextlib.ExitStack) -> Callable[[], int]:
        found = self._processes.whole(TRITON, (one,)).get(one.model, [])
        return stack.enter_context(
            memory.limited(
                [p.pid for p in found],
                further_bytes=LEAST_ROOM_BYTES,
                name=f"turnout-{os.getpid()}-{one.attempt}",
            )
        )


def _now(did: str) -> Deed:
    return Deed(at_seconds=time.time(), did=did)


def _models(found: Mapping[str, object]) -> frozenset[str] | None:
    return None if "" in found else frozenset(found)
