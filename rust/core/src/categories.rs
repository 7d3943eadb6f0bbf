//! What kind of work a kernel does, by its name: ordered rules, the first hit wins.
//!
//! The rules are tried on the name of the function first, the text before its template arguments: those of a CUTLASS
//! GEMM may well contain the word `permute`. Only where no rule hits, or where the function is a wrapper that runs what
//! its arguments name (`device_kernel`, `elementwise_kernel`), are they tried on the whole name.

use std::sync::{Arc, LazyLock};

use fancy_regex::{Regex, RegexBuilder};

use crate::error::{Error, Result};

/// The category of kernels that no rule knows.
pub const OTHER: &str = "other";

/// Names are looked at up to here; what matters stands in front, and template arguments can be endless.
const MAX_NAME_CHARS: usize = 4096;
/// Steps that matching may take back and forth on one name: hostile names cannot hold the report up.
const BACKTRACK_LIMIT: usize = 20_000;

/// Functions that run what their template arguments name.
const WRAPPERS: &[&str] = &[
    "device_kernel",
    "Kernel",
    "Kernel2",
    "kernel",
    "elementwise_kernel",
    "vectorized_elementwise_kernel",
    "unrolled_elementwise_kernel",
    "unrolled_elementwise_kernel_for_multi_outputs",
    "elementwise_kernel_with_index",
    "index_elementwise_kernel",
    "legacy_elementwise_kernel",
    "vectorized_templated_elementwise_kernel",
    "reduce_kernel",
    "multi_tensor_apply_kernel",
];

/// Built-in rules: category and pattern.
const RULES: &[(&str, &str)] = &[
    ("inductor", r"triton_(poi|red|per|tem|mm|for)_fused"),
    ("comm.nccl", r"nccl(Dev)?Kernel"),
    (
        "comm.custom_ar",
        r"^(?!.*(cub::|reduce_kernel<)).*(cross_device_reduce|allreduce_fusion|all_?reduce|allgather|reduce_?scatter|multimem|one_?shot|two_?shot|lamport|nvshmem|all_?to_?all|deep_ep|moe_?a2a)",
    ),
    (
        "kv_write",
        r"reshape_and_cache|concat_and_cache|set_mla_kv|kv_?cache.*(append|store|write|copy)|AppendPagedKVCache|store_kvcache|copy_blocks|swap_blocks",
    ),
    ("attn.linear", r"gated_delta|fused_recurrent|chunk_(fwd|gated|scaled|delta)|causal_conv1d|selective_scan|mamba"),
    (
        "attn.prefill",
        r"BatchPrefill|flash_fwd_kernel(?!.*splitkv)|FlashAttnFwdSm(80|90|100)|fmha_v2|fmhaSm\d+.*Context|kernel_unified_attention_2d|(?<![a-z0-9])_fwd_kernel(?!_stage)|context_attention|fmha_cutlass",
    ),
    (
        "attn.decode",
        r"splitkv|BatchDecode|paged_attention_v[12]|xqa|kernel_mha|masked_multihead|ForGen|kernel_unified_attention_3d|reduce_segments|_fwd_grouped_kernel_stage1|_fwd_kernel_stage[12]|flash_mla|FlashMLA|BatchMLA|FlashAttnFwdCombine|flash_attn_(ext_vec|combine)|MergeStates|fmhaReduction",
    ),
    ("attn.other (phase unknown)", r"prepare_varlen_num_blocks|attn_schedule|mla(?![a-z])|attention|attn|fmha"),
    (
        "moe.gemm",
        r"fused_moe_kernel|marlin_?moe|moe.*marlin|wna16|_matmul_ogs|GroupProblemShape|group_gemm|bmm_(E4m3|E2m1|Bfloat16|MxE)|grouped_gemm",
    ),
    (
        "moe.route",
        r"topk_?gating|moe_align|moe_?topk|deepseek_v3_topk|routing(Indices|Main|Init|Custom|DeepSeek|Llama4|Renormalize)|grouped_topk|expandInputRows|finalizeMoeRouting|moe_sum|computeStridesTma|(un)?permute_?(rows|kernel|input)|_combined_routing|_topk_forward",
    ),
    ("norm", r"rms_?norm|layer_?norm|FusedAddRMSNorm|RMSNormKernel|_norm_"),
    ("rope", r"rotary|rope"),
    ("activation", r"act_and_mul|silu|gelu|swiglu|doActivation"),
    ("quant", r"^(?!.*(gemm|mul_mat|marlin|matmul)).*(quant|cvt_fp16_to_fp4|scaled_fp8|per_token_group)"),
    (
        "sampling",
        r"sampling|TopKTopP|TopPSampling|topk_topp|argmax|ArgMaxOps|radix_?sort|DeviceRadixSort|gatherTopK|sbtopk|mbtopk|softmax(?!.*attn)|exponential|penalt|logit|distribution_elementwise",
    ),
    (
        "gemm.quant",
        r"marlin|machete|awq|gptq|gemm_forward_4bit|deep_gemm|w8a8|Fp4Gemm|nvfp4|mxfp4|cutlass_scaled_mm|fp8_gemm|mul_mat_vec_q|mul_mat_q|mmq",
    ),
    ("gemm", r"gemm|nvjet|xmma|cutlass|s16816|gemv|splitK(reduce)?|matmul|dot_kernel|mul_mat|cublas"),
    (
        "copy/fill",
        r"copy|fill|CatArrayBatchedCopy|index_?(put|select|func)|gather|scatter|FillFunctor|direct_copy|cpy_|set_rows|get_rows|memcpy|memset",
    ),
    ("elementwise / reduce", r"elementwise|reduce_kernel|k_bin_bcast|arange"),
];

