"""``python -m nsys_llm_explainer``: the same as the command ``nsys-llm-explain``."""

from __future__ import annotations

import sys

from nsys_llm_explainer.cli import main

if __name__ == "__main__":
    sys.exit(main())
