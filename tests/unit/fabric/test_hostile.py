"""Hostile input: each a clear line in the report, never a crash, and memory bounded."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.domain.document import Document
from turnout.domain.estate import KINDS, finding
from turnout.domain.inventory import Problem
from turnout.fabric import manifests

SAMPLES = Path(__file__).parent.parent / "samples"
ROOT = Path(__file__).parents[3]
MIB = 2**20
MOST_MIB = 600
"""Most memory of the command: Python with its libraries takes 120, a file of the largest size 400 more."""


def _objects():
    return [
        one
        for file in sorted(SAMPLES.glob("*.yaml"))
        for one in yaml.safe_load_all(file.read_text(encoding="utf-8"))
    ]


def _places(value, way=()):
    yield way
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _places(part, (*way, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _places(part, (*way, index))


OBJECTS = _objects()
FIELDS = [(number, way) for number, one in enumerate(OBJECTS) for way in _places(one) if way]
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, max_examples=600)
@given(field=st.sampled_from(FIELDS), wrong=any_json)
def test_any_json_in_any_field_of_any_kind_is_read_or_is_one_line(field, wrong):
    """No value in no field of no kind brings discovery down; what is refused is one short line."""
    number, way = field
    whole = json.loads(json.dumps(OBJECTS[number]))
    part = whole
    for key in way[:-1]:
        part = part[key]
    part[way[-1]] = wrong
    found = finding(Document(value=whole, file="file.yaml", lines={(): 1}))
    if isinstance(found, Problem):
        line = str(found.error())
        assert len(line) < 1_000
        assert "\n" not in line
        assert found.where.startswith("file.yaml:")


@settings(deadline=None)
@given(value=any_json, kind=st.sampled_from(KINDS))
def test_any_json_at_all_is_read_or_is_one_line(value, kind):
    """An object that is nothing like its kind is a problem, or no manifest."""
    whole = value if not isinstance(value, dict) else {
        **value, "kind": kind.kind, "apiVersion": f"{kind.group}/{kind.versions[0]}",
    }  # fmt: skip
    found = finding(Document(value=whole, file="file.yaml", lines={(): 1}))
    assert found is None or "\n" not in str(found)


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "..", "a/b", "a\\b", "a\x00b", "%2e%2e", "~root", "a\nb", "A" * 9999],
)
@pytest.mark.parametrize(
    "kind", ["InferenceService", "LLMInferenceService", "TrainedModel", "SeldonDeployment"]
)
def test_a_name_that_tries_to_be_a_path_is_refused(tmp_path, name, kind):
    """Names become file names and addresses: only those that Kubernetes would take pass."""
    (whole,) = [one for one in OBJECTS if one["kind"] == kind][:1]
    wrong = {**whole, "metadata": {**whole["metadata"], "name": name}}
    (tmp_path / "a.json").write_text(json.dumps(wrong))
    inventory = manifests.read(tmp_path)
    assert inventory.workloads == ()
    (problem,) = inventory.problems
    assert "metadata.name" in problem.observed
    assert len(str(problem.error())) < 600


def _bomb():
    """Ten levels of nine aliases each, in 200 documents: 3.4e9 parts a document."""
    levels = "".join(
        f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefghi", "bcdefghij", strict=True)
    )
    return f"a: &a [x,x,x,x,x,x,x,x,x]\n{levels}"


def _almost(count):
    """A document that stands for as many parts as one file may, so that many of them would not fit."""
    return "a: &a [" + ",".join(["x"] * 600) + "]\nb: [" + ",".join(["*a"] * count) + "]\n"


HOSTILE = {
    "bomb.yaml": _bomb(),
    "many-bombs.yaml": "---\n".join([_almost(800)] * 200),
    "huge.yaml": None,
    "deep.yaml": "a: " + "[" * 100_000,
    "deep.json": "[" * 100_000,
    "wide.yaml": "a: [" + "x," * 1_500_000 + "]\n",
    "nul.yaml": "a: \x00\n",
    "latin.yaml": b"name: caf\xe9\n",
    "utf16.yaml": "kind: x".encode("utf-16"),
    "binary.yaml": bytes(range(256)) * 100,
    "keys.yaml": "".join(f"k{number}: {{}}\n" for number in range(200_000)),
    "tag.yaml": "a: !!python/object/apply:os.system ['true']\n",
    "loop.yaml": "a: &a {b: *a}\n",
}


@pytest.fixture(name="hostile", scope="module")
def _hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    for name, text in HOSTILE.items():
        file = folder / name
        if text is None:
            with file.open("wb") as whole:
                whole.truncate(100 * MIB)
        else:
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
    (folder / "good.yaml").write_text((SAMPLES / "kinds.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return folder


def test_hostile_files_are_a_line_each_and_memory_stays_bounded(hostile):
    """Bombs, 100 MiB, depth, width, broken text: named, the good file read all the same, memory bounded."""
    measured = (
        "import resource, runpy, sys\n"
        "try:\n"
        "    runpy.run_module('turnout', run_name='__main__')\n"
        "finally:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", measured, "discover", "--manifests", str(hostile), "-o", "json"],
        cwd=hostile,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    *lines, kib = done.stderr.splitlines()
    assert done.returncode == 2, done.stderr
    assert {one["name"] for one in json.loads(done.stdout)["workloads"]} >= {"iris", "llm", "seldon"}
    assert all(line.startswith(f"error: {hostile}") and len(line) < 700 for line in lines)
    named = {Path(line.split()[1].rsplit(":", 2)[0]).name for line in lines}
    assert named >= HOSTILE.keys() - {"deep.json"}
    assert int(kib) * 1024 < MOST_MIB * MIB
