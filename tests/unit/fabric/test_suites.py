import os

import pytest

from turnout.domain import default_suites
from turnout.domain.contract import Contract, SameAnswer
from turnout.domain.errors import InvalidInputError
from turnout.domain.expectations import Evidenced
from turnout.fabric import suites

CONTRACT = Contract(model="iris", wire="v1", inputs=(), outputs=(), same_answer=SameAnswer(kind="labels"))


@pytest.mark.parametrize("table", Evidenced)
def test_defaults_are_written_out_where_the_owner_finds_them(tmp_path, table):
    """In the folder of suites, with a word on what they are; read back they are the defaults."""
    loaded = suites.load(tmp_path, CONTRACT, table)
    assert loaded is not None
    suite, _ = loaded
    file = tmp_path / "iris" / f"{table}.yaml"
    assert suite == default_suites.default(CONTRACT, table)
    assert file.read_text().startswith("# What is expected of ")
    assert [other.name for other in file.parent.iterdir()] == [file.name]


def test_what_an_owner_wrote_is_never_overwritten(tmp_path):
    """The file is theirs from the first time on."""
    suites.load(tmp_path, CONTRACT, Evidenced.BASELINE)
    file = suites.suite_file(tmp_path, "iris", Evidenced.BASELINE)
    text = "expectations: [{type: expect_table_row_count_to_be_between, kwargs: {min_value: 7}}]\n"
    file.write_text(text)
    loaded = suites.load(tmp_path, CONTRACT, Evidenced.BASELINE)
    assert loaded is not None
    assert loaded[0].expectations[0].kwargs == {"min_value": 7}
    assert file.read_text() == text


def test_a_file_that_an_owner_saves_at_the_same_time_stays(tmp_path, monkeypatch):
    """Two that write at once: the defaults give way."""
    file = suites.suite_file(tmp_path, "iris", Evidenced.BASELINE)
    link = os.link
    text = "expectations: [{type: expect_table_row_count_to_be_between, kwargs: {min_value: 7}}]\n"

    def late(*given):
        file.write_text(text)
        link(*given)

    monkeypatch.setattr(os, "link", late)
    suites.load(tmp_path, CONTRACT, Evidenced.BASELINE)
    assert file.read_text() == text


def test_a_table_that_says_nothing_of_a_model_has_no_file(tmp_path):
    """An owner is not asked to care for what does not apply."""
    contract = CONTRACT.model_copy(update={"same_answer": SameAnswer(kind="regression")})
    assert suites.load(tmp_path, contract, Evidenced.GOLDEN_CLASSES) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("expectations: []\n", 1, "expectations"),
        ("expectations:\n- {type: expect_x}\n- {kind: expect_x}\n", 3, "type is missing"),
        ("expectations:\n- {type: expect_x, kwarg: {}}\n", 2, "kwarg is unknown"),
        ("expectation: []\n", 1, "expectation"),
        ("expectations:\n- {type: 'rm -rf'}\n", 2, "type"),
        ("expectations: [\n", 1, "not YAML"),
        ("", 0, "0 documents"),
    ],
)
def test_a_suite_that_cannot_be_read_is_one_clear_error(tmp_path, text, line, said):
    """File, line and remedy."""
    file = suites.suite_file(tmp_path, "iris", Evidenced.BASELINE)
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(InvalidInputError, match=said) as refused:
        suites.load(tmp_path, CONTRACT, Evidenced.BASELINE)
    assert refused.value.subject == (f"{file}:{line}" if line else str(file))
    assert refused.value.remedy


def test_a_model_s_name_leads_nowhere_else(tmp_path):
    """A name that is a way out of the folder is refused."""
    with pytest.raises(InvalidInputError, match="not a name"):
        suites.suite_file(tmp_path, "../../etc", Evidenced.BASELINE)
