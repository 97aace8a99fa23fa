"""The embedded lab: a legacy estate with its traffic, and every real part of a migration, as processes.

No root, no containers; everything lies under one state directory and on free ports, so that labs run side by
side. Called by `turnout lab`.
"""
