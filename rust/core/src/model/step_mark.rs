//! Names of NVTX ranges by which inference engines mark their steps.
//!
//! vLLM: `execute_context_2(190)_generation_14(14)`, `execute_5_context_1(sq12sk3)_generation_2(sq1)`,
//! `execute_new_3_cached_12`. TensorRT-LLM: `[Executor] _forward_step 17: 2 ctx reqs, 512 ctx tokens, 8 gen reqs`,
//! `executeStep: 2 ctx reqs, 8 gen reqs`. `SGLang`: `step[DECODE bs=8]`, `step[EXTEND bs=2 toks=512]`.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What a step computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StepKind {
    /// Prompts.
    Prefill,
    /// One or a few tokens for each running request.
    Decode,
    /// Both.
    Mixed,
    /// Nothing tells.
    Unknown,
}

impl StepKind {
    /// All kinds, in the order of the tables.
    pub const ALL: [Self; 4] = [Self::Prefill, Self::Decode, Self::Mixed, Self::Unknown];

    /// The label in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prefill => "prefill",
            Self::Decode => "decode",
            Self::Mixed => "mixed",
            Self::Unknown => "unknown",
        }
    }
}

/// What the name of a step's range says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct StepMark {
    /// Whether the user named it with a pattern; otherwise an engine did.
    pub by_user: bool,
    /// The kind, where the name says it in words.
    pub kind: Option<StepKind>,
    /// Requests whose prompt is computed.
    pub context_requests: Option<i64>,
    /// Tokens of those prompts.
    pub context_tokens: Option<i64>,
    /// Requests that generate.
    pub generation_requests: Option<i64>,
    /// Tokens that are generated.
    pub generation_tokens: Option<i64>,
}

impl StepMark {
    /// What a step of these requests computes.
    pub fn step_kind(&self) -> StepKind {
        if let Some(kind) = self.kind {
            return kind;
        }
        match (self.context_requests, self.generation_requests) {
            (Some(context), generation) if context > 0 => {
                if generation.is_some_and(|requests| requests > 0) {
                    StepKind::Mixed
                } else {
                    StepKind::Prefill
                }
            }
            (_, Some(generation)) if generation > 0 => StepKind::Decode,
            _ => StepKind::Unknown,
        }
    }

    /// Reads an engine's marker; `None` for any other name.
    pub fn of_engine(name: &str) -> Option<Self> {
        let first = *name.as_bytes().first()?;
        if !matches!(first, b'e' | b'[' | b's') {
            return None;
        }
        if name.starts_with("execute") {
            return vllm(name).or_else(|| tensorrt(name));
        }
        if name.starts_with("[Executor] _forward_step ") { tensorrt(name) } else { sglang(name) }
    }
}

fn number(found: &Captures<'_>, group: usize) -> Option<i64> {
    found.get(group)?.as_str().parse().ok()
}

fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a literal pattern compiles")
}

static VLLM: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r"^execute_(?:\d+_)?context_(\d+)\((?:sq)?(\d+)(?:s[^)]*)?\)_generation_(\d+)\((?:sq)?(\d+)(?:s[^)]*)?\)")
});
static VLLM_V0: LazyLock<Regex> = LazyLock::new(|| compiled(r"^execute_new_(\d+)_cached_(\d+)"));
static TENSORRT: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r"^(?:\[Executor\] _forward_step \d+|executeStep): (\d+) ctx reqs, (?:(\d+) ctx tokens, )?(\d+) gen reqs")
});
static SGLANG: LazyLock<Regex> = LazyLock::new(|| compiled(r"^step\[(?:\d+ )?(\w+)([^\]]*)\]"));
static BATCH: LazyLock<Regex> = LazyLock::new(|| compiled(r"\bbs=(\d+)"));
static TOKENS: LazyLock<Regex> = LazyLock::new(|| compiled(r"\b(?:toks|tokens)=(\d+)"));

fn vllm(name: &str) -> Option<StepMark> {
    if let Some(found) = VLLM.captures(name) {
        return Some(StepMark {
            context_requests: number(&found, 1),
            context_tokens: number(&found, 2),
            generation_requests: number(&found, 3),
            generation_tokens: number(&found, 4),
            ..StepMark::default()
        });
    }
    let found = VLLM_V0.captures(name)?;
    Some(StepMark {
        context_requests: number(&found, 1),
        generation_requests: number(&found, 2),
        ..StepMark::default()
    })
}

fn tensorrt(name: &str) -> Option<StepMark> {
    let found = TENSORRT.captures(name)?;
    Some(StepMark {
        context_requests: number(&found, 1),
        context_tokens: number(&found, 2),
        generation_requests: number(&found, 3),
        ..StepMark::default()
    })
}

fn sglang(name: &str) -> Option<StepMark> {
    let found = SGLANG.captures(name)?;
    let rest = found.get(2).map_or("", |rest| rest.as_str());
    let figure = |pattern: &Regex| pattern.captures(rest).and_then(|found| number(&found, 1));
    let (requests, tokens) = (figure(&BATCH), figure(&TOKENS));
    let kind = match found[1].to_ascii_lowercase().as_str() {
        "decode" | "target_verify" => StepKind::Decode,
        "extend" | "prefill" => StepKind::Prefill,
        "mixed" => StepKind::Mixed,
        _ => StepKind::Unknown,
    };
    let mut mark = StepMark { kind: Some(kind), ..StepMark::default() };
    match kind {
        StepKind::Decode => (mark.generation_requests, mark.generation_tokens) = (requests, tokens),
        StepKind::Prefill => (mark.context_requests, mark.context_tokens) = (requests, tokens),
        StepKind::Mixed | StepKind::Unknown => {}
    }
    Some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_say_kind_requests_and_tokens() {
        let cases: [(&str, StepKind, [Option<i64>; 4]); 9] = [
            ("execute_context_2(190)_generation_14(14)", StepKind::Mixed, [Some(2), Some(190), Some(14), Some(14)]),
            ("execute_context_0(0)_generation_192(192)", StepKind::Decode, [Some(0), Some(0), Some(192), Some(192)]),
            ("execute_5_context_1(sq12sk3)_generation_2(sq4)", StepKind::Mixed, [Some(1), Some(12), Some(2), Some(4)]),
            ("execute_new_3_cached_12", StepKind::Mixed, [Some(3), None, Some(12), None]),
            (
                "[Executor] _forward_step 17: 2 ctx reqs, 512 ctx tokens, 0 gen reqs",
                StepKind::Prefill,
                [Some(2), Some(512), Some(0), None],
            ),
            ("executeStep: 0 ctx reqs, 8 gen reqs", StepKind::Decode, [Some(0), None, Some(8), None]),
            ("step[DECODE bs=8]", StepKind::Decode, [None, None, Some(8), None]),
            ("step[EXTEND bs=2 toks=512]", StepKind::Prefill, [Some(2), Some(512), None, None]),
            ("step[12 decode]", StepKind::Decode, [None; 4]),
        ];
        for (name, kind, numbers) in cases {
            let mark = StepMark::of_engine(name).unwrap_or_else(|| panic!("{name} is a marker"));
            assert_eq!(mark.step_kind(), kind, "{name}");
            let found = [mark.context_requests, mark.context_tokens, mark.generation_requests, mark.generation_tokens];
            assert_eq!(found, numbers, "{name}");
        }
    }

    #[test]
    fn other_names_mark_nothing() {
        for name in ["", "execute", "execute_model", "stepping", "aten::mul", "[Executor] x", "step[", "step 12"] {
            assert_eq!(StepMark::of_engine(name), None, "{name}");
        }
    }
}
