"""What to look at next: one rule per file, an ordered registry, and the engine that ranks what they find."""
