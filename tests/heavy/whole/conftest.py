"""One whole lab, as the tests of the lab's level have it."""

from tests.lab.whole.conftest import lab, turnout, wiring  # noqa: F401 -- fixtures
