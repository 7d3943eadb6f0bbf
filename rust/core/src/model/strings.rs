//! Names as small numbers. Text is decoded leniently: what is not UTF-8 becomes U+FFFD.

use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Distinct texts, numbered in order of arrival. Numbers never reach an output: tables are ordered by text.
#[derive(Debug, Default, Clone)]
pub struct Interner {
    ids: FxHashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

impl Interner {
    /// The number of a text.
    ///
    /// # Panics
    /// Above 2^32 distinct texts, which no export that fits in memory reaches.
    pub fn intern(&mut self, text: &str) -> u32 {
        if let Some(&id) = self.ids.get(text) {
            return id;
        }
        let id = u32::try_from(self.texts.len()).expect("fewer than 2^32 distinct names");
        let text: Arc<str> = Arc::from(text);
        self.texts.push(Arc::clone(&text));
        self.ids.insert(text, id);
        id
    }

    /// The text of a number.
    pub fn text(&self, id: u32) -> &Arc<str> {
        &self.texts[id as usize]
    }

    /// All texts by number.
    pub fn texts(&self) -> &[Arc<str>] {
        &self.texts
    }

    /// How many distinct texts there are.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
}

/// The name without version and stream-variant suffixes: `cudaStreamSynchronize_v3020` is `cudaStreamSynchronize`.
pub fn api_base_name(name: &str) -> &str {
    let mut base = name;
    loop {
        let cut = base.strip_suffix("_ptsz").or_else(|| base.strip_suffix("_ptds")).or_else(|| {
            let stem = base.trim_end_matches(|c: char| c.is_ascii_digit());
            if stem.len() < base.len() { stem.strip_suffix("_v") } else { None }
        });
        match cut {
            Some(shorter) if !shorter.is_empty() => base = shorter,
            _ => return base,
        }
    }
}

/// Whether an API call launches a CUDA graph.
pub fn is_graph_launch(name: &str) -> bool {
    matches!(api_base_name(name), "cudaGraphLaunch" | "cuGraphLaunch")
}

/// The name under which ranges are gathered: without per-call numbers, with engine step markers made alike.
pub fn normalised_range_name(name: &str) -> std::borrow::Cow<'_, str> {
    let name = cut_op_details(name);
    if is_step_marker(name) {
        return std::borrow::Cow::Owned(digits_to_hash(name));
    }
    std::borrow::Cow::Borrowed(layer_module(name).unwrap_or(name))
}

/// Cuts at the first of the details that `emit_nvtx` appends to an op.
fn cut_op_details(name: &str) -> &str {
    let mut from = 0;
    while let Some(comma) = name[from..].find(',') {
        let at = from + comma;
        from = at + 1;
        let rest = &name[from..];
        if [" op_id =", " seq =", " sizes ="].iter().any(|detail| rest.starts_with(detail)) {
            return &name[..at];
        }
    }
    name
}

fn is_step_marker(name: &str) -> bool {
    let vllm = name.strip_prefix("execute_").is_some_and(|rest| {
        !rest.contains(' ')
            && (rest.contains("context_") && rest.contains("_generation_")
                || rest.starts_with("new_") && rest.contains("_cached_"))
    });
    vllm || name.starts_with("[Executor] _forward_step ")
        || name.starts_with("executeStep: ")
        || name.starts_with("step[") && name.ends_with(']')
}

fn digits_to_hash(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if !c.is_ascii_digit() {
            out.push(c);
        } else if !out.ends_with('#') {
            out.push('#');
        }
    }
    out
}

/// The module path in the layer markers of vLLM and `SGLang`: `{'Module': 'model.layers.0', ...}`.
fn layer_module(name: &str) -> Option<&str> {
    let value = name.strip_prefix("{'Module': '")?;
    value.split_once('\'').map(|(module, _)| module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_names_lose_versions_and_stream_variants_only() {
        for (name, base) in [
            ("cudaStreamSynchronize_v3020", "cudaStreamSynchronize"),
            ("cudaStreamSynchronize_ptsz_v7000", "cudaStreamSynchronize"),
            ("cudaLaunchKernel_v7000_ptsz", "cudaLaunchKernel"),
            ("cuMemcpyDtoHAsync_v2", "cuMemcpyDtoHAsync"),
            ("cudaGetDeviceProperties_v2_v12000", "cudaGetDeviceProperties"),
            ("cuCtxSynchronize", "cuCtxSynchronize"),
            ("my_v", "my_v"),
            ("_v12", "_v12"),
        ] {
            assert_eq!(api_base_name(name), base);
        }
    }

    #[test]
    fn range_names_lose_what_makes_each_unique() {
        for (name, normalised) in [
            ("aten::mul, op_id = 22462, sizes = [[4, 512]]", "aten::mul"),
            ("X, seq = 3, op_id = 9", "X"),
            ("a, b, sizes = []", "a, b"),
            ("execute_context_2(190)_generation_14(14)", "execute_context_#(#)_generation_#(#)"),
            ("execute_5_context_1(sq12sk3)_generation_2(sq1)", "execute_#_context_#(sq#sk#)_generation_#(sq#)"),
            ("execute_new_3_cached_12", "execute_new_#_cached_#"),
            (
                "[Executor] _forward_step 17: 2 ctx reqs, 8 gen reqs",
                "[Executor] _forward_step #: # ctx reqs, # gen reqs",
            ),
            ("executeStep: 2 ctx reqs, 8 gen reqs", "executeStep: # ctx reqs, # gen reqs"),
            ("step[12 decode]", "step[# decode]"),
            ("{'Module': 'model.layers.12', 'TrainableParams': 5}", "model.layers.12"),
            ("model.layers.12", "model.layers.12"),
            ("stepping 12", "stepping 12"),
            ("execute_context_1 and _generation_2", "execute_context_1 and _generation_2"),
        ] {
            assert_eq!(normalised_range_name(name), normalised);
        }
    }
}
