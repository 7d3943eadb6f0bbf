"""Writes examples/demo anew: ``python tests/examples/refresh.py``. Look at the difference before keeping it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.examples.demo_outputs import DEMO, EPOCH, demo_outputs


def main() -> None:
    """Writes every output of the demo and removes what it no longer has."""
    os.environ["SOURCE_DATE_EPOCH"] = EPOCH
    with tempfile.TemporaryDirectory() as folder:
        files = demo_outputs(Path(folder))
    shutil.rmtree(DEMO, ignore_errors=True)
    for name, text in files.items():
        path = DEMO / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)


if __name__ == "__main__":
    main()
