"""The causes of lost time that a generated run can have, and the ledger of what each of them really cost."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

# What the ledger counts under: the id of the finding that names the cause.
BETWEEN_STEPS = "host_bound_between_steps"
IN_STEP = "host_bound_in_step"
LAUNCH = "launch_bound"
COVERAGE = "low_graph_coverage"
SYNC = "exposed_sync"
COPY = "copy_bound"
PAGEABLE = "pageable_copies"
COMMUNICATION = "exposed_communication"
STRAGGLER = "straggling_rank"
ALLOCATION = "allocation_in_steady_state"
LOADING = "lazy_loading"
OUTLIERS = "step_outliers"
STORM = "kernel_storm"
REQUESTS = "request_gaps"
PROFILER = "profiler_overhead"
UNEXPLAINED = "idle_unexplained"
# What no finding is about: ranks that wait for each other by chance, what lies before and after the steady state.
JITTER = "rank_jitter"
STARTUP = "startup"
WARM_UP = "warm_up"
DRAIN = "drain"


@dataclass(frozen=True)
class Causes:
    """What makes a run slow. The defaults are those of a healthy server; a scenario changes one.

    What ``…_every`` says counts decode steps, and 0 is never.

    Attributes:
        launch_delay_ns: Host code that runs before every decode launch, with nothing of CUDA in it.
        layer_code_ns: Host code before every layer of a forward pass that is launched eagerly.
        input_code_ns: Host code at the start of every step, inside its range and before its first copy.
        between_steps_ns: Host code on the launching thread between two steps, outside every range.
        launch_call_ns: What every eager launch of a decode step takes beyond the usual.
        eager_layers: The last layers of the model that no CUDA graph holds.
        sync_tail_ns: How long the blocking wait at the end of a step goes on after the GPU is done.
        extra_sync: A cudaStreamSynchronize between the input copies and the launch of every step.
        extra_sync_ns: How long that call holds the host while the GPU has nothing to do.
        straggler_rank: The worker whose kernels are slower, or which comes late, or None.
        straggler_factor: How many times slower its kernels are.
        straggler_code_ns: Host code that only this worker runs before every decode launch.
        communication_factor: How many times longer every collective takes.
        pageable_inputs: Input copies come from pageable memory, so the copy blocks the host.
        pageable_bytes: One more input copy of every step, from pageable memory.
        input_bytes: Bytes of each of the input copies of a step.
        offload_bytes: What every decode step brings from pinned host memory before its forward pass.
        offload_hidden: That copy has a stream of its own, and kernels run beside it.
        scheduler_ns: How long the engine thinks between two steps.
        allocate_every: A step that frees and allocates device memory comes every so often.
        allocate_ns: How long the two calls take together once the GPU is idle.
        load_every: A step that loads or compiles a kernel at its launch comes every so often.
        load_ns: How long that takes.
        load_kind: The overhead type: 2 driver JIT, 6 module load, 7 lazy load.
        pause_every: A step in which Python stands still, as for garbage collection, comes every so often.
        pause_ns: How long it stands still.
        pause_between: It stands still before the step, and not inside it.
        stall_ns: How long every decode step's first graph waits on the GPU's side, as for an event.
        storm_kernels: Identical kernels of a few microseconds that every decode step launches.
        request_gap_every: A time without requests comes every so often; a prefill follows.
        request_gap_ns: How long no request comes.
        profiler_ns: How long the profiler holds the launching thread before every step.
    """

    launch_delay_ns: int = 0
    layer_code_ns: int = 0
    input_code_ns: int = 0
    between_steps_ns: int = 0
    launch_call_ns: int = 0
    eager_layers: int = 0
    sync_tail_ns: int = 9_000
    extra_sync: bool = False
    extra_sync_ns: int = 0
    straggler_rank: int | None = None
    straggler_factor: float = 1.5
    straggler_code_ns: int = 0
    communication_factor: float = 1.0
    pageable_inputs: bool = False
    pageable_bytes: int = 0
    input_bytes: int = 16_384
    offload_bytes: int = 0
    offload_hidden: bool = False
    scheduler_ns: int = 600_000
    allocate_every: int = 0
    allocate_ns: int = 0
    load_every: int = 0
    load_ns: int = 0
    load_kind: int = 7
    pause_every: int = 0
    pause_ns: int = 0
    pause_between: bool = False
    stall_ns: int = 0
    storm_kernels: int = 0
    request_gap_every: int = 0
    request_gap_ns: int = 0
    profiler_ns: int = 0


class Ledger:
    """Nanoseconds of device time, over all devices, by the cause they went to. Filled while a run is generated.

    Of what a host does, only the time counts in which its GPU had nothing to do and waited for that.
    """

    def __init__(self) -> None:
        """Starts empty."""
        self._lost: defaultdict[str, int] = defaultdict(int)

    def add(self, cause: str, ns: int) -> None:
        """Count time that a cause cost."""
        self._lost[cause] += ns

    def lost(self) -> dict[str, int]:
        """Return what every cause cost, the largest first."""
        return dict(sorted(self._lost.items(), key=lambda item: (-item[1], item[0])))
