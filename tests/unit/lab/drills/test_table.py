"""The table of the drills' results."""

import pytest

from tests.unit.lab.drills.test_promises import KEPT
from turnout.domain.errors import NotFoundError
from turnout.lab.drills.drill import Stage
from turnout.lab.drills.observed import Result
from turnout.lab.drills.table import BEGIN, END, inserted, rendered


def test_one_row_a_fault_and_target():
    """Phases, requests and failures are those of all its drills."""
    other = KEPT.model_copy(update={"stage": Stage.SHADOW, "failures": (), "starts": 2})
    [*_, row] = rendered([Result(seen=one, broken=()) for one in (KEPT, other)]).splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        "`legacy`: killed (-9)", "shadow, canary", "400", "1", "2.0 s", "-", "2 cut over (1 after a restart)",
    ]  # fmt: skip


def test_the_table_stands_between_its_markers():
    """What is around it stays; an older table goes; a page without markers is an error."""
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert inserted(page, "new") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    with pytest.raises(NotFoundError, match="markers"):
        inserted("nothing", "new")
