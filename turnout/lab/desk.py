"""The lab's owners at their gates, and the runs that wait for them: everything through Prefect's own door.

An answer goes where the form of the UI goes: Prefect's API, resume with input. The code is the owner's own.
"""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import SetStateStatus

from turnout.domain.gate import Ask
from turnout.fabric.attempts import AttemptFiles
from turnout.fabric.owners import Owners

DEPLOYMENT = "migrate/turnout"
PORTFOLIO = "portfolio/turnout"
RETIRE, RESTORE = "retire/turnout", "restore/turnout"
AT_ONCE = 2
"""Migrations of a wave under way at the same time: more than the lab's two cores have been seen to bear."""


class Desk:
    """Starts migrations and answers their gates; a context, which closes its connection to Prefect."""

    def __init__(
        self, owners: Owners, attempts: AttemptFiles, *, ui: str, say: Callable[[str], None]
    ) -> None:
        """Keep what is needed to answer.

        Args:
            owners: The owners and their codes.
            attempts: Where open asks are kept.
            ui: URL of Prefect's pages.
            say: Prints a line of progress.
        """
        self._owners, self._attempts, self._ui, self._say = owners, attempts, ui, say
        self._client: SyncPrefectClient = get_client(sync_client=True)
        self._shown: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Open the connection."""
        self._client.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._client.__exit__(kind, error, trace)

    def start(self, model: str, *, again: bool = False) -> UUID:
        """Start the migration of a model as a run of its own."""
        return self._start(DEPLOYMENT, {"model": model, "again": again})

    def start_waves(self, models: list[str]) -> UUID:
        """Start the migrations of these models, wave by wave as planned, in a wave as they are named here.

        Returns:
            The run that starts them.
        """
        return self._start(PORTFOLIO, {"models": models, "at_once": AT_ONCE})

    def retire(self, model: str) -> UUID:
        """Start the retirement of a model's legacy."""
        return self._start(RETIRE, {"model": model})

    def restore(self, model: str, reason: str) -> UUID:
        """Start bringing a model's legacy back."""
        return self._start(RESTORE, {"model": model, "reason": reason, "by": "the lab's owner"})

    def _start(self, name: str, parameters: dict[str, Any]) -> UUID:
        deployment = self._client.read_deployment_by_name(name)
        return self._client.create_flow_run_from_deployment(deployment.id, parameters=parameters).id

    def read(self, run: UUID) -> FlowRun:
        """Return a run as Prefect has it."""
        return self._client.read_flow_run(run)

    def is_over(self, run: UUID) -> bool:
        """Whether a run has come to its end."""
        state = self.read(run).state
        return state is not None and state.is_final()

    def waiting(self, attempt: str) -> Ask | None:
        """Return the open ask of an attempt whose run is suspended and takes an answer."""
        ask = self._attempts.asked(attempt)
        if ask is None or ask.run is None:
            return None
        state = self.read(UUID(ask.run)).state
        suspended = state is not None and state.type is StateType.PAUSED
        return ask if suspended and state is not None and state.state_details.run_input_keyset else None

    def answer(self, ask: Ask) -> bool:
        """Answer as the lab's owner of the model, with the owner's own code.

        Returns:
            Whether Prefect took it: a run is suspended a moment before its form is there.
        """
        name = self._owners.all()[ask.owner].name
        answer = {
            "decision": "approve",
            "code": self._owners.code(ask.owner, time.time()),
            "reason": f"The evidence {ask.evidence.digest[:12]} is within my bounds.",
        }
        result = self._client.resume_flow_run(UUID(str(ask.run)), run_input=answer)
        if result.status is not SetStateStatus.ACCEPT:
            return False
        self._say(f"{ask.attempt}: gate {ask.gate}: the lab's owner {name} approves with their own code")
        return True

    def show(self, ask: Ask) -> None:
        """Tell the person at the UI where to answer, and with which code; again when the code changes."""
        code = self._owners.code(ask.owner, time.time())
        if self._shown.get(ask.key) == code:
            return
        self._shown[ask.key] = code
        self._say(
            f"{ask.attempt}: gate {ask.gate} waits for {ask.owner}: {self._ui}/runs/flow-run/{ask.run} "
            f"(Resume), code {code}"
        )
