import base64
import json

from turnout.fabric.state import State
from turnout.services.shadow.captures import Captures


def lines(state):
    """Read what was captured of the model."""
    return [json.loads(line) for line in state.captures("iris").read_text().splitlines()]


def test_a_capture_is_what_the_client_sent_and_got(tmp_path, make_exchange):
    """Text bodies stand as text, others as base64 with a flag."""
    state = State(tmp_path)
    captures = Captures(state)
    captures.keep(make_exchange())
    captures.keep(make_exchange(request=b"\xff\x00"))
    text, binary = lines(state)
    assert (text["request"], text["request_base64"]) == ('{"instances": [[1]]}', False)
    assert text["response"] == '{"predictions": [1.0]}'
    assert (text["arm"], text["attempt"], text["status"], text["at"]) == ("legacy", "iris-1", 200, 100.0)
    assert binary["request_base64"]
    assert base64.b64decode(binary["request"]) == b"\xff\x00"


def test_only_the_newest_are_kept(tmp_path, make_exchange):
    """The file never grows beyond its bound, not over a restart either, and the newest are always there."""
    state = State(tmp_path)
    for start in (0, 30):
        captures = Captures(state, newest_lines=20)
        for n in range(start, start + 30):
            captures.keep(make_exchange(started_seconds=float(n)))
            assert len(lines(state)) <= 20
    found = [line["at"] for line in lines(state)]
    assert found == [float(n) for n in range(60 - len(found), 60)]
    assert len(found) >= 18


def test_a_half_written_line_costs_only_itself(tmp_path, make_exchange):
    """What a killed writer left behind does not swallow the next capture."""
    state = State(tmp_path)
    Captures(state).keep(make_exchange())
    with state.captures("iris").open("a") as out:
        out.write('{"at": 1, "mod')
    Captures(state).keep(make_exchange(started_seconds=7.0))
    last = state.captures("iris").read_text().splitlines()[-1]
    assert json.loads(last)["at"] == 7.0
