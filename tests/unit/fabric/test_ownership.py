import datetime as dt

import pytest

from turnout.domain.errors import InvalidInputError
from turnout.fabric import ownership


def test_each_model_has_its_owner(tmp_path):
    """The owners file is read by owner and turned to models; contacts pass."""
    file = tmp_path / "owners.yaml"
    file.write_text("owners:\n  ana: {name: Ana, models: [iris, wine]}\n  bo: {name: Bo}\n")
    assert ownership.read(file) == {"iris": "ana", "wine": "ana"}


def test_two_owners_of_one_model_are_refused(tmp_path):
    """Who answers at a gate is never guessed."""
    file = tmp_path / "owners.yaml"
    file.write_text("owners:\n  ana: {models: [iris]}\n  bo:\n    models:\n      - wine\n      - iris\n")
    with pytest.raises(InvalidInputError, match="iris belongs to ana and to bo") as raised:
        ownership.read(file)
    assert raised.value.subject == f"{file}:6"


def test_the_calendar_holds_every_owners_freezes(tmp_path):
    """Days of the waves, freezes of all and of single owners stand where the owners stand."""
    file = tmp_path / "owners.yaml"
    file.write_text(
        "owners:\n"
        "  ana: {models: [iris], freezes: [{from: 2026-12-15, until: 2027-01-04, why: holidays}]}\n"
        "calendar: {first_wave: 2026-12-01, days_between_waves: 14}\n"
    )
    found = ownership.calendar(file)
    assert found.day(2) == dt.date(2026, 12, 15)
    assert (found.freeze("ana", 2).why, found.freeze("bo", 2)) == ("holidays", None)


def test_a_freeze_that_ends_before_it_begins_is_refused(tmp_path):
    """With its file and line, as everything else that a user wrote wrong."""
    file = tmp_path / "owners.yaml"
    file.write_text("owners:\n  ana:\n    freezes:\n      - {from: 2026-12-15, until: 2026-12-01}\n")
    with pytest.raises(InvalidInputError, match="before it begins") as raised:
        ownership.calendar(file)
    assert raised.value.subject == f"{file}:4"
