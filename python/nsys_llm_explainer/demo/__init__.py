"""Generated exports: what no public trace has, for the ``demo`` command, tests and benches.

Nothing here needs the compiled module.
"""

from __future__ import annotations

from nsys_llm_explainer.demo.generate import generate
from nsys_llm_explainer.demo.spec import DemoSpec, spec_for_bytes

__all__ = ["DemoSpec", "generate", "spec_for_bytes"]
