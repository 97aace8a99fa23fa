import re
import shlex
import subprocess

import click
import pytest
import yaml

from tests import documented
from tests.documented import CLOUD, SIGN, WALK, YOURS
from turnout.cli import turnout
from turnout.fabric.environments import project_root

TESTS = project_root() / "tests" / "cluster"
COMMANDS = [each for each in documented.blocks() if each.language == "sh"]
TURNOUT = re.compile(r"^(?:desk )?turnout (.*)$", re.MULTILINE)
NAMES = re.compile(r"\$\{?([A-Z][A-Z_]*)\b")


def place(block):
    """A block, for the output of a test that fails."""
    return f"line {block.line}: {block.heading}"


def called(block):
    """The words behind `turnout` of each such command of a block."""
    text = block.text.replace("\\\n", " ")
    return [shlex.split(each, comments=True) for each in TURNOUT.findall(text)]


@pytest.mark.parametrize("block", documented.blocks(), ids=place)
def test_who_runs_a_block_is_said(block):
    """A block that is no YAML has commands, and a mark: the walk, a test, or what tests lack."""
    if block.language == "yaml":
        return
    assert block.language == "sh"
    assert block.mark in {WALK, YOURS, CLOUD} or (TESTS / block.mark).is_file(), block.mark
    assert (SIGN in block.before) == (block.mark == CLOUD), block.before


@pytest.mark.parametrize("block", [each for each in COMMANDS if each.mark.endswith(".py")], ids=place)
def test_a_named_test_gives_the_blocks_commands(block):
    """Each verb of `turnout` in it is called by the test that it names."""
    text = (TESTS / block.mark).read_text()
    verbs = [word for words in called(block) for word in path(words)]
    assert verbs
    assert not [verb for verb in verbs if f'"{verb}"' not in text]


@pytest.mark.parametrize("block", COMMANDS, ids=place)
def test_a_shell_reads_it(block):
    """It is complete: quotes, loops and documents in it end."""
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def path(words):
    """The commands and subcommands among words."""
    command, found = turnout, []
    for word in words:
        if not isinstance(command, click.Group) or word.startswith("-"):
            return found
        command = command.get_command(click.Context(command), word)
        found.append(word)
    return found


@pytest.mark.parametrize("block", COMMANDS, ids=place)
def test_its_turnout_commands_are_there(block):
    """Each subcommand exists and knows the options that it is given."""
    for words in called(block):
        command = turnout
        for word in path(words):
            command = command.get_command(click.Context(command), word)
            assert command is not None, words
        known = {name for each in command.params for name in each.opts} | {"--version", "--help"}
        assert {word for word in words if word.startswith("--")} <= known, words


def test_every_name_in_the_walk_has_a_value():
    """What a command of the walk names is the reader's, a cloud's, or was set by the walk."""
    text = "\n".join(each.text for each in COMMANDS if each.mark == WALK)
    known = documented.exported({YOURS, CLOUD, WALK}) | set(re.findall(r"\b([A-Z]+)=\$!", text))
    assert set(NAMES.findall(text)) - {"RANDOM"} <= known


def test_its_flows_are_deployed():
    """Each deployment that the page runs is one of prefect.yaml."""
    deployed = yaml.safe_load((project_root() / "prefect.yaml").read_text())["deployments"]
    flows = {each["entrypoint"].rpartition(".")[2] for each in deployed}
    named = re.findall(r"deployment run (\w+)/turnout", documented.PAGE.read_text())
    assert {"discover", "plan", "migrate", "watch"} <= set(named) <= flows
