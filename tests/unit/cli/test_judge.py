import io
import json
import sys

import pytest
from click.testing import CliRunner

from turnout.cli.judge import command
from turnout.domain.errors import InvalidInputError

YES = True  # of JSON


def line(*, weight=0.2, failed=0, slow=0, **more):
    """One look, as a JSON line: 20 requests, of which the weight's share went to the candidate."""
    candidate = round(20 * weight)
    document = {
        "seconds": 1,
        "weight": weight,
        "legacy": {"requests": 20 - candidate, "errors": 0, "slow": 0},
        "candidate": {"requests": candidate, "errors": failed, "slow": slow, "rescued": failed},
        **more,
    }
    return json.dumps(document)


def judged(tmp_path, lines, *options):
    """The answer over some lines."""
    file = tmp_path / "counts.jsonl"
    file.write_text("".join(f"{text}\n" for text in lines))
    result = CliRunner().invoke(command, [str(file), *options], catch_exceptions=False)
    assert result.exit_code == 0
    return json.loads(result.stdout)


def test_a_dead_candidate_is_a_breach_at_its_line(tmp_path):
    """Twenty healthy looks, then every request fails: breach of errors a few lines later, and it stays."""
    answer = judged(tmp_path, [line()] * 20 + [line(failed=4)] * 10 + [line()] * 50)
    assert (answer["verdict"], answer["signal"]) == ("breach", "errors")
    assert 21 <= answer["line"] <= 26
    assert answer["evidence"]["errors"]["log_wealth"] >= answer["evidence"]["errors"]["log_limit"]


def test_a_healthy_candidate_passes_at_the_line_where_all_is_shown(tmp_path):
    """The line is that of the last signal's pass; one line fewer is undecided, more lines change nothing."""
    answer = judged(tmp_path, [line()] * 300)
    assert (answer["verdict"], answer["signal"]) == ("pass", None)
    shorter = judged(tmp_path, [line()] * (answer["line"] - 1))
    assert (shorter["verdict"], shorter["line"]) == ("undecided", None)
    assert judged(tmp_path, [line()] * answer["line"]) == answer


def test_a_pass_falls_when_the_weight_changes(tmp_path):
    """A step that passed proves nothing about the next; its own pass comes at its own line."""
    passed = judged(tmp_path, [line()] * 300)["line"]
    assert judged(tmp_path, [line()] * passed + [line(weight=0.5)])["verdict"] == "undecided"
    again = judged(tmp_path, [line()] * passed + [line(weight=0.5)] * 100)
    assert again["verdict"] == "pass"
    assert again["line"] > passed


def test_a_breach_after_a_pass_is_a_breach(tmp_path):
    """The guard goes on after a pass."""
    answer = judged(tmp_path, [line()] * 300 + [line(failed=4)] * 10)
    assert (answer["verdict"], answer["signal"]) == ("breach", "errors")
    assert answer["line"] > 300


def test_only_signals_with_a_max_are_judged(tmp_path):
    """Alpha is split over the signals that have a bound: one alone needs less evidence than two."""
    both = judged(tmp_path, [line()] * 300, "--max", "errors=0.01", "--max", "slow=0.05")
    alone = judged(tmp_path, [line()] * 300, "--max", "errors=0.01")
    assert set(alone["evidence"]) == {"errors"}
    assert alone["evidence"]["errors"]["log_limit"] < both["evidence"]["errors"]["log_limit"]
    assert alone["line"] < both["line"]
    assert judged(tmp_path, [line(failed=4)] * 50, "--max", "slow=0.05")["verdict"] != "breach"


def test_slowness_is_judged(tmp_path):
    """A candidate whose every answer is slow is a breach of slow."""
    answer = judged(tmp_path, [line(slow=4)] * 120)
    assert (answer["verdict"], answer["signal"]) == ("breach", "slow")


def test_pairs_are_judged_where_lines_have_them(tmp_path):
    """Differing answers breach by default where the first line has pairs."""
    differing = line(pairs={"neither": 0, "old_only": 0, "new_only": 5, "both": 0})
    answer = judged(tmp_path, [differing] * 10)
    assert (answer["verdict"], answer["signal"]) == ("breach", "differs")
    assert "differs" not in judged(tmp_path, [line()])["evidence"]


def timed(late):
    """A look whose first tokens were timed; `late` of the candidate's."""
    document = json.loads(line())
    document["legacy"]["slow_first"], document["candidate"]["slow_first"] = 0, late
    return json.dumps(document)


def test_first_tokens_are_judged_where_they_are_timed(tmp_path):
    """Late first tokens breach by default where the first line times them, and where they are asked for."""
    for options in ((), ("--max", "first_token=0.1")):
        answer = judged(tmp_path, [timed(4)] * 120, *options)
        assert (answer["verdict"], answer["signal"]) == ("breach", "first_token")
    assert "first_token" not in judged(tmp_path, [line()])["evidence"]


def test_first_tokens_that_were_not_timed_cannot_be_judged(tmp_path):
    """A bound on what a line does not count is bad input, never a signal that silently cannot fail."""
    file = tmp_path / "counts.jsonl"
    file.write_text(f"{timed(0)}\n{line()}\n")
    with pytest.raises(InvalidInputError, match=r"line 2.*slow_first"):
        CliRunner().invoke(command, [str(file), "--max", "first_token=0.1"], catch_exceptions=False)


