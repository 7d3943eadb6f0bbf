"""``python -m nsys_llm_explainer.reference --check`` or ``--write``, in the project's root."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from nsys_llm_explainer.reference import stale_files, write_files


def main() -> int:
    """Checks or writes the generated files; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m nsys_llm_explainer.reference", description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--check", action="store_true", help="fail where a generated file is stale")
    action.add_argument("--write", action="store_true", help="write the generated files")
    parser.add_argument("--root", type=Path, default=Path(), help="the project's root (default: the current folder)")
    options = parser.parse_args()
    if not (options.root / "pyproject.toml").is_file():
        parser.error(f"{options.root.resolve()} is not the project's root: it has no pyproject.toml")
    if options.write:
        write_files(options.root)
    stale = stale_files(options.root)
    for path in stale:
        sys.stderr.write(f"stale: {path} (refresh it with python -m nsys_llm_explainer.reference --write)\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
