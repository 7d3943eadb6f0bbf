"""Text from a trace is hostile: one module per sink makes it safe for that sink."""
