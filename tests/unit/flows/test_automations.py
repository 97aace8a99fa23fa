from pathlib import Path

import yaml

from flows.automations import BEAT_WITHIN_SECONDS, RESTARTED_TAG, TAG, automations

ROOT = Path(__file__).parents[3]


def _crash_watchers():
    return [a for a in automations() if "prefect.flow-run.Crashed" in a.trigger.expect]


def test_a_gate_and_every_named_end_stop_the_watch_on_heartbeats():
    """A run that waits at a gate does not beat, and must not be taken for dead."""
    silent = next(a for a in automations() if "prefect.flow-run.heartbeat" in a.trigger.after)
    assert {"prefect.flow-run.Suspended", "prefect.flow-run.Cut over"} <= silent.trigger.expect
    assert silent.trigger.within.total_seconds() == BEAT_WITHIN_SECONDS


def test_one_automation_at_a_time_looks_at_a_crash():
    """Two that write about one event lock each other out on SQLite: their counts of starts do not overlap."""
    counts = [a.trigger.match["prefect.run-count"] for a in _crash_watchers()]
    assert len(counts) == 2
    assert not set(counts[0]) & set(counts[1])


def test_restarts_are_bounded_by_the_count_of_starts():
    """A run that crashes for ever is left to a person."""
    assert all("999" not in a.trigger.match["prefect.run-count"] for a in _crash_watchers())


def test_every_deployment_is_watched_and_only_what_waits_at_gates_or_for_others_is_started_again():
    """The tags that the automations look for are those of prefect.yaml, and heartbeats are switched on."""
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    for one in deployments:
        assert TAG in one["tags"]
        assert one["work_pool"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    again = {one["entrypoint"] for one in deployments if RESTARTED_TAG in one["tags"]}
    assert again == {"flows.migrate.migrate", "flows.portfolio.portfolio", "flows.retire.retire"}


def test_the_deployments_name_no_place_of_this_machine():
    """The project's place comes from the environment."""
    text = (ROOT / "prefect.yaml").read_text()
    assert "{{ $TURNOUT_ROOT }}" in text
    assert str(ROOT) not in text
