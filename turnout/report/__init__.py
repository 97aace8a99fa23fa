"""The report: what happened to each attempt, from files under the state directory alone.

`gathering` reads, the rest decides and draws; nothing here talks to a server except the evidence store that
the caller may hand in. Called by `turnout report` and at the end of the lab's demo. What is missing is said
to be missing ("no data"), never guessed and never an error: a report has to come out on the worst day too.
"""

from turnout.report.writing import write

__all__ = ["write"]
