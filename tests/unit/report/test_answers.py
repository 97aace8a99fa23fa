import json
from dataclasses import replace

from turnout.domain.requests import Arm, ComparisonRecord
from turnout.report.answers import LabelCount, NumberPair, examples, label_counts, number_pairs

SAME = ComparisonRecord(
    model="iris", attempt="iris-1", at_seconds=1.0, captured_from=Arm.LEGACY, new_differs=False,
    old_differs=None, new_failed=False, distance=0.0, legacy_seconds=None, candidate_seconds=0.01,
    example={"request": '{"instances": [[1, 2.5]]}'}
    | dict.fromkeys(("old", "new"), '{"predictions": [0, 1]}'),
)  # fmt: skip
MOVED = replace(
    SAME, new_differs=True, distance=0.5, example=SAME.example | {"new": '{"predictions": [0, 2]}'}
)


def _v2(*values):
    return json.dumps({"outputs": [{"name": "p", "data": [[value] for value in values]}]})


def test_numbers_are_paired_in_both_protocols():
    """V1 predictions and V2 outputs, flat or nested, give the same pairs."""
    wired = replace(SAME, example={"old": _v2(0, 1), "new": _v2(0, 1)})
    assert (
        number_pairs([SAME])
        == number_pairs([wired])
        == [NumberPair(0, 0, differs=False), NumberPair(1, 1, differs=False)]
    )


def test_answers_that_cannot_be_paired_are_left_out_of_the_plot():
    """Another length, text, or no JSON at all: nothing is drawn that was not answered."""
    odd = [
        {"old": _v2(0, 1), "new": _v2(0)},
        {"old": '{"predictions": ["a"]}', "new": '{"predictions": ["b"]}'},
    ]
    odd += [{"old": "half a b", "new": _v2(0)}, {}]
    assert number_pairs([replace(SAME, example=e) for e in [*odd, None]]) == []


def test_only_labels_that_moved_are_counted():
    """A row of an answer that stayed the same is not a move, also where another row of it moved."""
    assert label_counts([SAME, MOVED, MOVED]) == [LabelCount("1", "2", 2)]


def test_the_largest_differences_come_first():
    """What an owner reads first is the worst; no distance at all comes before none."""
    worse = replace(MOVED, distance=7.0)
    assert [e.distance for e in examples([MOVED, SAME, worse], 5)] == [7.0, 0.5]


def test_an_example_is_readable():
    """Inputs and answers are shown as values, cut where they are long; a missing answer is said."""
    (one,) = examples([MOVED], 5)
    assert (one.request, one.old, one.new) == ("1, 2.5", "0, 1", "0, 2")
    (failed,) = examples([replace(MOVED, new_failed=True)], 5)
    assert failed.new == "no answer"
    (long,) = examples([replace(MOVED, example={"request": "x" * 5000, "old": "", "new": ""})], 5)
    assert len(long.request) < 200
