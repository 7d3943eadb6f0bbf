"""fleet.parquet: the table of devices with its types, where pyarrow is installed."""

from __future__ import annotations

import io
from importlib.util import find_spec

from nsys_llm_explainer.fleet.columns import DEVICES
from nsys_llm_explainer.fleet.result import Fleet


def is_there() -> bool:
    """Returns whether pyarrow is installed."""
    return find_spec("pyarrow") is not None


def fleet_parquet(fleet: Fleet) -> bytes:
    """Returns the content of fleet.parquet.

    Args:
        fleet: All traces.
    """
    import pyarrow as pa  # noqa: PLC0415 - optional
    from pyarrow import parquet  # noqa: PLC0415 - as above

    types = {"text": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
    schema = pa.schema(
        [pa.field(column.name, types[column.type], metadata={"description": column.description}) for column in DEVICES]
    )
    table = pa.Table.from_pylist([dict(row) for row in fleet.devices], schema=schema)
    written = io.BytesIO()
    parquet.write_table(table, written, compression="zstd")
    return written.getvalue()
