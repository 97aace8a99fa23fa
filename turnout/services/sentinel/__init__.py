"""The sentinel: watches every live attempt each second and takes a harmful one back, alone and at once.

Started as `python -m turnout.services.sentinel --port P`. The router sends a candidate traffic only while
`GET /armed/ATTEMPT` answers 200 here: a sentinel that is stopped, killed or blind sends everything to legacy.
Pure: `leases`, `freshness`, `record`, `watch`, `post`, `standing`. Input and output: `files`, `patrol`,
`answers`.
"""
