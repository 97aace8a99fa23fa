"""The blocks of commands of docs/kubernetes.md, as the page itself marks them.

What stands behind `sh` in front of a block says who runs it: `walk`, the test of the walk, in order; `yours`,
values that its reader sets; `cloud`, nobody here; or a file below tests/cluster.
"""

import re
from dataclasses import dataclass

from markdown_it import MarkdownIt

from turnout.fabric.environments import project_root

PAGE = project_root() / "docs" / "kubernetes.md"
SIGN = "☁"
"""What readers see in front of commands that need more than the tests have."""
WALK, YOURS, CLOUD = "walk", "yours", "cloud"


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        line: Where it begins.
        heading: What it stands under.
        before: The paragraph in front of it, or the summary that it is folded under.
        language: Of its text.
        mark: What stands behind the language.
        text: What is in it.
    """

    line: int
    heading: str
    before: str
    language: str
    mark: str
    text: str


def blocks():
    """Every block of the page, in order."""
    found, heading, before, title = [], "", "", False
    for token in MarkdownIt().parse(PAGE.read_text()):
        if token.type in {"fence", "code_block"}:
            language, _, mark = token.info.strip().partition(" ")
            found.append(Block(token.map[0] + 1, heading, before, language, mark, token.content))
            before = ""
        elif token.type == "inline" and title:
            heading, title = token.content, False
        elif token.type in {"inline", "html_block"}:
            before = token.content
        title = title or token.type == "heading_open"
    return found


def exported(marks):
    """Names that blocks with one of these marks export."""
    text = "\n".join(each.text for each in blocks() if each.mark in marks)
    lines = re.findall(r"^export (.*)$", text, re.MULTILINE)
    return {name for line in lines for name in re.findall(r"\b([A-Z_]+)=", line.partition(" #")[0])}
