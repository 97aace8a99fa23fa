"""Answers requests with a package's code and models, without a cluster: the proof before deployment.

    python prove.py ROOT REQUESTS_FILE ANSWERS_FILE

The same loaders and the same graph as the application, in the environment that it will run in. Requests and
answers are JSON lists of V1 bodies. On failure the answers file holds {"error": ...}.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # isolated mode leaves it out

import graph  # type: ignore[import-not-found,unused-ignore]
from loaders import Member  # type: ignore[import-not-found,unused-ignore]

INGRESS = "Ingress"


def prove(root: Path, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Answer every request."""
    composition = json.loads((root / "composition.json").read_text())
    members = {name: Member(root, entry) for name, entry in composition["members"].items()}

    async def call(member: str, body: dict[str, Any]) -> dict[str, Any]:
        return dict(members[member].answer(body))

    async def answers() -> list[dict[str, Any]]:
        if composition.get("nodes"):
            return [await graph.run(composition["nodes"], call, one) for one in requests]
        return [await call(INGRESS, one) for one in requests]

    return asyncio.run(answers())


def main(root: Path, requests: Path, answers: Path) -> int:
    """Write what the package answers, or why it does not."""
    try:
        found: Any = prove(root, json.loads(requests.read_text()))
    except Exception as error:  # noqa: BLE001 -- whatever a model's code does is told, not hidden
        found = {"error": f"{type(error).__name__}: {error}"[:500]}
    answers.write_text(json.dumps(found))
    return 0 if isinstance(found, list) else 1


if __name__ == "__main__":
    sys.exit(main(*(Path(argument) for argument in sys.argv[1:4])))
