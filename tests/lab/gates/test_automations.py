import uuid
from datetime import UTC, datetime

from prefect.states import Crashed, Pending, Running

from flows.automations import RESTARTED_TAG, TAG, automations, register
from flows.tend import tend


def _beat(served, run):
    """Tell the server what a run's heartbeat tells it."""
    tags = [
        {"prefect.resource.id": f"prefect.tag.{tag}", "prefect.resource.role": "tag"}
        for tag in (TAG, RESTARTED_TAG)
    ]
    event = {
        "id": str(uuid.uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": "prefect.flow-run.heartbeat",
        "resource": {"prefect.resource.id": f"prefect.flow-run.{run}"},
        "related": tags,
    }
    served.client.request("POST", "/events", json=[event]).raise_for_status()


def written(served):
    """When each automation was written last."""
    answer = served.client.request("POST", "/automations/filter", json={})
    return {each["name"]: each["updated"] for each in answer.json()}


def test_a_crashed_run_whose_event_was_lost_is_started_again(served, tmp_path):
    """Without any automation, the look at the runs themselves starts it again, and only the crashed one."""
    deployment = served.client.read_deployment_by_name("starts/turnout")
    run = served.client.create_flow_run_from_deployment(
        deployment.id, parameters={"root": str(tmp_path)}, state=Pending()
    ).id
    for automation in automations():
        for known in served.client.read_automations_by_name(automation.name):
            served.client.delete_automation(known.id)
    served.client.set_flow_run_state(run, Crashed(), force=True)

    assert run not in tend(served.client), "the automation has the first word"
    served.wait(lambda: run in tend(served.client), seconds=60)
    assert run not in tend(served.client)
    served.wait(lambda: served.state(run).is_completed(), seconds=120)
    assert (tmp_path / "starts").read_text() == "started\n"


def test_a_run_that_never_began_and_whose_event_was_lost_is_started(served, tmp_path):
    """Its worker was killed with the run in its hands, and no automation heard of it: the look does."""
    deployment = served.client.read_deployment_by_name("starts/turnout")
    for automation in automations():
        for known in served.client.read_automations_by_name(automation.name):
            served.client.delete_automation(known.id)
    run = served.client.create_flow_run_from_deployment(
        deployment.id, parameters={"root": str(tmp_path)}, state=Pending()
    ).id

    assert run not in tend(served.client)
    assert served.state(run).is_pending(), "it may still begin"
    served.wait(lambda: run in tend(served.client, begin_within_seconds=1), seconds=60)
    served.wait(lambda: served.state(run).is_completed(), seconds=120)
    states = [state.name for state in served.client.read_flow_run_states(run)]
    assert states.index("Pending") < states.index("Crashed") < states.index("AwaitingRetry")


def test_a_run_whose_process_is_gone_is_found_and_started_again(served, tmp_path):
    """With worker and flow killed nobody tells Prefect; it finds out by itself, and the same run goes on."""
    register(automations(beat_within_seconds=10))
    before = written(served)
    register(automations(beat_within_seconds=10))
    names = [a.name for a in automations()]
    assert all(len(served.client.read_automations_by_name(name)) == 1 for name in names), "registered once"
    assert written(served) == before, "what is as it should be is left alone"
    deployment = served.client.read_deployment_by_name("starts/turnout")
    run = served.client.create_flow_run_from_deployment(
        deployment.id, parameters={"root": str(tmp_path)}, state=Pending()
    ).id
    served.client.set_flow_run_state(run, Running())
    _beat(served, run)
    assert not (tmp_path / "starts").exists()
    register(automations(beat_within_seconds=10))  # as the worker does that comes in the killed one's place

    def goes_on() -> bool:
        tend(
            served.client
        )  # for the event that a locked database has cost; the automation has the first word
        return served.state(run).is_completed()

    served.wait(goes_on, seconds=150)
    assert (tmp_path / "starts").read_text() == "started\n"
    states = [state.name for state in served.client.read_flow_run_states(run)]
    assert states.index("Running") < states.index("Crashed") < states.index("AwaitingRetry")
