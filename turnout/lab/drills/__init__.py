"""Fault drills: every process is killed and stopped at every phase of a migration, under client traffic.

`drill` says what is done, `observed` what was seen, `promises` judges it; these three are pure. `campaign`
runs drills against a real lab, `table` writes their results into the documentation. `turnout lab drills`
calls it.
"""
