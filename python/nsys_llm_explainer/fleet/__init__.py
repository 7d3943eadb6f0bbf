"""Many traces: one report each, and one over all of them."""
