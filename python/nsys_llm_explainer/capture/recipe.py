"""What one capture runs: the engine's part as data, and the finished command lines made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from nsys_llm_explainer.capture.needs import FLAGS, NOTES

_TRACE = "--trace="
_BASELINE_FLAGS = (
    "--sample=none",
    "--cpuctxsw=none",
    "--cuda-graph-trace=node",
    "--capture-range=cudaProfilerApi",
)
_CONTINUATION = " \\\n  "


@dataclass(frozen=True)
class CaptureRecipe:
    """Command lines that capture an engine and export the capture.

    Attributes:
        engine: Name of the engine, a key of ``ENGINES``.
        title: The engine and the program it runs, for people.
        command: The ``nsys profile`` command line, over several lines, ready for a shell once ``MODEL`` is replaced.
        export: The ``nsys export`` command line that turns the report into the SQLite file to explain.
        notes: What to know before running it, most important first.
    """

    engine: str
    title: str
    command: str
    export: str
    notes: tuple[str, ...]

    @property
    def one_line(self) -> str:
        """The ``nsys profile`` command line on one line."""
        return self.command.replace(_CONTINUATION, " ")


@dataclass(frozen=True)
class Engine:
    """What an engine adds to the flags that every capture has.

    Attributes:
        name: Name of the engine, as ``recipe`` takes it.
        title: The engine and the program it runs, for people.
        program: The command to profile; ``MODEL`` stands for the model.
        output: Stem of the report and of the export.
        report: File name of the report that the capture writes.
        range_end: What nsys does at the end of the capture range.
        domains: What ``--trace`` lists without any need.
        flags: Further ``nsys profile`` flags.
        environment: Variables set for nsys and, through it, for the engine.
        notes: What to know, whatever the export lacks.
        environment_for: Variables that a need adds, by need.
        flags_for: ``nsys profile`` flags that a need adds beyond its entry in ``FLAGS``, by need.
        notes_for: Notes that a need adds, by need.
    """

    name: str
    title: str
    program: str
    output: str
    report: str
    range_end: str
    domains: tuple[str, ...] = ("cuda", "nvtx")
    flags: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    environment_for: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    flags_for: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    notes_for: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))


def compose(engine: Engine, needs: tuple[str, ...]) -> CaptureRecipe:
    """Joins the common flags, the engine's and those of the needs into command lines.

    Args:
        engine: The engine to capture.
        needs: Keys of ``FLAGS`` in the order of ``FLAGS``, each once.

    Returns:
        The finished recipe.
    """
    domains = list(engine.domains)
    flags = [*_BASELINE_FLAGS, f"--capture-range-end={engine.range_end}", *engine.flags]
    environment = list(engine.environment)
    notes = list(engine.notes)
    for need in needs:
        wanted = FLAGS[need]
        if wanted.startswith(_TRACE):
            domains.append(wanted[len(_TRACE) :])
        else:
            flags.append(wanted)
        flags.extend(engine.flags_for.get(need, ()))
        environment.extend(engine.environment_for.get(need, ()))
        notes.extend(engine.notes_for.get(need, ()))
        notes.append(NOTES[need])
    lines = [
        " ".join([*environment, "nsys profile"]),
        _TRACE + ",".join(dict.fromkeys(domains)),
        *dict.fromkeys(flags),
        f"-o {engine.output} --force-overwrite=true",
        engine.program,
    ]
    return CaptureRecipe(
        engine=engine.name,
        title=engine.title,
        command=_CONTINUATION.join(lines),
        export=f"nsys export --type sqlite --lazy=false --include-json=true -o {engine.output}.sqlite {engine.report}",
        notes=tuple(dict.fromkeys(notes)),
    )
