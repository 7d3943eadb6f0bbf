"""Which way imports point, and who may print. The walk has to see the package, or it proves nothing."""

from __future__ import annotations

import ast

from tests.contract.modules import modules

MIN_MODULES = 60

#: A module may import what stands lower, and its own neighbours. The longest prefix that fits counts.
LAYERS = {
    "_native": -1,
    "errors": 0,
    "phase_map": 0,
    "category_rules": 0,
    "capture": 0,
    "capture.advice": 2,
    "demo": 0,
    "render.format": 0,
    "render.escape": 0,
    "nsys_export": 1,
    "report": 1,
    "sections": 2,
    "render": 3,
    "findings": 4,
    "gate": 5,
    "perfetto_export": 5,
    "comparison": 6,
    "job": 6,
    "fleet": 6,
    "api": 7,
    "fleet.work": 8,
    "": 8,
    "reference": 9,
    "cli": 9,
    "__main__": 10,
}
#: The value offers write() and _repr_html_(), which stand above it; the command loads itself inside its Ctrl-C guard,
#: gate, comparison, job, fleet, the page and the export to Perfetto only where they are asked for; the API's batch
#: stands on its analyze. Other commands are loaded by name (``cli.run.COMMANDS``).
DEFERRED = {
    ("report", "render.outputs"),
    ("report", "render.html"),
    ("report", "render.figures"),
    ("render.outputs", "render.page"),
    ("cli", "cli.run"),
    ("cli.run", "cli.gate"),
    ("api", "gate.check"),
    ("api", "perfetto_export.export"),
    ("cli.explain", "cli.perfetto"),
    ("api", "job.explain"),
    ("job.explain", "api"),
    ("job.value", "job.outputs"),
    ("api", "comparison.compare"),
    ("api", "comparison.gate"),
    ("comparison.value", "comparison.outputs"),
    ("api", "fleet.work.batch"),
    ("fleet.work.batch", "fleet.work.ranks"),
}
MAY_PRINT = ("cli", "__main__", "reference.__main__")


def _part(name: str) -> str:
    return max((prefix for prefix in LAYERS if name == prefix or name.startswith(prefix + ".")), key=len, default="")


def _is_of(name: str, parts: tuple[str, ...]) -> bool:
    return any(name == part or name.startswith(part + ".") for part in parts)


def test_the_walk_sees_the_package() -> None:
    found = modules()
    assert len(found) >= MIN_MODULES
    assert {_part(module.name) for module in found} | {"_native"} == set(LAYERS)


def test_imports_point_downwards() -> None:
    wrong = [
        f"{module.name} imports {target}"
        for module in modules()
        for target in sorted(module.imports(deferred=False))
        if _part(module.name) != _part(target) and LAYERS[_part(target)] >= LAYERS[_part(module.name)]
    ]
    assert wrong == []


def test_findings_take_only_formats_from_the_renderers() -> None:
    wrong = [
        f"{module.name} imports {target}"
        for module in modules()
        if _part(module.name) == "findings"
        for target in module.imports(deferred=False)
        if target.startswith("render") and target != "render.format"
    ]
    assert wrong == []


def test_deferred_imports_are_the_listed_ones() -> None:
    found = {
        (module.name, target)
        for module in modules()
        for target in module.imports(deferred=True)
        if not _is_of(module.name, ("demo", "capture"))
    }
    assert found == DEFERRED


def test_only_the_command_prints_exits_or_reads_arguments() -> None:
    wrong = [
        f"{module.name}: {node}"
        for module in modules()
        if not _is_of(module.name, MAY_PRINT)
        for node in _console_uses(module.tree)
    ]
    assert wrong == []


def _console_uses(tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in {"print", "input", "exit", "quit", "SystemExit"}:
            found.append(f"{node.id} in line {node.lineno}")
        of_sys = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sys"
        if of_sys and node.attr in {"argv", "stdout", "stderr", "stdin", "exit"}:
            found.append(f"sys.{node.attr} in line {node.lineno}")
    return found


def test_no_broad_except() -> None:
    wrong = [
        f"{module.name} line {node.lineno}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception"))
    ]
    assert wrong == []


def test_files_and_functions_keep_their_size() -> None:
    long_files = [module.name for module in modules() if len(module.path.read_text("utf-8").splitlines()) > 600]
    long_functions = [
        f"{module.name}.{node.name}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (node.end_lineno or 0) - node.lineno >= 60
    ]
    assert long_files == []
    assert long_functions == []