def test_a_sentinels_journal_is_read_as_it_is(tmp_path):
    """Further keys are ignored, and what the sentinel does not know may be null."""
    document = json.loads(
        line(at=1.0, verdict="undecided", signal=None, evidence={"errors": {}}, diverted=1, pairs=None)
    )
    document["candidate"]["rescued"] = None
    assert judged(tmp_path, [json.dumps(document)])["verdict"] == "undecided"


def test_standard_input_is_read(monkeypatch):
    """A dash stands for standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(line().encode())))
    result = CliRunner().invoke(command, ["-"], input=line(), catch_exceptions=False)
    assert json.loads(result.stdout)["verdict"] == "undecided"


def changed(path, value):
    """A good line with one value changed; `path` like "candidate.errors"; without a value it is taken out."""
    document = json.loads(line())
    *parents, last = path.split(".")
    place = document
    for parent in parents:
        place = place[parent]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ("3", "not a JSON object"),
        ("\ufeff{}", "not JSON"),
        ("[" * 100_000, "not JSON"),
        (changed("candidate.requests", -1), "candidate.requests is -1"),
        (changed("candidate.errors", 5), "candidate.errors is 5, more than its 4 requests"),
        (changed("legacy.slow", 17), "legacy.slow is 17, more than its 16 requests"),
        (changed("candidate.rescued", 1), "candidate.rescued is 1, more than its 0 errors"),
        (changed("candidate.rescued", YES), "candidate.rescued is true"),
        (changed("candidate.requests", 2.5), "candidate.requests is 2.5"),
        (changed("candidate.requests", 10**30), "candidate.requests is 1000000"),
        (changed("legacy.errors", YES), "legacy.errors is true"),
        (changed("legacy.errors", "0"), 'legacy.errors is "0"'),
        (changed("legacy.requests", None), "legacy has no requests"),
        (changed("candidate", None), "candidate is missing"),
        (changed("legacy", 3), "legacy is missing or not an object"),
        (changed("legacy.slow_first", 17), "legacy.slow_first is 17"),
        (changed("candidate.slow_first", -1), "candidate.slow_first is -1"),
        (changed("weight", None), "weight is missing"),
        (changed("weight", 0), "weight is 0"),
        (changed("weight", 1), "weight is 1"),
        (changed("weight", 1.5), "weight is 1.5"),
        (changed("weight", YES), "weight is true"),
        (changed("weight", float("nan")), "NaN is not a number"),
        (changed("weight", float("inf")), "Infinity is not a number"),
        (changed("weight", 10**400), "weight is 1000000"),
        (changed("seconds", 0), "seconds is 0"),
        (changed("pairs", {"neither": 1}), "pairs has no old_only"),
        (changed("pairs", 3), "pairs is not an object"),
    ],
)
def test_a_bad_line_is_named_with_what_was_wrong(tmp_path, bad, says):
    """Bad input is one error that names the line, wherever it stands, also after a breach."""
    file = tmp_path / "counts.jsonl"
    file.write_text("\n".join([line(failed=4)] * 9 + [bad]))
    with pytest.raises(InvalidInputError) as caught:
        CliRunner().invoke(command, [str(file)], catch_exceptions=False)
    assert "line 10" in str(caught.value)
    assert says in str(caught.value)


def test_a_weight_of_zero_is_fine_without_requests_of_the_candidate(tmp_path):
    """Before the canary there is nothing to judge, and nothing wrong."""
    assert judged(tmp_path, [line(weight=0)])["verdict"] == "undecided"


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_an_empty_file_is_bad_input(tmp_path, content):
    """No look, no verdict."""
    file = tmp_path / "counts.jsonl"
    file.write_bytes(content)
    with pytest.raises(InvalidInputError, match="no line"):
        CliRunner().invoke(command, [str(file)], catch_exceptions=False)


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_what_cannot_be_read_is_bad_input(tmp_path, name):
    """A missing file and a directory are one clear error."""
    with pytest.raises(InvalidInputError, match="a readable file"):
        CliRunner().invoke(command, [str(tmp_path / name)], catch_exceptions=False)


@pytest.mark.parametrize(
    "options",
    [
        ["--max", "warmth=0.1"],
        ["--max", "errors"],
        ["--max", "errors=much"],
        ["--max", "errors=0"],
        ["--max", "errors=1"],
        ["--max", "errors=nan"],
        ["--max", "errors=0.1", "--max", "errors=0.2"],
        ["--alpha", "0"],
        ["--alpha", "1"],
        ["--alpha", "nan"],
        ["--ratio", "0.5"],
        ["--ratio", "inf"],
        ["--pause-seconds", "0"],
    ],
)
def test_bounds_that_cannot_be_held_are_bad_input(tmp_path, options):
    """Wrong bounds are refused, not read as something else."""
    file = tmp_path / "counts.jsonl"
    file.write_text(line())
    with pytest.raises(InvalidInputError):
        CliRunner().invoke(command, [str(file), *options], catch_exceptions=False)
