import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from turnout.domain.evidence import Evidence, Phase, Verdict
from turnout.fabric.registry.evidence import MemoryEvidence
from turnout.fabric.state import State
from turnout.report.gathering import gather
from turnout.report.links import Link
from turnout.report.page import render
from turnout.report.summary import summarise

LINKS = (
    Link("Prefect", "http://127.0.0.1:4200", answers=True),
    Link("Ray", "http://127.0.0.1:9", answers=False),
)


class Page(HTMLParser):
    """Collects what a browser would load, the identifiers, and the text."""

    def __init__(self):
        """Begin with nothing seen."""
        super().__init__()
        self.loads, self.ids, self.text, self.open, self.tags = [], [], "", [], []

    def handle_starttag(self, tag, attrs):
        """Keep what the tag loads and is called."""
        found = dict(attrs)
        self.tags.append(tag)
        self.loads += [found[a] for a in ("src", "srcset", "data", "poster") if a in found]
        self.loads += [found["href"]] if tag in {"link", "image", "use"} and "href" in found else []
        self.ids += [found["id"]] if "id" in found else []

    def handle_data(self, data):
        """Keep the text."""
        self.text += data


def _page_of(stage) -> tuple[str, Page]:
    facts = gather(stage.sources())
    html = render(facts, summarise(facts), LINKS)
    page = Page()
    page.feed(html)
    return html, page


@pytest.fixture(scope="module")
def made(stories):
    """The page of the three stories, as text and parsed."""
    return _page_of(stories)


def test_nothing_is_loaded_from_anywhere(made):
    """The page opens offline: no script, no import, no image or font from outside."""
    html, page = made
    assert [one for one in page.loads if not one.startswith(("data:", "#"))] == []
    assert not {"script", "link", "iframe", "img"} & set(page.tags)
    assert re.findall(r"@import|url\((?!#)", html) == []


def test_identifiers_are_unique(made):
    """Many plots on one page do not take each other's markers and clips."""
    _, page = made
    assert len(page.ids) == len(set(page.ids))
    references = set(re.findall(r'(?:xlink:href="|url\()#([^")]+)', made[0]))
    assert references <= set(page.ids)


def test_plots_take_their_colours_from_the_page(made):
    """No colour is fixed in a plot, so each is readable light and dark."""
    html, _ = made
    drawn = "".join(re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL))
    assert "var(--candidate)" in drawn
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawn)) <= {"#ffffff", "#000000"}


def test_every_attempt_says_how_it_went(made):
    """Outcome, failures and reason of each attempt can be read without opening anything else."""
    _, page = made
    text = " ".join(page.text.split())
    for said in (
        "iris-1",
        "cancer-1",
        "cancer-2",
        "diabetes-1",
        "stopped in shadow",
        "rolled back",
        "cut over",
    ):
        assert said in text
    assert re.search(r"The sentinel took it back at 25% of the traffic because of failed requests", text)
    assert re.search(r"compared answers differ from legacy's", text)


def test_every_system_is_linked_and_one_that_is_down_is_told_as_such(made):
    """Whoever follows a link knows before whether anything is behind it."""
    html, _ = made
    assert 'href="http://127.0.0.1:4200">Prefect</a>' in html
    assert ">Ray (down)</a>" in html


def test_servers_are_shown_side_by_side(stage):
    """What each side carries within the bound and what it takes; what was not measured is said so."""
    id_ = stage.attempt("iris", 1, None, 0.0)
    found = {
        "load": {
            "legacy": {"per_second": 20.0, "at_least": False, "bound_seconds": 0.5},
            "candidate": {"per_second": 161.5, "at_least": True, "bound_seconds": 0.5},
        },
        "resources": {"candidate": {"seconds": 10.0, "cpu_seconds": 2.5, "rss_mib": 512.0}, "legacy": None},
    }
    record = Evidence(
        subject="iris", phase=Phase.SHADOW, attempt=id_, inputs_digest="", verdict=Verdict.PASS,
        measurements=found, code_version="0", at_seconds=1.0,
    )  # fmt: skip
    evidence = MemoryEvidence()
    evidence.write(record)
    facts = gather(replace(stage.sources(), evidence=evidence))
    summary = summarise(facts)
    (entry,) = summary.models
    assert entry.candidate.server.throughput_at_bound_per_second == 161.5
    assert (entry.candidate.server.cpu_cores, entry.baseline.server.cpu_cores) == (0.25, None)
    html = render(facts, summary, ())
    assert "Carried within 500 ms, a second" in html
    assert '<td class="num">20.0</td><td class="num">at least 161.5</td>' in html
    assert '<td class="num">no data</td><td class="num">512 MiB</td>' in html


def test_suites_are_shown_with_their_pages(stage):
    """Each suite, what was not met of it, and its page of the Data Docs."""
    stage.attempt("iris", 1, None, 0.0)
    told = [
        {"suite": "golden_set", "rows": 60, "met": 3, "of": 4, "data_docs": "iris/validations/a b.html"},
        {"suite": "baseline", "rows": 300, "met": 5, "of": 5, "data_docs": None},
    ]
    unmet = [
        {
            "suite": "golden_set",
            "expectation": "expect_x",
            "column": "answer",
            "observed": "2 of 60",
            "rows": [4, 9],
        }
    ]
    record = Evidence(
        subject="iris", phase=Phase.BASELINE, attempt=None, inputs_digest="", verdict=Verdict.HOLD,
        measurements={"expectations": told, "unmet_expectations": unmet}, code_version="0", at_seconds=1.0,
    )  # fmt: skip
    evidence = MemoryEvidence()
    evidence.write(record)
    facts = gather(replace(stage.sources(), evidence=evidence))
    html = render(facts, summarise(facts), (), data_docs="../data_docs")
    assert 'href="../data_docs/iris/validations/a%20b.html">golden set</a>' in html
    assert "expect_x(answer): 2 of 60 (rows 4, 9)" in html
    assert 'href="../data_docs/iris/index.html"' in html
    assert "<td>baseline</td><td>baseline</td>" in html


def test_no_data_is_said(stage):
    """An empty state directory gives a page that says so, not a page of zeros."""
    _, page = _page_of(stage)
    assert page.text.count("no data") >= 2
    assert "No data: no attempt has left a trace" in page.text


PARTS = ("client", "routes", "comparisons", "sentinel", "work", "approvals", "attempts")


@pytest.mark.parametrize("kept", ["routes", "sentinel"])
def test_one_trace_is_enough_for_a_page(one_story, kept, tmp_path):
    """With nearly everything lost the page comes out, and knows the attempt."""
    shutil.copytree(one_story.root, tmp_path / "copy")
    for part in set(PARTS) - {kept}:
        shutil.rmtree(tmp_path / "copy" / part)
    sources = replace(one_story.sources(), state=State(tmp_path / "copy"), requests=lambda _: [])
    facts = gather(sources)
    html = render(facts, summarise(facts), ())
    assert 'id="diabetes-1"' in html
    assert "rolled back" in html or "stopped before shadow" in html


def test_what_others_wrote_is_shown_and_never_run(stage):
    """A reason or an answer with markup in it stays text."""
    stage.history("iris", "iris-1", [(1.0, "open", 0.0)], by="<script>alert(1)</script>")
    html, page = _page_of(stage)
    assert "script" not in page.tags
    assert "&lt;script&gt;" in html
