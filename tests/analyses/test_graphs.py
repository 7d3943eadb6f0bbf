"""CUDA graphs: how they were traced, and what their launches take."""

from __future__ import annotations

import itertools

import pytest

from tests.support.analyses import Write, assert_missing, capability, run, section, table, total, warning_codes
from tests.support.export import Export

LAUNCH = "cudaGraphLaunch_v10000"
GRAPHS = "pid graph_id launches kernels_per_launch total_ns p50_ns p90_ns"


def node_launch(export: Export, start: int, *, corr: int, kernels: int = 3, pid: int = 100, graph: int = 7) -> Export:
    """Adds a launch whose kernels run 10 ns each, 10 ns apart."""
    export.call(LAUNCH, start - 5, start - 1, corr=corr, pid=pid)
    for node in range(kernels):
        at = start + 20 * node
        export.kernel("k", at, at + 10, corr=corr, pid=pid, graph_node=node + 1, graph_id=graph)
    return export


def test_node_mode_counts_kernels_by_launch(export_file: Write) -> None:
    export = Export().call("cudaLaunchKernel_v7000", 0, 5, corr=1).kernel("eager", 10, 20, corr=1)
    node_launch(node_launch(export, 100, corr=2, kernels=3), 200, corr=3, kernels=2)
    export.memcpy(90, 95, corr=2, graph_node=9).memset(240, 260, corr=3, graph_node=9)  # nodes, but no kernels
    found = section(export_file(export), "graphs")
    assert found.summary == {
        "cuda_graph_mode": "node",
        "graph_launches": 2,
        "graph_kernels": 5,
        "eager_kernels": 1,
        "graph_kernel_share": pytest.approx(5 / 6),
    }
    # [90, 150) and [200, 260), gaps included.
    assert table(found, "cuda_graphs", GRAPHS) == [(100, 7, 2, 2.5, 120, 60.0, 60.0)]


def test_trap_nodes_that_share_one_correlation_id_are_all_kept(export_file: Write) -> None:
    path = export_file(node_launch(Export(), 100, corr=5, kernels=40))
    found = section(path, "graphs")
    assert (found.summary["graph_launches"], found.summary["graph_kernels"]) == (1, 40)
    assert table(found, "cuda_graphs", GRAPHS) == [(100, 7, 1, 40.0, 790, 790.0, 790.0)]
    assert section(path, "kernels").summary == {"kernels": 40, "total_ns": 400}


def test_percentiles_over_launches_interpolate(export_file: Write) -> None:
    export = Export()
    for corr, kernels in ((1, 4), (2, 1), (3, 3), (4, 2)):  # 70, 10, 50 and 30 ns
        node_launch(export, corr * 1_000, corr=corr, kernels=kernels)
    found = section(export_file(export), "graphs")
    assert table(found, "cuda_graphs", GRAPHS) == [(100, 7, 4, 2.5, 160, 40.0, pytest.approx(64.0))]


def test_trap_launches_of_two_processes_with_one_correlation_id(export_file: Write) -> None:
    export = node_launch(Export(), 100, corr=5, kernels=2)
    node_launch(export, 110, corr=5, kernels=4, pid=200, graph=9)
    found = section(export_file(export), "graphs")
    assert table(found, "cuda_graphs", GRAPHS) == [
        (200, 9, 1, 4.0, 70, 70.0, 70.0),
        (100, 7, 1, 2.0, 30, 30.0, 30.0),
    ]


def test_graph_mode_shows_executions_without_kernels(export_file: Write) -> None:
    export = Export()
    for corr, (start, end) in enumerate(((100, 160), (200, 240), (300, 300)), start=1):
        export.call(LAUNCH, start - 5, start - 1, corr=corr).graph_trace(start, end, corr=corr, graph_id=7)
    path = export_file(export.graph_trace(400, 405, graph_id=0))
    found = section(path, "graphs")
    assert found.summary == {
        "cuda_graph_mode": "graph",
        "graph_launches": 3,
        "graph_kernels": 0,
        "eager_kernels": 0,
        "graph_kernel_share": None,
    }
    assert table(found, "cuda_graphs", GRAPHS) == [
        (100, 7, 3, None, 100, 40.0, pytest.approx(56.0)),
        (100, None, 1, None, 5, 5.0, 5.0),
    ]
    assert run(path)["trace"]["cuda_graph_mode"] == "graph"
    assert capability(path, "graphs") == ("partial", "--cuda-graph-trace=node")


def test_trap_graph_mode_is_said_in_every_section_from_kernels(export_file: Write) -> None:
    export = Export().nvtx("step", 0, 90).call(LAUNCH, 0, 5, corr=1).graph_trace(10, 50, corr=1)
    path = export_file(export.call("cudaLaunchKernel_v7000", 50, 55, corr=2).kernel("eager", 60, 70, corr=2))
    (warning,) = [one for one in run(path)["warnings"] if one["code"] == "graph_mode"]
    assert warning["section"] == "graphs"
    assert "--cuda-graph-trace=node" in warning["message"]
    for section_id in ("kernels", "launches", "nvtx", "phases", "processes"):
        found = section(path, section_id, phase_map=[("decode", ["step"])])
        assert any("--cuda-graph-trace=node" in limit for limit in found.limitations), section_id


