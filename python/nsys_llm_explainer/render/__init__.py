"""One report, many renderers; ``format`` alone turns units into text, ``escape`` alone makes text safe for a sink."""
