"""Units into text."""

from __future__ import annotations

import pytest

from nsys_llm_explainer.render import format as fmt


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"),
        (850, "850 ns"),
        (999, "999 ns"),
        (999.6, "1.00 us"),
        (1_234, "1.23 us"),
        (12_345, "12.3 us"),
        (123_456, "123 us"),
        (999_600, "1.00 ms"),
        (4_560_000, "4.56 ms"),
        (7_811_000_000, "7.81 s"),
        (295_700_000_000, "296 s"),
        (1_234_000_000_000, "1,234 s"),
        (-1_500, "-1.50 us"),
    ],
)
def test_duration(ns: float, text: str) -> None:
    assert fmt.duration(ns) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.51634, "51.6 %"),
        (0.99995, "99.995 %"),
        (0.9999999, ">99.999 %"),
        (0.0004, "0.04 %"),
        (0.0000001, "<0.001 %"),
        (1.5, "150.0 %"),
    ],
)
def test_percent_never_rounds_to_none_or_all(share: float, text: str) -> None:
    assert fmt.percent(share) == text


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0"), (300, "<0.001"), (78_000, "0.078"), (12_345_678, "12.35"), (123_456_789, "123.5"), (7.8e9, "7,800")],
)
def test_milliseconds(ns: float, text: str) -> None:
    assert fmt.milliseconds(ns) == text


def test_instants_are_exact_far_from_zero() -> None:
    assert fmt.instant(1_700_000_000_123_456_789) == "1700000000.123456"
    assert fmt.instant(-1_500_000_000) == "-1.500000"
    assert fmt.time_range(1_200_000_000, 1_250_000_000) == "1.200000 s to 1.250000 s"


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (2_686_976, "2.7 MB"), (80e9, "80.0 GB"), (5e12, "5.0 TB")]
)
def test_size(size: int, text: str) -> None:
    assert fmt.size(size) == text


@pytest.mark.parametrize(
    ("device_id", "gpu_id", "label", "cell"),
    [
        (0, None, "GPU 0", "0"),
        (1, 1, "GPU 1", "1"),
        (0, 3, "GPU 3 (CUDA device 0)", "0 (GPU 3)"),
        (None, None, "GPU ?", "-"),
        (None, 2, "GPU 2", "(GPU 2)"),
    ],
)
def test_devices(device_id: int | None, gpu_id: int | None, label: str, cell: str) -> None:
    assert fmt.device_label(device_id, gpu_id) == label
    assert fmt.device_cell(device_id, gpu_id) == cell


@pytest.mark.parametrize(
    ("name", "short"),
    [
        (
            "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)",
            "ncclDevKernel_AllReduce_Sum_bf16_RING_LL",
        ),
        ("triton_poi_fused_add_0", "triton_poi_fused_add_0"),
        (
            (
                "void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<c10::BFloat16>, "
                "std::array<char*, 3ul>>(int, at::native::CUDAFunctor_add<c10::BFloat16>, std::array<char*, 3ul>)"
            ),
            "vectorized_elementwise_kernel<4, CUDAFunctor_add<BFloat16>>",
        ),
        (
            "void (anonymous namespace)::softmax_warp_forward<float, (int)7, (bool)0>(float*)",
            "softmax_warp_forward<float, 7, 0>",
        ),
        ("void flash::kernel<Traits<(cutlass::Enum)3>, true>(flash::Params)", "kernel<Traits<3>, true>"),
        ("void f<g<int>>(T) [clone .1]", "f<g<int>>"),
        ("unbalanced<<<name", "unbalanced<<<name"),
        ("<id 42>", "<id 42>"),
        ("", ""),
    ],
)
def test_kernel_names_put_the_function_first(name: str, short: str) -> None:
    assert fmt.kernel_name(name) == short


def test_kernel_names_are_bounded() -> None:
    assert len(fmt.kernel_name("k<" * 50_000)) <= 72
    assert len(fmt.kernel_name("x" * 50_000)) <= 72
    assert fmt.kernel_name("a" * 50, limit=10) == "aaaaaaaaa…"


@pytest.mark.parametrize(("value", "text"), [(1, "1 gap"), (0, "0 gaps"), (12_345, "12,345 gaps")])
def test_counted(value: int, text: str) -> None:
    assert fmt.counted(value, "gap") == text


def test_throughput() -> None:
    assert fmt.throughput(27_664_000_000.0) == "27.7 GB/s"
    assert fmt.throughput(0) == "0 B/s"
    assert fmt.size(-2_700_000) == "-2.7 MB"
