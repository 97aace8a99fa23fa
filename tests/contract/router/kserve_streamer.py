"""A legacy model that streams: the KServe SDK's own server, its answer an SSE stream."""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from kserve import Model, ModelServer, model_server


class Streamer(Model):
    """Answers `{"instances": [TOKENS]}` with so many tokens, each with the server's name, and `[DONE]`."""

    def __init__(self, name: str, said: str, pause_seconds: float) -> None:
        """Be ready at once."""
        super().__init__(name)
        self.said, self.pause_seconds = said, pause_seconds
        self.ready = True

    def predict(self, payload: dict[str, Any], *_args: Any, **_more: Any) -> AsyncIterator[str]:
        """One event a token."""
        return self._tokens(int(payload["instances"][0]))

    async def _tokens(self, count: int) -> AsyncIterator[str]:
        for number in range(count):
            yield f"data: {json.dumps({'from': self.said, 'token': number})}\n\n"
            await asyncio.sleep(self.pause_seconds)
        yield "data: [DONE]\n\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(parents=[model_server.parser])
    parser.add_argument("--said", required=True)
    parser.add_argument("--pause-seconds", type=float, default=0.1)
    given = parser.parse_args()
    ModelServer().start([Streamer(given.model_name, given.said, given.pause_seconds)])
