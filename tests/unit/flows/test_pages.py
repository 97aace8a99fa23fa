from flows.pages import page, summary
from turnout.domain.evidence import Evidence, Phase, Verdict

EVIDENCE = Evidence(
    subject="cancer",
    phase=Phase.SHADOW,
    attempt="cancer-1",
    inputs_digest="0123456789abcdef",
    measurements={
        "compared": 200,
        "latency": {"candidate_p50_seconds": 0.0123456},
        "steps": [{"weight": 0.1, "legacy": {"requests": 18}}, {"weight": 0.25}],
        "examples": [{"request": f"r{n}", "old": 1, "new": 0} for n in range(9)],
    },
    bounds={"differs": 0.01},
    verdict=Verdict.FAIL,
    reasons=("answers differ: a | b",),
    code_version="0.1.0",
    at_seconds=1.0,
)


def test_the_summary_is_one_line_with_the_reasons():
    """Who, what, how it went, why."""
    assert summary(EVIDENCE) == "cancer-1 shadow: fail (answers differ: a | b)"


def test_the_page_shows_numbers_bounds_examples_and_the_digest_that_an_approval_is_bound_to():
    """An owner sees what they decide over; examples are cut to the first few."""
    text = page(EVIDENCE)
    assert EVIDENCE.digest in text
    assert "| compared | 200 |" in text
    assert "| latency candidate p50 seconds | 0.01235 |" in text
    assert "| differs | 0.01 |" in text
    assert "| weight | legacy requests |" in text
    assert "| 0.1 | 18 |" in text
    assert '"request": "r4"' in text
    assert '"request": "r5"' not in text


def test_data_docs_are_linked_where_they_are_served():
    """Whoever decides at a gate can follow each suite to its page; no server, no dead links."""
    told = [{"suite": "shadow_samples", "rows": 80, "met": 4, "of": 4, "data_docs": "cancer/v/a b.html"}]
    held = EVIDENCE.model_copy(update={"measurements": {"expectations": told}})
    text = page(held, data_docs="http://docs")
    assert "[shadow samples](http://docs/cancer/v/a%20b.html)" in text
    assert "[all of cancer](http://docs/cancer/index.html)" in text
    assert "| shadow_samples | 80 | 4 | 4 |" in text
    assert "Data Docs" not in page(held)


def test_text_of_others_does_not_break_a_table():
    """What a model answered cannot draw its own columns."""
    odd = EVIDENCE.model_copy(update={"measurements": {"what": "a|b\nc"}})
    assert "| what | a\\|b c |" in page(odd)
