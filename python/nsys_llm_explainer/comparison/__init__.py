"""Two reports side by side: whether they can be compared, what changed, by how much, and how sure that is."""