/// The built-in rules, compiled by the first report of the process.
static BUILT_IN: LazyLock<Vec<BuiltIn>> = LazyLock::new(|| {
    RULES.iter().map(|&(category, pattern)| (category, pattern, compiled(category, pattern).ok())).collect()
});
/// Category, pattern, and the pattern compiled.
type BuiltIn = (&'static str, &'static str, Option<Regex>);

fn compiled(category: &str, pattern: &str) -> Result<Regex> {
    let regex = RegexBuilder::new(pattern).case_insensitive(true).backtrack_limit(BACKTRACK_LIMIT).build();
    regex.map_err(|error| {
        Error::InvalidArgument(format!("categories: category {category:?}, pattern {pattern:?}: {error}"))
    })
}

/// Rules in their order.
#[derive(Debug, Clone)]
pub struct Categories {
    rules: Vec<(u16, Regex)>,
    names: Vec<Arc<str>>,
    is_communication: Vec<bool>,
    own_rules: usize,
}

impl Categories {
    /// The built-in rules, after those of the user: (category, pattern).
    pub fn new(own: &[(String, String)]) -> Result<Self> {
        let mut categories =
            Self { rules: Vec::new(), names: Vec::new(), is_communication: Vec::new(), own_rules: own.len() };
        for (category, pattern) in own {
            let regex = compiled(category, pattern)?;
            let number = categories.number(category)?;
            categories.rules.push((number, regex));
        }
        for (category, pattern, regex) in BUILT_IN.iter() {
            let number = categories.number(category)?;
            let regex = regex.clone().map_or_else(|| compiled(category, pattern), Ok)?;
            categories.rules.push((number, regex));
        }
        categories.number(OTHER)?;
        Ok(categories)
    }

    fn number(&mut self, category: &str) -> Result<u16> {
        let known = self.names.iter().position(|name| name.as_ref() == category);
        let number = u16::try_from(known.unwrap_or(self.names.len()))
            .map_err(|_| Error::InvalidArgument("categories: more than 65,536 categories".into()))?;
        if known.is_none() {
            self.names.push(Arc::from(category));
            self.is_communication.push(category.starts_with("comm."));
        }
        Ok(number)
    }

    /// The number of a kernel's category.
    pub fn find(&self, kernel: &str) -> u16 {
        let whole = head(kernel, MAX_NAME_CHARS);
        let function = function_name(whole);
        let by_function = if is_wrapper(function) { None } else { self.first_hit(function) };
        let found = by_function.or_else(|| self.first_hit(whole));
        found.unwrap_or_else(|| self.other())
    }