@pytest.mark.parametrize("api_row", [True, False], ids=["with API row", "without API row"])
def test_graph_and_node_rows_of_one_launch_are_one_launch(export_file: Write, api_row: bool) -> None:
    export = Export().nvtx("decode", 0, 50).graph_trace(100, 190, corr=5, graph_id=7)
    if api_row:
        export.call(LAUNCH, 10, 20, corr=5)
    export.kernel("k", 100, 140, corr=5, graph_node=1, graph_id=7).kernel(
        "k", 150, 190, corr=5, graph_node=2, graph_id=7
    )
    path = export_file(export)
    found = section(path, "graphs")
    assert (found.summary["cuda_graph_mode"], found.summary["graph_kernels"]) == ("graph", 2)
    assert table(found, "cuda_graphs", GRAPHS) == [(100, 7, 1, 2.0, 90, 90.0, 90.0)]
    # Its time is counted once as kernel time, too.
    nvtx = section(path, "nvtx").summary
    assert (nvtx["kernels"], nvtx["total_kernel_ns"]) == (2, 80)


def test_graph_kernel_is_known_by_its_node_or_its_call(export_file: Write) -> None:
    export = Export().call(LAUNCH, 0, 5, corr=1).kernel("by call", 10, 20, corr=1)
    export.kernel("by node", 30, 40, corr=99, graph_node=4).kernel("node without id", 50, 60, corr=0, graph_node=4)
    export.kernel("node 0", 70, 80, corr=2, graph_node=0).call("cudaLaunchKernel_v7000", 6, 8, corr=2)
    found = section(export_file(export), "graphs")
    assert (found.summary["graph_kernels"], found.summary["eager_kernels"]) == (3, 1)
    # A node without a correlation id belongs to no launch that could be told from others.
    assert table(found, "cuda_graphs", "graph_id launches kernels_per_launch total_ns") == [(None, 2, 1.0, 20)]


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("cudaGraphLaunch", "unknown"),
        ("cudaGraphLaunch_ptsz_v10000", "unknown"),
        ("cuGraphLaunch", "unknown"),
        ("cuGraphLaunch_ptsz", "unknown"),
        ("cudaGraphInstantiate_v10000", "none"),
        ("cudaLaunchKernel_v7000", "none"),
    ],
)
def test_mode_without_graph_ops(export_file: Write, name: str, mode: str) -> None:
    path = export_file(Export().call(name, 0, 5, corr=1).kernel("k", 10, 20, corr=2))
    found = section(path, "graphs")
    expected = (mode, 1 if mode == "unknown" else 0, 1, 0.0)
    columns = ("cuda_graph_mode", "graph_launches", "eager_kernels", "graph_kernel_share")
    assert tuple(found.summary[column] for column in columns) == expected
    assert found.tables["cuda_graphs"].rows() == []
    assert ("graphs_not_captured" in warning_codes(path)) is (mode == "unknown")


def test_copy_nodes_alone_make_a_launch_without_kernels(export_file: Write) -> None:
    export = Export().call(LAUNCH, 0, 5, corr=1).memcpy(10, 30, corr=1, graph_node=1).memcpy(40, 60, corr=0)
    found = section(export_file(export), "graphs")
    assert found.summary["graph_kernel_share"] is None
    assert table(found, "cuda_graphs", GRAPHS) == [(100, None, 1, 0.0, 20, 20.0, 20.0)]


def test_order_of_rows_is_total(export_file: Write) -> None:
    rows = [(200, 3, 10), (100, 9, 10), (100, 4, 10), (300, 1, 11)]
    for order in itertools.permutations(rows):
        export = Export()
        for pid, graph, duration in order:
            export.graph_trace(0, duration, graph_id=graph, pid=pid)
        path = export_file(export)
        for threads in (1, 3):
            found = section(path, "graphs", threads=threads)
            assert table(found, "cuda_graphs", "pid graph_id") == [(300, 1), (100, 4), (100, 9), (200, 3)]


def test_graphs_are_cut_at_10_000_rows(export_file: Write) -> None:
    export = Export()
    for number in range(1, 10_004):
        export.graph_trace(number * 10, number * 10 + 5, graph_id=number)
    found = section(export_file(export), "graphs")
    graphs = found.tables["cuda_graphs"]
    assert (len(graphs), graphs.total_rows) == (10_000, 10_003)
    assert (total(found, "cuda_graphs", "launches"), graphs.rows()[-1]["graph_id"]) == (10_000, 10_000)


def test_chosen_window_counts_launch_calls_and_ops_that_start_in_it(export_file: Write) -> None:
    export = node_launch(node_launch(Export(), 100, corr=1), 200, corr=2)
    found = section(export_file(export), "graphs", window=(110, 210))
    assert (found.summary["graph_launches"], found.summary["graph_kernels"]) == (1, 3)
    assert table(found, "cuda_graphs", "launches kernels_per_launch total_ns") == [(2, 1.5, 40)]


@pytest.mark.parametrize("export", [Export(), Export().nvtx("step", 0, 5)], ids=["nothing", "ranges only"])
def test_trap_no_cuda_is_missing_not_mode_none(export_file: Write, export: Export) -> None:
    needs = ("The export has no CUDA activity.", "Capture it with --trace=cuda.")
    assert_missing(export_file(export), "graphs", *needs)
