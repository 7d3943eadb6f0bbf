"""Writes a generated export: a serving run, and the tables that describe capture, processes and GPUs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from nsys_llm_explainer.demo import schema as layouts
from nsys_llm_explainer.demo.describe import describe_end, describe_start
from nsys_llm_explainer.demo.server import Server, Step
from nsys_llm_explainer.demo.sink import Sink
from nsys_llm_explainer.demo.spec import DemoSpec

_OLDEST = "3.25.0"


@dataclass(frozen=True)
class Run:
    """A generated run, and what is true of it.

    Attributes:
        path: The export.
        injected: By cause, the device time that went to it, summed over devices.
        steps: Its steps in order.
    """

    path: Path
    injected: dict[str, int]
    steps: tuple[Step, ...]


def generate(path: str | os.PathLike[str], spec: DemoSpec | None = None) -> Path:
    """Write the export of a serving run and return its path.

    The file is written under a temporary name beside its place and then renamed, so that an interrupted call leaves
    nothing half done.

    Args:
        path: Where the export goes; a file that is there is replaced.
        spec: The run; by default a small one without an injected cause.

    Raises:
        ValueError: The schema version is unknown or older than the tables that a run needs.
    """
    return generate_run(path, spec).path


def generate_run(path: str | os.PathLike[str], spec: DemoSpec | None = None) -> Run:
    """Write the export of a serving run as :func:`generate` does, and return what is true of it."""
    spec = spec or DemoSpec()
    if spec.schema not in layouts.VERSIONS or layouts.version_key(spec.schema) < layouts.version_key(_OLDEST):
        raise ValueError(f"generated runs need export schema {_OLDEST} or later, not {spec.schema!r}")
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    partial.unlink(missing_ok=True)
    try:
        with Sink(partial, spec.schema) as sink:
            server = Server(sink, spec)
            describe_start(sink, server)
            for _ in server.run():
                pass
            describe_end(sink, server)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return Run(target, server.ledger.lost(), tuple(server.steps))
