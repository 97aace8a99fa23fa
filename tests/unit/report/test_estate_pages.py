import datetime as dt
import re
from html.parser import HTMLParser

import pytest

from turnout.domain.calendar import Calendar, Freeze
from turnout.domain.inventory import Inventory, Problem
from turnout.domain.plan import Terms, plan
from turnout.domain.plan_changes import Change, changes
from turnout.domain.plan_markdown import markdown
from turnout.domain.pools import Pool
from turnout.domain.workload import Component, Workload
from turnout.report import inventory_page, plan_page

POOLS = (
    Pool(name="cpu", cpu=8, memory_gib=32, nodes=4, price_per_hour_usd=0.4),
    Pool(name="spare", cpu=8, memory_gib=32, nodes=1),
)
CALENDAR = Calendar(
    first_wave=dt.date(2026, 12, 1),
    owners={"ana": (Freeze(first=dt.date(2026, 12, 8), last=dt.date(2026, 12, 9), why="<launch>"),)},
)
HOSTILE = "<script>alert(1)</script>"


class Page(HTMLParser):
    """The text of a page, its tags, and what a browser would load."""

    def __init__(self, html):
        """Read it."""
        super().__init__()
        self.text, self.tags, self.loads = "", [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        """Keep what a browser would act on."""
        self.tags.append(tag)
        self.loads += [value for name, value in attrs if name in {"src", "srcset", "data"}]

    def handle_data(self, data):
        """Keep the text."""
        self.text += data


def _workload(name, **fields):
    needs = Component(role="predictor", framework="sklearn", resources={"cpu": "1", "memory": "1Gi"})
    ready = {"framework": "sklearn", "wire": "v1", "owner": "ana", "storage_uri": "s3://b/m"}
    return Workload(**{"name": name, **ready, "components": (needs,), **fields})


@pytest.fixture
def inventory():
    """Three models, one of them with a hostile owner, and something that could not be read."""
    wrong = Problem(where="a.yaml:3", observed=f"kind {HOSTILE}", limit="a kind", remedy="Correct it.")
    models = (_workload("iris"), _workload("wine", owner=HOSTILE), _workload("beer", owner=None))
    return Inventory(workloads=models, problems=(wrong,))


def test_the_inventory_page_has_every_grouping_and_what_could_not_be_read(inventory):
    """Seven groupings, a row a model, problems by place; what users wrote is text and never markup."""
    page = Page(inventory_page.render(inventory))
    for title in ("Traffic volume", "Business criticality", "Hardware requirements", "Latency sensitivity"):
        assert title in page.text
    for title in ("Framework", "Dependency complexity", "Migration risk", "iris", "wine", "a.yaml:3"):
        assert title in page.text
    assert HOSTILE in page.text
    assert "script" not in page.tags
    assert page.loads == []


def test_the_plan_page_shows_waves_pools_questions_and_changes(inventory):
    """A reader sees what moves when, how full pools get, what to answer and what is new; offline."""
    planned = plan(inventory, POOLS, Terms(calendar=CALENDAR))
    told = (Change(model="default/iris", what="pool", before="old", after="cpu"),)
    page = Page(plan_page.render(planned, POOLS, calendar=CALENDAR, changes=told))
    for words in ("2026-12-08", "cpu", "spare", "Who owns this model", "old", "a.yaml:3", "<launch>"):
        assert words in page.text, words
    assert HOSTILE in page.text
    assert "script" not in page.tags
    assert page.loads == []


def test_without_changes_and_days_the_page_says_so(inventory):
    """No earlier plan is something else than no change."""
    planned = plan(inventory, POOLS, Terms())
    assert "What changed" not in plan_page.render(planned, POOLS)
    assert "Nothing." in plan_page.render(planned, POOLS, changes=())
    assert "On the calendar" not in plan_page.render(planned, POOLS)


def test_pools_are_as_full_as_their_waves_make_them(inventory):
    """The parts of a pool's bar add up to how full it is in the end."""
    planned = plan(inventory, POOLS, Terms())
    html = plan_page.render(planned, POOLS)
    widths = [float(one) for one in re.findall(r'class="bar wave\d" style="width: ([\d.]+)%', html)]
    last = [max(r.share for r in planned.room if r.pool == pool.name) for pool in POOLS]
    assert sum(widths) == pytest.approx(100 * sum(last), abs=0.02)
    assert sum(last) > 0


def test_the_same_plan_as_markdown(inventory):
    """A table a wave, the questions and what could not be read; what users wrote does not become markup."""
    planned = plan(inventory, POOLS, Terms(calendar=CALENDAR))
    text = markdown(planned, changes(planned, planned))
    assert "## Wave 2" in text or "## Wave 3" in text
    assert "default/iris" in text
    assert "Nothing." in text
    assert "<script>" not in text
    assert "a.yaml:3" in text