    /// The first rule that matches; one that gives up on a name does not match it.
    fn first_hit(&self, text: &str) -> Option<u16> {
        let hit = self.rules.iter().find(|(_, pattern)| pattern.is_match(text).unwrap_or(false));
        hit.map(|(number, _)| *number)
    }

    /// The number of [`OTHER`].
    pub fn other(&self) -> u16 {
        let at = self.names.iter().position(|name| name.as_ref() == OTHER).unwrap_or_default();
        u16::try_from(at).unwrap_or_default()
    }

    /// Categories by number.
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// Whether a category is communication.
    pub fn is_communication(&self, number: u16) -> bool {
        self.is_communication[usize::from(number)]
    }

    /// How many rules the user gave.
    pub const fn own_rules(&self) -> usize {
        self.own_rules
    }
}

/// The first so many characters.
fn head(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).map_or(text, |(at, _)| &text[..at])
}

/// The text before the template arguments of the outermost function.
fn function_name(kernel: &str) -> &str {
    // `(anonymous namespace)::` is part of a name; `<unnamed>::` is so as well, and neither opens arguments.
    let mut from = 0;
    while let Some(at) = kernel[from..].find('<') {
        let at = from + at;
        match kernel[at..].strip_prefix("<unnamed>") {
            Some(_) => from = at + "<unnamed>".len(),
            None => return &kernel[..at],
        }
    }
    kernel
}

fn is_wrapper(function: &str) -> bool {
    let last = function.rsplit([':', ' ']).next().unwrap_or(function);
    let last = last.split('(').next().unwrap_or(last);
    WRAPPERS.contains(&last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_find_their_category() {
        let categories = Categories::new(&[]).expect("the built-in rules compile");
        for (kernel, category) in [
            ("ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096>)", "comm.nccl"),
            ("void vllm::cross_device_reduce_1stage<__nv_bfloat16, 2>(vllm::RankData*)", "comm.custom_ar"),
            ("triton_poi_fused_mul_silu_0", "inductor"),
            ("void vllm::reshape_and_cache_flash_kernel<__nv_bfloat16>(...)", "kv_write"),
            ("void flash::flash_fwd_splitkv_kernel<Flash_fwd_kernel_traits<128>>(Params)", "attn.decode"),
            ("void cutlass::device_kernel<flash::enable_sm90_or_later<flash::FlashAttnFwdSm90<X>>>(P)", "attn.prefill"),
            ("void vllm::fused_add_rms_norm_kernel<c10::BFloat16, 8>(...)", "norm"),
            ("sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n_tilesize64x64x64_cublas", "gemm"),
            ("nvjet_tst_192x192_64x4_2x1_v_bz_coopB_bias_TNN", "gemm"),
            ("void cutlass::Kernel<cutlass_80_tensorop_s16816gemm_permute>(P)", "gemm"),
            ("void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<float>>(int)", "copy/fill"),
            (
                "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<at::native::ArgMaxOps<float>>>(R)",
                "sampling",
            ),
            ("my_kernel_of_nothing", OTHER),
        ] {
            let found = categories.find(kernel);
            assert_eq!(categories.names()[usize::from(found)].as_ref(), category, "{kernel}");
        }
    }

    #[test]
    fn template_arguments_do_not_decide_where_the_function_does() {
        let categories = Categories::new(&[]).expect("the built-in rules compile");
        let found = categories.find("void my_gemm<permute_rows_kernel, allreduce_fusion>(P)");
        assert_eq!(categories.names()[usize::from(found)].as_ref(), "gemm");
    }

    #[test]
    fn own_rules_come_first() {
        let own = [("mine".to_owned(), "^nccl".to_owned())];
        let categories = Categories::new(&own).expect("compiles");
        assert_eq!(categories.names()[usize::from(categories.find("ncclDevKernel_AllReduce"))].as_ref(), "mine");
        assert!(Categories::new(&[("x".to_owned(), "(".to_owned())]).is_err());
    }

    #[test]
    fn endless_names_end() {
        let categories = Categories::new(&[]).expect("the built-in rules compile");
        for name in ["<".repeat(100_000), "aé".repeat(50_000), "chunk_".repeat(20_000), String::new()] {
            categories.find(&name);
        }
    }
}
