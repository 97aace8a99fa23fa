"""Promotion at cutover and the way back, in each registry."""

import pytest

from tasks.aliases import promote, take_package_back
from turnout.domain.aliases import Aliases
from turnout.domain.attempt import Attempt
from turnout.domain.package import PackageManifest
from turnout.fabric.registry import files
from turnout.settings import Settings
from turnout.wiring.migrating import Wiring, current, use


@pytest.fixture
def moved(registry, model, tmp_path):
    """Attempts of a model, each with a package of its own that is the registry's candidate."""
    paths = dict.fromkeys(("manifests", "contracts", "pools", "owners"), tmp_path)
    wiring = Wiring(Settings(state=tmp_path / "state", **paths), packages=registry)
    use(wiring)

    def attempt(number: int) -> str:
        version = registry.register(packed(tmp_path / f"made-{number}", model)).version
        registry.mark(model, "candidate", version)
        id_ = f"{model}-{number}"
        wiring.attempts.save(Attempt(id=id_, model=model, number=number, package=version))
        return id_

    yield attempt
    use(None)


def packed(root, model):
    """A package like no other of the model."""
    root.mkdir()
    (root / "weights").write_text(root.name)
    parts = {"runtime_config": {}, "contract": {}, "source": {}}
    files.write(root, PackageManifest(model=model, runtime="triton", files=files.describe(root), **parts))
    return root


def told(registry, model):
    """What the registry itself says."""
    found = {name: registry.marked(model, name) for name in ("serving", "candidate", "previous")}
    return Aliases(**{name: package.version if package else None for name, package in found.items()})


def test_a_cutover_promotes_and_a_rollback_restores(registry, model, moved):
    """Two moves of a model and the way back from each, every step repeated as after a crash."""
    first = moved(1)
    assert told(registry, model) == Aliases(candidate="1")
    for _ in range(2):
        assert promote.fn(model, first) == told(registry, model) == Aliases(serving="1")
    second = moved(2)
    assert told(registry, model) == Aliases(serving="1", candidate="2")
    for _ in range(2):
        promote.fn(model, second)
        assert told(registry, model) == Aliases(serving="2", previous="1")
    for _ in range(2):
        take_package_back.fn(model, second)
        assert told(registry, model) == Aliases(serving="1")
    take_package_back.fn(model, first)
    assert told(registry, model) == Aliases()


def test_an_attempt_that_was_never_cut_over_leaves_what_serves(registry, model, moved):
    """Stopped in shadow or canary: it is no candidate any more, and nothing else has changed."""
    promote.fn(model, moved(1))
    take_package_back.fn(model, moved(2))
    assert told(registry, model) == Aliases(serving="1")


def test_an_attempt_without_a_package_changes_nothing(registry, model, moved):
    """One that ended before it was packaged has nothing to take back."""
    promote.fn(model, moved(1))
    current().attempts.save(Attempt(id=f"{model}-9", model=model, number=9))
    take_package_back.fn(model, f"{model}-9")
    assert told(registry, model) == Aliases(serving="1")
