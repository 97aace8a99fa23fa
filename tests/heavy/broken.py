"""A candidate that is broken, and what stopping it before the canary means."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runtimes import wire
from tasks.package import package_model
from turnout.domain.contract import Contract
from turnout.domain.evidence import Evidence, Verdict
from turnout.domain.requests import Arm, ComparisonRecord
from turnout.domain.shadowing import Finding
from turnout.fabric.state import State
from turnout.services.shadow import replies
from turnout.services.shadow.exchange import Exchange, Origin
from turnout.services.shadow.replies import Reply
from turnout.wiring.migrating import Wiring

Change = Callable[[Path], object]


@pytest.fixture
def broken(
    wiring: Wiring, state: State, packaged_once: Callable[[str], Evidence]
) -> Iterator[Callable[[str, str, Change], Evidence]]:
    """Packages a model from files that were changed since legacy loaded them; they are put back."""
    kept: list[tuple[Path, bytes]] = []

    def package(model: str, name: str, change: Change) -> Evidence:
        packaged_once(model)
        file = state.model_files(model) / name
        kept.append((file, file.read_bytes()))
        change(file)
        return package_model.fn(model, wiring.attempts.new(model).id)

    yield package
    for file, content in kept:
        file.write_bytes(content)


def compared(
    contract: Contract, number: int, request: bytes, legacy: tuple[wire.Reply, wire.Reply], new: wire.Reply
) -> ComparisonRecord:
    """What the shadow service writes of one replay; legacy was asked twice. Four replays a second."""
    old, again, answer = (Reply(one.status, one.body, one.seconds) for one in (*legacy, new))
    origin = Origin(contract.model, contract.model, Arm.LEGACY, Arm.LEGACY)
    exchange = Exchange(origin, number / 4, old.seconds, "POST", "/", {}, request, 200, old.body)
    return replies.from_both(
        contract, exchange, attempt=contract.model, old=old, new=answer, again=again, at_seconds=number / 4
    )


def stopped_in_package(evidence: Evidence) -> list[dict[str, Any]]:
    """See that a package fails and is registered nowhere; its examples, each a request with both answers."""
    assert evidence.verdict is Verdict.FAIL
    assert evidence.measurements["package"] is None
    examples: list[dict[str, Any]] = evidence.measurements["examples"]
    assert examples
    for one in examples:
        assert one["request"]
        assert one["what"]
        assert one["legacy"] != one["converted"]
    return examples


def stopped_in_shadow(finding: Finding) -> list[dict[str, Any]]:
    """See that the shadow test fails; its examples, each a request with both answers and what differs."""
    assert finding.verdict is Verdict.FAIL, finding.reasons
    examples: list[dict[str, Any]] = finding.measurements["examples"]
    assert examples
    assert all(one["request"] and one["what"] and one["old"] and one["new"] for one in examples)
    return examples


def replaced(file: Path, old: str, new: str) -> None:
    """Change one place of an owner's code."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
