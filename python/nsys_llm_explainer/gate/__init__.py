"""Conditions on the figures of a report, for a build that fails where a trace got worse."""
