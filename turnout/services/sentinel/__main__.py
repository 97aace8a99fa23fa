"""Start the sentinel: `python -m turnout.services.sentinel --port P`."""

import logging
import math
import signal
import sys
import threading
import time

import click

from turnout import settings
from turnout.domain.errors import TurnoutError
from turnout.fabric.state import State
from turnout.services.contracts import Contracts
from turnout.services.sentinel import clock
from turnout.services.sentinel.answers import Answers, Board
from turnout.services.sentinel.files import Files
from turnout.services.sentinel.lead import Alone, Lead, await_lead
from turnout.services.sentinel.patrol import Patrol
from turnout.services.sentinel.rounds import Rounds
from turnout.settings import Settings
from turnout.wiring import guarding

AFTER_SETTLING_SECONDS = 0.03
"""The round begins this long after a second has just settled, so that no look waits for the next round."""


_log = logging.getLogger(__name__)

SWITCH_SECONDS = 0.001
"""So long the threads that answer the router and roll back wait for a round that computes, at each of their
steps; Python's own 5 ms would add up to seconds."""


def guard(found: Settings, port: int, host: str, lead: Lead, otlp_port: int) -> None:
    """Go the round each second, once this one leads, until it does no longer or is asked to stop."""
    sys.setswitchinterval(SWITCH_SECONDS)
    board, stop = Board(lead.holds), threading.Event()
    lead.start()
    answers = Answers(board, port=port, host=host)

    def end(_signal: int, _frame: object) -> None:
        board.close()  # first of all: the router falls back while the rest is still being written
        stop.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, end)
    answers.start()
    if await_lead(lead, stop, board.round_ended):
        with guarding.collecting(found, host, otlp_port):
            _go_rounds(found, board, stop, lead)
    answers.stop()
    lead.end()


def _go_rounds(found: Settings, board: Board, stop: threading.Event, lead: Lead) -> None:
    telemetry = guarding.telemetry(found)
    settle_seconds = telemetry.lateness.settle_seconds
    patrol = Patrol(
        state=State(found.state),
        router=guarding.router(found),
        telemetry=telemetry,
        contracts=Contracts(found.contracts),
        board=board,
        lease_seconds=found.guard_lease_seconds,
    )
    patrol.recall()
    rounds = Rounds()
    while not stop.wait(_until_next(time.time(), settle_seconds)) and lead.holds():
        began = time.monotonic()
        patrol.go(clock.read())
        board.round_ended()
        rounds.took(time.monotonic() - began)
    if lead.holds():  # else the records are another's by now
        patrol.save()
    else:
        _log.warning("another sentinel leads, or none can be told: this one ends and stands by anew")


def _until_next(unix_seconds: float, settle_seconds: float) -> float:
    """Seconds until the next round: fixed boundaries, whatever the last round took."""
    since = unix_seconds - settle_seconds - AFTER_SETTLING_SECONDS
    return math.floor(since) + 1 - since


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), required=True, help="TCP port to answer on.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to answer on.")
@click.option(
    "--lease", help="NAMESPACE/NAME of the Lease that replicas share; $POD_NAME, $POD_IP: this one."
)
@click.option(
    "--otlp-port", type=click.IntRange(1, 65535), default=4317, show_default=True,
    help="TCP port that a Gateway's proxies send their access logs to.",
)  # fmt: skip
def main(port: int, host: str, lease: str | None, otlp_port: int) -> None:
    """Watch every live attempt each second; take a harmful one back, alone and at once."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    try:
        found = settings.load()
        lead = guarding.lead(lease) if lease else Alone(Files(State(found.state)))
        guard(found, port, host, lead, otlp_port)
    except (TurnoutError, OSError, RuntimeError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


main()
