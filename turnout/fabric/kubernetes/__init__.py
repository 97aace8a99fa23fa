"""The cluster's API as Turnout reads it: lists page by page, as raw JSON so that no field is lost.

Called by discovery and by what needs the live nodes. Nothing in this room writes.
"""
