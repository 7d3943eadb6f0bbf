"""The kernels of a decoder layer, in launch order, with plausible durations, as data.

Times are those of a large dense model in bf16 with tensor parallelism on H100-class GPUs: decode with about 200
running requests, prefill with a chunk of 4,096 tokens. They only have to be plausible beside each other.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kernel:
    """One kernel of a step.

    Attributes:
        op: The operator that launches it, as PyTorch's NVTX names it.
        name: Demangled name.
        short: Base name.
        ns: Typical duration.
        grid: Blocks.
        block: Threads of a block.
        collective: Ends on all ranks at once; ``ns`` is the transfer.
        driver: Launched through the driver API (Triton, cuBLAS) and not through the runtime.
    """

    op: str
    name: str
    short: str
    ns: int
    grid: int = 264
    block: int = 256
    collective: bool = False
    driver: bool = False


_NORM = "void vllm::fused_add_rms_norm_kernel<c10::BFloat16, (int)8>(T1 *, long, T1 *, const T1 *, float, int, int)"
_ROPE = (
    "void vllm::rotary_embedding_kernel<c10::BFloat16, (bool)1>(const long *, T1 *, T1 *, const T1 *, int, long, int)"
)
_CACHE = (
    "void vllm::reshape_and_cache_flash_kernel<__nv_bfloat16, __nv_bfloat16, (vllm::Fp8KVCacheDataType)0>"
    "(const T1 *, const T1 *, T2 *, T2 *, const long *, long, long, long, long, int, int, int)"
)
_ACT = "void vllm::act_and_mul_kernel<c10::BFloat16, &vllm::silu_kernel<c10::BFloat16>, (bool)1>(T1 *, const T1 *, int)"
_FLASH = (
    "void cutlass::device_kernel<flash::enable_sm90_or_later<flash::FlashAttnFwdSm90<"
    "flash::CollectiveMainloopFwdSm90<(int)2, "
    "cute::tuple<cute::C<(int)1>, cute::C<(int)1>, cute::C<(int)1>>, cutlass::bfloat16_t, "
    "float, cutlass::arch::Sm90, (bool)1>>>>"
    "(T1::Params)"
)
_SPLIT = (
    "void flash::flash_fwd_splitkv_kernel<Flash_fwd_kernel_traits<(int)128, (int)64, (int)128, "
    "(int)4>, (bool)1>(flash::Params)"
)
_COMBINE = (
    "void flash::flash_fwd_splitkv_combine_kernel<Flash_fwd_kernel_traits<(int)128, (int)64>, (int)4>(flash::Params)"
)
_CUSTOM_AR = (
    "void vllm::cross_device_reduce_1stage<__nv_bfloat16, (int)2>"
    "(vllm::RankData *, vllm::RankSignals, vllm::Signal *, T1 *, int, int)"
)
_NCCL = "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<(unsigned long)4096>)"


def _gemm(op: str, tile: str, ns: int, grid: int) -> Kernel:
    name = f"nvjet_tst_{tile}_2x1_v_bz_TNN"
    return Kernel(op, name, name, ns, grid, 384, driver=True)


DECODE_LAYER: tuple[Kernel, ...] = (
    Kernel("_C::fused_add_rms_norm", _NORM, "fused_add_rms_norm_kernel", 9_200, 256, 1024),
    _gemm("aten::linear", "64x64_64x9", 48_000, 80),
    Kernel("_C::rotary_embedding", _ROPE, "rotary_embedding_kernel", 7_100, 256, 512),
    Kernel("_C_cache_ops::reshape_and_cache_flash", _CACHE, "reshape_and_cache_flash_kernel", 6_300, 256, 512),
    Kernel("vllm::unified_attention_with_output", _SPLIT, "flash_fwd_splitkv_kernel", 62_000, 528, 128),
    Kernel("vllm::unified_attention_with_output", _COMBINE, "flash_fwd_splitkv_combine_kernel", 8_400, 512, 128),
    _gemm("aten::linear", "64x32_64x16", 31_000, 64),
    Kernel("vllm::all_reduce", _CUSTOM_AR, "cross_device_reduce_1stage", 26_000, 36, 512, collective=True),
    Kernel("_C::fused_add_rms_norm", _NORM, "fused_add_rms_norm_kernel", 9_200, 256, 1024),
    _gemm("aten::linear", "128x64_64x8", 118_000, 224),
    Kernel("_C::silu_and_mul", _ACT, "act_and_mul_kernel", 12_500, 256, 1024),
    _gemm("aten::linear", "64x64_64x12", 64_000, 128),
    Kernel("vllm::all_reduce", _CUSTOM_AR, "cross_device_reduce_1stage", 26_000, 36, 512, collective=True),
)

PREFILL_LAYER: tuple[Kernel, ...] = (
    Kernel("_C::fused_add_rms_norm", _NORM, "fused_add_rms_norm_kernel", 38_000, 4096, 1024),
    _gemm("aten::linear", "192x192_64x4", 170_000, 792),
    Kernel("_C::rotary_embedding", _ROPE, "rotary_embedding_kernel", 31_000, 4096, 512),
    Kernel("_C_cache_ops::reshape_and_cache_flash", _CACHE, "reshape_and_cache_flash_kernel", 22_000, 4096, 512),
    Kernel("vllm::unified_attention_with_output", _FLASH, "device_kernel", 210_000, 132, 384),
    Kernel(
        "aten::copy_",
        "void at::native::elementwise_kernel<(int)128, (int)4>(int, T3)",
        "elementwise_kernel",
        24_000,
        8192,
        128,
    ),
    _gemm("aten::linear", "128x256_64x4", 120_000, 528),
    Kernel("vllm::all_reduce", _NCCL, "ncclDevKernel_AllReduce_Sum_bf16_RING_LL", 150_000, 24, 544, collective=True),
    Kernel("_C::fused_add_rms_norm", _NORM, "fused_add_rms_norm_kernel", 38_000, 4096, 1024),
    _gemm("aten::linear", "192x192_64x5", 430_000, 1848),
    Kernel("_C::silu_and_mul", _ACT, "act_and_mul_kernel", 46_000, 4096, 1024),
    _gemm("aten::linear", "192x192_64x6", 230_000, 1056),
    Kernel("vllm::all_reduce", _NCCL, "ncclDevKernel_AllReduce_Sum_bf16_RING_LL", 150_000, 24, 544, collective=True),
)

PREPARE: tuple[Kernel, ...] = (
    Kernel(
        "aten::index",
        "void at::native::index_elementwise_kernel<(int)128, (int)4>(long, T3)",
        "index_elementwise_kernel",
        3_800,
        4,
        128,
    ),
    Kernel(
        "vllm::compute_slot_mapping",
        "_compute_slot_mapping_kernel",
        "_compute_slot_mapping_kernel",
        4_600,
        200,
        128,
        driver=True,
    ),
)

SAMPLE: tuple[Kernel, ...] = (
    _gemm("aten::linear", "128x128_64x7", 185_000, 1002),
    Kernel(
        "aten::to",
        (
            "void at::native::vectorized_elementwise_kernel<(int)4, at::native::float_convert, "
            "std::array<char *, (unsigned long)2>>(int)"
        ),
        "vectorized_elementwise_kernel",
        41_000,
        8192,
        128,
    ),
    Kernel(
        "flashinfer::top_k_top_p_sampling",
        "void flashinfer::sampling::TopKTopPSamplingFromProbKernel<(unsigned int)1024, "
        "(cub::BlockScanAlgorithm)2, (bool)1, float, int>"
        "(T4 *, T5 *, T4 *, T5, T4)",
        "TopKTopPSamplingFromProbKernel",
        88_000,
        200,
        1024,
    ),
    Kernel(
        "aten::argmax",
        (
            "void at::native::reduce_kernel<(int)512, (int)1, at::native::ReduceOp<float, "
            "at::native::ArgMaxOps<float>, unsigned int, long>>(T3)"
        ),
        "reduce_kernel",
        33_000,
        200,
        512,
    ),
)

#: Module of a layer that each of its kernels belongs to, by position; the norms stand alone.
ATTENTION = slice(1, 8)
MLP = slice(9, 13)

#: What a loop over requests launches again and again, e.g. one fill per slot.
STORM = Kernel(
    "aten::fill_",
    "void at::native::vectorized_elementwise_kernel<(int)4, at::native::FillFunctor<long>, "
    "std::array<char *, (unsigned long)1>>(int)",
    "vectorized_elementwise_kernel",
    2_600,
    1,
    128,
)
