"""Workers of a Dask cluster. They read the traces and write the reports themselves, on a filesystem that all share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from nsys_llm_explainer._native import __version__
from nsys_llm_explainer.fleet.record import RECORD
from nsys_llm_explainer.fleet.work.task import Outcome, Task, explain, message_of, outcome_of

if TYPE_CHECKING:
    from distributed import Client

    Cluster = Union[str, Client]
else:
    Cluster = Any

_INSTALL = "Dask is not installed: pip install 'nsys-llm-explainer[dask]'"
_CONNECT_S = 10
Done = Callable[[int, Outcome], None]


@contextmanager
def connected(cluster: Cluster) -> Iterator[Client]:
    """Yields a client of a cluster; one that was given stays open.

    Args:
        cluster: The scheduler's address, or a client.

    Raises:
        ValueError: Dask is not installed.
        OSError: There is no scheduler at the address.
    """
    try:
        from distributed import Client  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise ValueError(_INSTALL) from error
    if not isinstance(cluster, str):
        yield cluster
        return
    try:
        client = Client(cluster, timeout=_CONNECT_S, set_as_default=False)
    except OSError as error:
        raise OSError(f"{cluster}: no Dask scheduler answers there within {_CONNECT_S} s") from error
    with client:
        yield client


def check_versions(client: Client) -> None:
    """Makes sure that the workers have this version of the package.

    Raises:
        ValueError: One has not.
    """
    try:
        found = client.run(_version)
    except ImportError as error:
        raise ValueError(f"a Dask worker cannot load nsys_llm_explainer {__version__}: {error}") from error
    for worker, version in sorted(found.items()):
        if version != __version__:
            raise ValueError(f"the Dask worker {worker} has nsys_llm_explainer {version}, this is {__version__}")


def run_tasks(client: Client, tasks: Sequence[tuple[int, Task]], done: Done) -> None:
    """Runs tasks on a cluster; calls ``done`` with each one's index and outcome.

    A task that a worker took with it is given to another one by the scheduler, until three workers have died over it.

    Args:
        client: The client.
        tasks: The tasks with their indices.
        done: Called once for each.
    """
    from distributed import as_completed  # noqa: PLC0415 - as above

    check_versions(client)
    futures = {client.submit(explain, task.to_dict(), pure=False): (index, task) for index, task in tasks}
    try:
        for future in as_completed(list(futures), loop=client.loop):
            index, task = futures[future]
            done(index, _outcome(future, task))
            future.release()
    finally:
        client.cancel([future for future in futures if not future.done()])


def _outcome(future: Any, task: Task) -> Outcome:
    error = future.exception()
    if error is not None:
        return Outcome(error=(type(error).__name__, message_of(error)))
    outcome = outcome_of(future.result())
    if outcome.error is None and not (Path(task.folder) / RECORD).is_file():
        told = (
            f"a worker wrote the report to {task.folder}, but it is not there: the workers must share this filesystem"
        )
        return Outcome(error=("NotSharedError", told), file_bytes=outcome.file_bytes)
    return outcome


def _version() -> str:
    return __version__
