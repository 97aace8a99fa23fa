"""Keeps one server as its spec says, for as long as the supervisor wants it."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from turnout import settings
from turnout.domain.errors import TurnoutError
from turnout.domain.server import ServerSpec, ServerStatus
from turnout.fabric import environments, marks, ports, priority
from turnout.fabric.board import Board, Observed, digest
from turnout.fabric.state import State

READY_POLL_SECONDS = 0.3
STEADY_SECONDS = 60.0
"""A server that ran this long is steady: its next end starts the backoff anew."""
LONGEST_BACKOFF_SECONDS = 15.0
LEFT_OVER_GRACE_SECONDS = 1.0


def backoff_seconds(ends: int) -> float:
    """Time until the next start after so many ends in a row."""
    return float(min(0.5 * 2.0 ** (ends - 1), LONGEST_BACKOFF_SECONDS))


class Keeper:
    """Starts a server, watches it, starts it again, ends it.

    Args:
        spec: The server as it should run.
        state: The state directory.
        after: The keeper of the same server's earlier spec, which is closed first.
    """

    def __init__(self, spec: ServerSpec, state: State, after: "Keeper | None" = None) -> None:
        """Begin to keep."""
        self.spec = spec
        self._state = state
        self._board = Board(state)
        self._digest = digest(spec)
        self._lab = marks.lab_id(state.root)
        self._process: subprocess.Popen[bytes] | None = None
        self._restarts = 0
        self._task = asyncio.create_task(self._keep(after))
        self.closing = False

    async def close(self) -> None:
        """End the server and everything that it started."""
        self.close_soon()
        await asyncio.wait({self._task})

    def close_soon(self) -> None:
        """Begin to close."""
        if not self.closing:
            self.closing = True
            self._task.cancel()

    @property
    def closed(self) -> bool:
        """Whether all has ended."""
        return self._task.done()

    async def _keep(self, after: "Keeper | None") -> None:
        if after is not None:
            await _whatever_happens(after.close())
        try:
            await self._again_and_again()
        finally:
            await self._end()
            self._show("stopped")

    async def _again_and_again(self) -> None:
        ends = 0
        while True:
            began = time.monotonic()
            why, refused = await self._live()
            if not self.spec.restart and not refused:
                self._show("stopped", why)
                await asyncio.Event().wait()  # until closed
            ends = 1 if time.monotonic() - began > STEADY_SECONDS else ends + 1
            self._show("backoff", why, refused=refused)
            await asyncio.sleep(backoff_seconds(ends))
            self._restarts += 1

    async def _live(self) -> tuple[str, bool]:
        """Run the server once; returns why it ended, and whether it could not even be started."""
        await self._end()  # what an earlier run left behind
        try:
            self._process = self._launch()
        except TurnoutError as error:
            return str(error), True
        except OSError as error:
            return f"cannot be started: {error}", True
        self._show("starting")
        exited = asyncio.create_task(_exited(self._process.pid))
        ready = asyncio.create_task(_ready(self.spec.ready_url))
        try:
            await asyncio.wait({exited, ready}, return_when=asyncio.FIRST_COMPLETED)
            if not exited.done():
                self._show("ready")
                await exited
        finally:
            exited.cancel()
            ready.cancel()
        await self._end()
        return f"ended with status {self._process.returncode}", False

    def _launch(self) -> subprocess.Popen[bytes]:
        home = environments.installed(self.spec.environment)
        if home is None:
            home = environments.ensure(self.spec.environment)  # somebody emptied the cache
        ports.require_free(self.spec.name, self.spec.ports)
        log_file = self._state.log(self.spec.name)
        log_file.parent.mkdir(parents=True, exist_ok=True)
        with log_file.open("ab") as log:
            process = subprocess.Popen(
                [resolve(self.spec.command[0], home), *self.spec.command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=environments.project_root(),
                env=self._environment(home),
                start_new_session=True,
            )
        priority.hand_on(process.pid)
        return process

    def _environment(self, home: Path) -> dict[str, str]:
        inherited = {
            k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
        }
        loopback = ",".join(filter(None, (os.environ.get("NO_PROXY", ""), "127.0.0.1", "localhost")))
        root = str(environments.project_root())
        if self.spec.environment == environments.CORE:  # the project's own programs, and what they start
            inherited["PYTHONPATH"] = root
        return {
            **inherited,
            "TURNOUT_ROOT": root,
            "PATH": f"{home / 'bin'}{os.pathsep}{inherited.get('PATH', os.defpath)}",
            "NO_PROXY": loopback,
            "no_proxy": loopback,
            "PYTHONUNBUFFERED": "1",
            settings.VARIABLE: str(self._state.root / "turnout.yaml"),
            **self.spec.env,
            **marks.marks(self._lab, self.spec.name),
        }

    async def _end(self) -> None:
        """End the leader, then its group, its session and whatever carries its mark."""
        leader = self._process.pid if self._process and self._process.returncode is None else None
        if leader is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(leader, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.spec.stop_seconds):
                    await _exited(leader)
        rest = asyncio.to_thread(
            marks.end, lambda: self._members(leader), grace_seconds=LEFT_OVER_GRACE_SECONDS
        )
        await _whatever_happens(rest)
        if leader is not None and self._process is not None:
            self._process.wait()  # not before: its pid, and with it its group's, stays ours until now

    def _members(self, leader: int | None) -> list[psutil.Process]:
        found = {p.pid: p for p in marks.marked(self._lab, self.spec.name)}
        if leader is not None:
            found |= {p.pid: p for p in psutil.process_iter() if _in_session(p, leader)}
        return list(found.values())

    def _show(self, state: str, detail: str = "", *, refused: bool = False) -> None:
        process = self._process
        pid = (
            process.pid if process and process.returncode is None and state in {"starting", "ready"} else None
        )
        status = ServerStatus(
            name=self.spec.name, state=state, pid=pid, restarts=self._restarts, detail=detail
        )
        try:
            self._board.show(Observed(digest=self._digest, status=status, refused=refused))
        except (TurnoutError, OSError) as error:  # the server goes on without its status
            with contextlib.suppress(OSError):  # a full disk is its own log's, too
                print(f"{self.spec.name}: {state} {detail}; not shown: {error}", file=sys.stderr)  # noqa: T201


def resolve(program: str, home: Path) -> str:
    """Find a program: a path as it is, else in the environment's bin, else on the PATH."""
    inside = home / "bin" / program
    return str(inside) if os.sep not in program and inside.is_file() else program


async def _whatever_happens(work: Coroutine[Any, Any, None]) -> None:
    """Finish some work, also when cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def _in_session(process: psutil.Process, leader: int) -> bool:
    try:
        same = os.getsid(process.pid) == leader
        return same and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


async def _exited(pid: int) -> None:
    """Wait for the end of a child without reaping it."""
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    descriptor = os.pidfd_open(pid)
    loop.add_reader(descriptor, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def _ready(url: str | None) -> None:
    """Wait until a URL answers 200. As with Kubernetes' own probes, any certificate will do."""
    if url is None:
        return
    timeout = aiohttp.ClientTimeout(total=3)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with session.get(url, ssl=False) as answer:
                    if answer.status == 200:  # noqa: PLR2004 -- HTTP
                        return
            await asyncio.sleep(READY_POLL_SECONDS)
