"""Runs an InferenceGraph's nodes over its members, step by step as KServe's router does.

The rules are those of kserve/cmd/router: a sequence hands on the request, or with `data: $response` the
answer of the step before, whose predictions become instances where `mapPredictionsToInstances` says so; an
ensemble asks all steps at once and answers by their names. Pure but for the calls that it is given.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

ROOT = "root"

Body = dict[str, Any]
Call = Callable[[str, Body], Awaitable[Body]]
"""Asks a member by its name."""


async def run(nodes: dict[str, Any], call: Call, body: Body, node: str = ROOT) -> Body:
    """Answer one request by a node of the graph.

    Args:
        nodes: The graph's nodes by name, as in the InferenceGraph's spec.
        call: Asks a member.
        body: The request.
        node: Name of the node.

    Raises:
        ValueError: A node of a kind that is not run here.
    """
    kind, steps = nodes[node]["routerType"], nodes[node]["steps"]
    if kind == "Sequence":
        return await _sequence(nodes, call, body, steps)
    if kind == "Ensemble":
        answers = await asyncio.gather(*(_step(nodes, call, step, body) for step in steps))
        named = zip(steps, answers, strict=True)
        return {step.get("name") or str(number): answer for number, (step, answer) in enumerate(named)}
    raise ValueError(f"node {node} is a {kind}; Sequence and Ensemble are run")


async def _sequence(nodes: dict[str, Any], call: Call, body: Body, steps: list[Any]) -> Body:
    answer: Body = {}
    for number, step in enumerate(steps):
        request = answer if step.get("data") == "$response" and number > 0 else body
        if step.get("mapPredictionsToInstances") and request.get("predictions"):
            request = {"instances": request["predictions"]}
        answer = await _step(nodes, call, step, request)
    return answer


async def _step(nodes: dict[str, Any], call: Call, step: dict[str, Any], body: Body) -> Body:
    if step.get("nodeName"):
        return await run(nodes, call, body, step["nodeName"])
    return await call(step["member"], body)
