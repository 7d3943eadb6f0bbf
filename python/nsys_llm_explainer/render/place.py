"""Puts a set of files into a directory: all of them appear, or none does and what was there stays."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

STAGE_PREFIX = ".nsys-llm-explain-"


def check_directory(directory: Path) -> None:
    """Makes sure that a path is a directory or can become one.

    Raises:
        NotADirectoryError: The path, or one above it, is a file.
    """
    for path in (directory, *directory.parents):
        if path.is_dir():
            return
        if path.exists() or path.is_symlink():
            raise NotADirectoryError(errno.ENOTDIR, "the output path is a file, not a folder", str(path))


def place(files: Mapping[str, bytes], directory: Path, *, stale: Iterable[str] = ()) -> list[Path]:
    """Writes files under temporary names in the directory, then renames them into place.

    Args:
        files: Relative path, with ``/``, to content.
        directory: Created if absent; what else it holds stays as it is.
        stale: Relative paths of files from an earlier run that are to go.

    Returns:
        The files that were written, in the given order.

    Raises:
        OSError: A file cannot be written or replaced; the directory is as it was.
    """
    check_directory(directory)
    created = [path for path in (directory, *directory.parents) if not path.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _replace(files, directory, tuple(stale))
    except BaseException as error:
        _remove_empty(created)
        if isinstance(error, OSError) and not isinstance(error, (NotADirectoryError, IsADirectoryError)):
            reason = f"{error.strerror or error}; nothing was written"
            raise OSError(error.errno or errno.EIO, reason, str(directory)) from error
        raise
    return [directory / name for name in files]


def _replace(files: Mapping[str, bytes], directory: Path, stale: tuple[str, ...]) -> None:
    _check_targets((*files, *stale), directory)
    stage = Path(tempfile.mkdtemp(prefix=STAGE_PREFIX, dir=directory))
    created: list[Path] = []
    moved: list[tuple[Path, Path]] = []
    try:
        _write(files, stage / "new")
        for folder in sorted({(directory / name).parent for name in files}):
            if not folder.exists():
                created.append(folder)
                folder.mkdir()
        for name in (*stale, *files):
            if os.path.lexists(directory / name):
                _move(directory / name, stage / "old" / name, moved)
        for name in files:
            _move(stage / "new" / name, directory / name, moved)
    except BaseException:
        for source, target in reversed(moved):
            if not os.path.lexists(source):
                target.replace(source)
        _remove_empty(reversed(created))
        raise
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _move(source: Path, target: Path, moved: list[tuple[Path, Path]]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # Noted first: an interrupt may come right after the move.
    moved.append((source, target))
    source.replace(target)


def _check_targets(names: Iterable[str], directory: Path) -> None:
    for name in names:
        target = directory / name
        if target.parent != directory and os.path.lexists(target.parent) and not target.parent.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "a folder is needed here, but this is a file", str(target.parent))
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "a report file belongs here, but this is a folder", str(target))
        # Renaming would put a file in the place of a device such as /dev/null, for everybody.
        if target.exists() and not target.is_file() and not target.is_symlink():
            raise OSError(errno.EINVAL, f"{name} is a device or a pipe, no regular file", str(target))


def _write(files: Mapping[str, bytes], stage: Path) -> None:
    for name, content in files.items():
        path = stage / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _remove_empty(folders: Iterable[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
