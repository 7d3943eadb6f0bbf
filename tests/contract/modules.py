"""The package's modules, read from their source."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "nsys_llm_explainer"
ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "python" / PACKAGE


@dataclass(frozen=True)
class Module:
    """One file: its name inside the package (``render.format``), its path and its syntax tree."""

    name: str
    path: Path
    tree: ast.Module

    def imports(self, *, deferred: bool) -> set[str]:
        """Returns the package's modules that it imports, at the top or inside functions."""
        inside = {node for function in _functions(self.tree) for node in ast.walk(function)}
        found: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and (node in inside) is deferred and node.module is not None:
                found |= _targets(node)
        return found


def modules() -> list[Module]:
    """Returns every module of the package."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        found.append(Module(name, path, ast.parse(path.read_text(encoding="utf-8"), str(path))))
    return found


def _functions(tree: ast.Module) -> list[ast.AST]:
    return [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def _targets(node: ast.ImportFrom) -> set[str]:
    assert node.level == 0, f"relative import in line {node.lineno}"
    module = node.module or ""
    if module != PACKAGE and not module.startswith(PACKAGE + "."):
        return set()
    inner = module[len(PACKAGE) + 1 :]
    as_modules = {f"{inner}.{alias.name}".lstrip(".") for alias in node.names if _is_module(inner, alias.name)}
    return as_modules or {inner}


def _is_module(package: str, name: str) -> bool:
    folder = SOURCE.joinpath(*package.split(".")) if package else SOURCE
    return (folder / f"{name}.py").is_file() or (folder / name).is_dir() or (folder / f"{name}.pyi").is_file()
