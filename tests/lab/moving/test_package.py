"""The lab's three models are converted, proved against their real servers' answers, and registered."""

import json
import subprocess

import pytest

from runtimes import conversion
from tasks.package import package_model, packaged
from turnout.domain.errors import InvalidInputError
from turnout.domain.evidence import Phase, Verdict
from turnout.fabric import environments


@pytest.mark.parametrize("model", ["iris", "diabetes", "cancer"])
def test_a_legacy_model_is_packaged_faithfully(wiring, packaged_once, model, tmp_path):
    """Every golden answer of the real server is the converted model's too; the package is whole."""
    evidence = packaged_once(model)
    compared = evidence.measurements["compared"]
    assert compared >= 40
    assert evidence.reasons == (f"{compared} of {compared} golden answers are the same",)
    version = packaged(evidence)
    manifest = wiring.packages.fetch(version, tmp_path / "package")
    assert (manifest.model, manifest.runtime) == (model, "triton")
    assert {f.path for f in manifest.files} == {
        f"repository/{model}/config.pbtxt",
        f"repository/{model}/1/model.onnx",
    }
    assert manifest.source["sha256"] == evidence.measurements["model_file_sha256"]
    assert wiring.attempts.get(evidence.attempt).package == version.version
    assert wiring.packages.marked(model, "candidate") == version


def test_packaging_again_is_skipped_on_its_evidence(packaged_once, monkeypatch):
    """A flow that is started again converts nothing."""
    first = packaged_once("cancer")
    monkeypatch.setattr(conversion, "convert", None)
    assert package_model.fn("cancer", first.attempt) == first


def test_the_next_attempt_proves_anew_and_finds_the_same_package(wiring, packaged_once):
    """Evidence is an attempt's own; the same model makes the same version."""
    first = packaged_once("cancer")
    again = package_model.fn("cancer", wiring.attempts.new("cancer").id)
    assert again.digest != first.digest
    assert packaged(again) == packaged(first)


def test_an_unfaithful_conversion_is_stopped_with_examples(wiring, packaged_once, golden):
    """Golden answers that the converted model does not give: a fail, and nothing is registered."""
    packaged_once("iris")
    kept = golden("iris")
    for line in kept[:10]:
        line["response"] = json.dumps({"predictions": [7]})
    file = wiring.state.work / "golden" / "iris.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in kept))
    attempt = wiring.attempts.new("iris")
    evidence = package_model.fn("iris", attempt.id)
    golden("iris")
    assert (evidence.verdict, evidence.measurements["differing"]) == (Verdict.FAIL, 10)
    assert evidence.measurements["examples"][0]["legacy"] == {"predictions": [7]}
    assert evidence.measurements["package"] is None
    assert wiring.attempts.get(attempt.id).package is None
    assert wiring.evidence.history("iris", Phase.PACKAGE, attempt.id) == [evidence]


def test_a_golden_set_that_its_suite_does_not_accept_holds(wiring, packaged_once, golden):
    """A faithful conversion proved on too little is a hold that names the rows; nothing is registered."""
    packaged_once("iris")
    kept = golden("iris")
    file = wiring.state.work / "golden" / "iris.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in [*kept, kept[3]]))
    attempt = wiring.attempts.new("iris")
    evidence = package_model.fn("iris", attempt.id)
    golden("iris")
    assert (evidence.verdict, evidence.measurements["differing"]) == (Verdict.HOLD, 0)
    (reason,) = evidence.reasons
    assert reason.startswith("golden_set: expect_column_values_to_be_unique(request_sha256)")
    assert "rows 3, 40" in reason
    assert evidence.measurements["package"] is None
    assert wiring.attempts.get(attempt.id).package is None


@pytest.mark.parametrize(
    ("model", "content"),
    [("iris", b"not a model"), ("cancer", b"{}"), ("cancer", None)],
    ids=["sklearn-broken", "xgboost-broken", "missing"],
)
def test_a_bad_model_file_is_one_clear_error(wiring, packaged_once, model, content):
    """Missing or not loading: one line, no trace, nothing kept; the legacy server goes on."""
    packaged_once(model)
    (file,) = [f for f in wiring.state.model_files(model).iterdir() if f.name.startswith("model.")]
    before = file.read_bytes()
    attempt = wiring.attempts.new(model).id
    try:
        file.unlink()
        if content is not None:
            file.write_bytes(content)
        expected = "no model file" if content is None else "model file does not load"
        with pytest.raises(InvalidInputError, match=expected) as caught:
            package_model.fn(model, attempt)
    finally:
        file.write_bytes(before)
    assert "\n" not in str(caught.value)
    assert wiring.evidence.history(model, Phase.PACKAGE, attempt) == []


def hostile(file, code):
    """A pickle that runs this code when it is opened."""
    script = f"""
import joblib
class Hostile:
    def __reduce__(self):
        return (exec, ({code!r},))
joblib.dump(Hostile(), {str(file)!r})
"""
    python = environments.ensure("convert") / "bin" / "python"
    subprocess.run([python, "-c", script], check=True, timeout=60)
    return file


def opened(wiring, source):
    """Convert a model file that is said to be the iris model."""
    return conversion.convert(
        environment=environments.ensure("convert"),
        framework="sklearn",
        source=source,
        contract=wiring.contract("iris"),
        examples=[],
        directory=source.parent / "out",
    )


def test_a_pickle_that_attacks_reaches_nothing(wiring, monkeypatch, tmp_path):
    """A pickle is code: it runs in a process of its own that is handed no credentials and no settings."""
    monkeypatch.setenv("SECRET_OF_THE_CONTROLLER", "hunter2")
    monkeypatch.setenv("TURNOUT_SETTINGS", "turnout.yaml")
    seen = tmp_path / "seen"
    code = f"import os; open({str(seen)!r}, 'w').write(repr(dict(os.environ)))"
    with pytest.raises(InvalidInputError, match="without predict"):
        opened(wiring, hostile(tmp_path / "model.joblib", code))
    assert "PATH" in seen.read_text()
    assert "hunter2" not in seen.read_text()
    assert "TURNOUT_SETTINGS" not in seen.read_text()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os; os._exit(0)", "without a result"),
        ("import os; os.abort()", "died of signal 6"),
        ("raise SystemExit", "does not load: SystemExit"),
        ("x = bytearray(64 * 2**30)", "more memory wanted than the limit"),
    ],
    ids=["exit", "abort", "system-exit", "memory"],
)
def test_a_pickle_that_ends_its_process_is_one_clear_error(wiring, tmp_path, code, said):
    """However a model file takes its process down, the flow gets one line."""
    with pytest.raises(InvalidInputError, match=said) as caught:
        opened(wiring, hostile(tmp_path / "model.joblib", code))
    assert "\n" not in str(caught.value)
