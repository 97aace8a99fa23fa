"""The owner's task metric, asked of both arms: the owner's prompts, greedily, one after the other."""

import json

from runtimes import Endpoint, wire
from turnout.domain import generated, sampling, task_scores
from turnout.domain.answers import MalformedError
from turnout.domain.bodies import parsed
from turnout.domain.contract import Contract
from turnout.domain.errors import UnreachableError
from turnout.domain.route import Backend
from turnout.domain.task_scores import Answered, TaskFinding
from turnout.fabric import task_prompts
from turnout.fabric.task_prompts import TaskPrompt
from turnout.wiring.migrating import Wiring

_OK = 200


def asked(wiring: Wiring, contract: Contract, *, legacy: Backend, candidate: Backend) -> TaskFinding | None:
    """Ask both arms the owner's prompts and judge the answers; None where the contract has no task.

    Raises:
        NotFoundError: There are no prompts.
        InvalidInputError: A line of them is wrong, or the metric's schema.
    """
    if contract.task is None:
        return None
    task_scores.scorer(contract.task)  # what cannot be scored is not asked
    answered = [
        Answered(
            prompt=one.shown,
            expected=one.expected,
            legacy=_text(contract, legacy, one),
            candidate=_text(contract, candidate, one),
        )
        for one in task_prompts.load(wiring.settings.contracts, contract)
    ]
    return task_scores.judge(contract.task, answered, alpha=contract.bounds.alpha)


def _text(contract: Contract, backend: Backend, prompt: TaskPrompt) -> str | None:
    """What an arm answers; None where it does not, or not well-formed."""
    request = sampling.pinned(contract, json.dumps(prompt.request).encode())
    endpoint = Endpoint(host=backend.host, port=backend.port)
    limit = contract.policy.request_seconds
    try:
        reply = wire.predict(endpoint, contract, request or b"", timeout_seconds=limit)
        return generated.generated(parsed(contract, reply.body)).text if reply.status == _OK else None
    except (UnreachableError, MalformedError):
        return None
