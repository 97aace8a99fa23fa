"""The retryable units of work that the flows call; a file a phase, named as the phase.

Each gathers facts, lets `turnout.domain` decide, and applies. Every one is safe to run again.
"""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, overload

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from turnout.domain.errors import TemporaryError

P = ParamSpec("P")
R = TypeVar("R")


async def _temporary(_task: Any, _run: TaskRun, state: State[Any]) -> bool:
    """Retry only what may succeed later."""
    error = await state.aresult(raise_on_failure=False)
    return isinstance(error, TemporaryError)


@overload
def step(function: Callable[P, R], /) -> Task[P, R]: ...


@overload
def step(
    *, name: str | None = None, task_run_name: str | None = None
) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def step(function: Callable[P, R] | None = None, /, **names: Any) -> Any:
    """Decorate a task: Prefect retries temporary errors only; our own evidence decides what is skipped.

    Args:
        function: The task's function, where the decorator is used without names.
        names: How Prefect's pages call the task (`name`) and its runs (`task_run_name`).
    """

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        retried: Callable[[Callable[P, R]], Task[P, R]] = task(
            retries=4,
            retry_delay_seconds=[1, 2, 5, 10],
            retry_condition_fn=_temporary,
            cache_policy=NO_CACHE,
            log_prints=True,
            **names,
        )
        return retried(function)

    return decorate(function) if function else decorate
