"""The work: which trace is read where and when, and what happens when something dies."""
