"""The report: what happened to each attempt, from files under the state directory alone.

`writing` is where it starts, `gathering` reads, the rest decides and draws; nothing here talks to a server
except the evidence store that the caller may hand in. Called by `turnout report` and at the end of the lab's
demo. What is missing is said to be missing ("no data"), never guessed and never an error: a report has to
come out on the worst day too. Nothing is imported here: plots load slowly, and flows want no plot.
"""
