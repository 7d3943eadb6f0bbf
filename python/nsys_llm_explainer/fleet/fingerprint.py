"""Tells whether a trace is still the one that was read, without reading all of it.

Size and modification time have to be the same, and so has the content as far as it is sampled: a file of up to 4 MiB
whole, of a larger one 64 blocks of 64 KiB from its first to its last byte. The first block holds the counter that
SQLite raises with every transaction, whichever table it changes. A write-ahead log beside the file counts with its size
and time, as it holds what the file does not yet.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import Any

BLOCKS = 64
BLOCK_BYTES = 1 << 16
_LOG = "-wal"


def fingerprint(path: str) -> dict[str, Any]:
    """Returns size, modification time and a digest of the content of a file.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be read.
    """
    file = Path(path)
    if not file.is_dir() and not stat.S_ISREG(file.stat().st_mode):
        raise OSError(errno.EINVAL, "this is no regular file", path)  # a pipe would never end
    with file.open("rb", buffering=0) as stream:
        facts = os.fstat(stream.fileno())
        digest = hashlib.blake2b(facts.st_size.to_bytes(8, "big"), digest_size=20)
        for offset in _offsets(facts.st_size):
            stream.seek(offset)
            digest.update(stream.read(BLOCK_BYTES))
    return {
        "file_bytes": facts.st_size,
        "modified_ns": facts.st_mtime_ns,
        "content": digest.hexdigest(),
        "log": _log(path),
    }


def _offsets(size: int) -> list[int]:
    if size <= BLOCKS * BLOCK_BYTES:
        return list(range(0, size, BLOCK_BYTES))
    last = size - BLOCK_BYTES
    return [last * place // (BLOCKS - 1) for place in range(BLOCKS)]


def _log(path: str) -> list[int] | None:
    try:
        facts = Path(path + _LOG).stat()
    except OSError:
        return None
    return [facts.st_size, facts.st_mtime_ns]
