"""Generated exports: what no public trace has, for the ``demo`` command, tests and benches.

Nothing here needs the compiled module.
"""

from __future__ import annotations

from nsys_llm_explainer.demo.causes import Causes
from nsys_llm_explainer.demo.generate import Run, generate, generate_run
from nsys_llm_explainer.demo.spec import DemoSpec, healthy, spec_for_bytes

__all__ = ["Causes", "DemoSpec", "Run", "generate", "generate_run", "healthy", "spec_for_bytes"]
