"""Writes the kept reports anew: ``python tests/golden/refresh.py``. Look at the difference before keeping it."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.golden.cases import EPOCH, GOLDEN, outputs, write_traces


def main() -> None:
    """Writes every kept report and removes what no case makes."""
    os.environ["SOURCE_DATE_EPOCH"] = EPOCH
    GOLDEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        texts: dict[str, bytes] = {}
        for name, trace in write_traces(Path(folder)).items():
            texts.update(outputs(name, trace))
    for path in GOLDEN.iterdir():
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        (GOLDEN / name).write_bytes(text)


if __name__ == "__main__":
    main()
