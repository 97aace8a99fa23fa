"""Keeps the servers of one state directory as their specs say.

    python -m turnout.fabric.supervisor STATE [--tether FD] [--anew]

Every 0.3 s it reads the specs in STATE/servers and starts, restarts and ends what differs. With a tether
(the end of a pipe) it ends everything when the other end closes before it has said `DETACH`: whoever brings a
lab up and dies half-way leaves nothing behind. Anew, it starts none of those that an earlier supervisor kept.
"""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from turnout.domain.errors import RefusedError, TurnoutError
from turnout.fabric import environments, marks, priority, reaper
from turnout.fabric.board import Board
from turnout.fabric.keeper import Keeper
from turnout.fabric.state import State

RECONCILE_SECONDS = 0.3
DETACH = b"d"
_LOCK_WAIT_SECONDS = 8.0
_LEFT_OVER_GRACE_SECONDS = 1.0


class Supervisor:
    """The servers of one state directory, and the reaper that ends them should the supervisor die.

    Args:
        state: The state directory.
        anew: Take down the specs that are up there.
    """

    def __init__(self, state: State, *, anew: bool = False) -> None:
        """Take the state directory.

        Raises:
            RefusedError: It has a supervisor already.
        """
        self._state = state
        self._board = Board(state)
        self._lab = marks.lab_id(state.root)
        self._keepers: dict[str, Keeper] = {}
        self._stopping = asyncio.Event()
        self._lock = _take(self._board)
        if anew:
            self._board.take_all()
        marks.end_servers(self._lab, grace_seconds=_LEFT_OVER_GRACE_SECONDS)
        # Only now is it said who keeps the directory: what is started from here on is no leftover.
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)
        self._reaper, self._tie = self._start_reaper()

    async def run(self, tether: int | None) -> None:
        """Keep the servers until told to stop; ends all of them before it returns."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(max_workers=32))  # waits of ending servers
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self._stopping.set)
        if tether is not None:
            loop.add_reader(tether, self._heard, tether)
        try:
            while not self._stopping.is_set():
                self._reconcile()
                await _wait(self._stopping, RECONCILE_SECONDS)
        finally:
            await self._end_all()

    def _heard(self, tether: int) -> None:
        if os.read(tether, 1) != DETACH:
            self._stopping.set()
        asyncio.get_running_loop().remove_reader(tether)
        os.close(tether)

    def _reconcile(self) -> None:
        if self._reaper.poll() is not None:
            os.close(self._tie)
            self._reaper, self._tie = self._start_reaper()
        wanted = set(self._board.names())
        for name in set(self._keepers) - wanted:
            self._let_go(name)
        for name in wanted:
            self._keep(name)

    def _keep(self, name: str) -> None:
        keeper = self._keepers.get(name)
        spec = self._board.spec(name)
        if spec is not None and (keeper is None or keeper.closing or keeper.spec != spec):
            self._keepers[name] = Keeper(spec, self._state, after=keeper)

    def _let_go(self, name: str) -> None:
        keeper = self._keepers[name]
        keeper.close_soon()
        if keeper.closed:
            del self._keepers[name]
            self._board.forget(name)

    async def _end_all(self) -> None:
        await asyncio.gather(*(keeper.close() for keeper in self._keepers.values()))
        await asyncio.to_thread(marks.end_servers, self._lab, grace_seconds=_LEFT_OVER_GRACE_SECONDS)
        os.write(self._tie, reaper.ENDED_WELL)
        os.close(self._tie)
        self._reaper.wait()

    def _start_reaper(self) -> tuple[subprocess.Popen[bytes], int]:
        pipe, tie = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-m", "turnout.fabric.reaper", self._lab, str(pipe)],
            stdin=subprocess.DEVNULL,
            cwd=environments.project_root(),
            env={**os.environ, **marks.marks(self._lab, "reaper")},
            pass_fds=(pipe, self._lock),
            start_new_session=True,
        )
        os.close(pipe)
        return process, tie


def _take(board: Board) -> int:
    """Lock the state directory; waits a little for the reaper of a lab that has just died."""
    board.lock_file.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(board.lock_file, os.O_RDWR | os.O_CREAT, 0o644)
    until = time.monotonic() + _LOCK_WAIT_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            pid = board.supervisor()
            if (pid and _supervises(pid)) or time.monotonic() > until:
                raise _refused(board, pid) from None
            time.sleep(0.1)
    board.forget_all()  # before anyone can take this supervisor for the one that saw them
    os.ftruncate(lock, 0)
    return lock


def _supervises(pid: int) -> bool:
    try:
        return b"turnout.fabric.supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _refused(board: Board, pid: int | None) -> RefusedError:
    return RefusedError(
        f"state directory {board.lock_file.parent.parent}",
        observed=f"supervisor {pid} keeps it",
        limit="one supervisor a state directory",
        remedy="Run: turnout lab down",
    )


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


@click.command()
@click.argument("state", type=click.Path(path_type=Path))
@click.option("--tether", type=int, default=None, help="Descriptor of a pipe; ends all when it closes.")
@click.option("--anew", is_flag=True, help="Start none of the servers that were kept there before.")
def main(state: Path, tether: int | None, anew: bool) -> None:
    """Keep the servers of STATE until told to stop."""
    priority.hand_on(os.getpid())
    try:
        asyncio.run(_run(State(state.resolve()), tether, anew))
    except TurnoutError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


async def _run(state: State, tether: int | None, anew: bool) -> None:
    await Supervisor(state, anew=anew).run(tether)


if __name__ == "__main__":
    main()
