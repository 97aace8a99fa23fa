"""Start the shadow service: `python -m turnout.services.shadow --port P`."""

import asyncio
import logging
import signal
import sys

import aiohttp
import click

from turnout import settings
from turnout.domain.errors import TurnoutError
from turnout.fabric.state import State
from turnout.services.contracts import Contracts
from turnout.services.routes import source
from turnout.services.shadow.captures import Captures
from turnout.services.shadow.comparisons import Comparisons
from turnout.services.shadow.receiver import Receiver, serve
from turnout.services.shadow.service import Shadow
from turnout.services.shadow.tally import Tally
from turnout.wiring import guarding

LAST_STREAMS_SECONDS = 1.0
"""Time that open streams get to end when the service is asked to stop."""


async def shadow(port: int, host: str) -> None:
    """Run until asked to stop."""
    found = settings.load()
    state = State(found.state)
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        service = Shadow(
            routes=source(state, guarding.router(found)),
            contracts=Contracts(found.contracts),
            sentinel=found.sentinel,
            session=session,
            captures=Captures(state),
            comparisons=Comparisons(state),
            tally=Tally(state),
        )
        server = await serve(Receiver(service.captured, service.dropped), port=port, host=host)
        looking = asyncio.create_task(service.run())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([looking, stopped], return_when=asyncio.FIRST_COMPLETED)
        await server.stop(LAST_STREAMS_SECONDS)
        await service.close()
        if looking.done():
            looking.result()  # it never ends by itself: this raises what ended it
        looking.cancel()


@click.command()
@click.option(
    "--port", type=click.IntRange(1, 65535), required=True, help="TCP port that the router streams to."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
def main(port: int, host: str) -> None:
    """Take captured exchanges, replay and compare them."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    try:
        asyncio.run(shadow(port, host))
    except (TurnoutError, RuntimeError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


main()
