"""A server that has to run, said declaratively; where it runs is the fabric's business."""

from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field


class ServerSpec(BaseModel):
    """One server as it should run.

    Attributes:
        name: Unique in the installation, for example `triton-iris-2`.
        environment: Locked environment that its interpreter comes from (a file in locks/ without `.txt`).
        command: Arguments; the first one is looked up in the environment's bin unless it is a path.
        env: Variables set on top of the inherited ones.
        ready_url: Answers 200 when the server is ready; None: ready when running.
        ports: TCP ports that it listens on, checked to be free before it starts.
        restart: Whether it is started again when it ends.
        stop_seconds: Time between asking it to end and killing it.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    environment: str
    command: tuple[str, ...]
    env: dict[str, str] = Field(default_factory=dict)
    ready_url: str | None = None
    ports: tuple[int, ...] = ()
    restart: bool = True
    stop_seconds: float = 5.0


class ServerStatus(BaseModel):
    """One server as it is: `state` is starting, ready, backoff, stopped or unknown; pid where it runs."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: str
    pid: int | None = None
    restarts: int = 0
    detail: str = ""


class Servers(Protocol):
    """Where servers run: processes on this machine, or Deployments on a cluster."""

    def ensure(self, spec: ServerSpec, *, ready_within_seconds: float) -> ServerStatus:
        """Bring a server to what its spec says and wait until it is ready; harmless when it is so already.

        Raises:
            TemporaryError: It was not ready in time; the message ends with its last lines of output.
        """

    def stop(self, name: str) -> None:
        """End a server and everything it started; harmless when there is none."""

    def status(self, name: str) -> ServerStatus:
        """Return how a server is."""
