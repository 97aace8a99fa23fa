from pathlib import Path

import pytest
from click.testing import CliRunner

from turnout.cli import turnout
from turnout.domain.errors import InvalidInputError


@pytest.mark.parametrize("argument", ["mlflow", "mlflow=0", "mlflow=99999"])
def test_a_port_that_makes_no_sense_is_refused(tmp_path: Path, argument: str):
    """What is not NAME=PORT is an error before anything is written or started."""
    state = tmp_path / "state"
    up = CliRunner().invoke(turnout, ["lab", "up", "--state", str(state), "--port", argument])

    assert isinstance(up.exception, InvalidInputError)
    assert up.exception.subject == f"--port {argument}"
    assert not state.exists()
