//! Phases of the user: names, each with patterns that are looked for in the names of NVTX ranges.

use std::sync::Arc;

use regex::{RegexSet, RegexSetBuilder};

use crate::error::{Error, Result};
use crate::model::events::NO_PHASE;

/// Patterns by phase; the first phase with a match wins.
#[derive(Debug, Clone)]
pub struct PhaseMap {
    names: Vec<Arc<str>>,
    patterns: RegexSet,
    phase_of: Vec<u16>,
}

impl PhaseMap {
    /// Compiles `(phase, patterns)`. A pattern is a case-insensitive substring, or `re:` and a regular expression.
    pub fn new(phases: &[(String, Vec<String>)]) -> Result<Self> {
        let mut sources = Vec::new();
        let mut phase_of = Vec::new();
        for (i, (phase, patterns)) in phases.iter().enumerate() {
            let number = u16::try_from(i)
                .ok()
                .filter(|&number| number != NO_PHASE)
                .ok_or_else(|| Error::InvalidArgument(format!("phase map: more than {} phases", u16::MAX - 1)))?;
            for pattern in patterns {
                let source = match pattern.strip_prefix("re:") {
                    Some(regex) => regex.to_owned(),
                    None => format!("(?i){}", regex::escape(pattern)),
                };
                if let Err(error) = regex::Regex::new(&source) {
                    return Err(Error::InvalidArgument(format!(
                        "phase map: phase {phase:?}, pattern {pattern:?}: {error}"
                    )));
                }
                sources.push(source);
                phase_of.push(number);
            }
        }
        let patterns = RegexSetBuilder::new(&sources)
            .build()
            .map_err(|error| Error::InvalidArgument(format!("phase map: {error}")))?;
        Ok(Self { names: phases.iter().map(|(phase, _)| Arc::from(phase.as_str())).collect(), patterns, phase_of })
    }

    /// The number of the first phase that matches a range name, or [`NO_PHASE`].
    pub fn find(&self, name: &str) -> u16 {
        // Patterns stand in the order of their phases, so the first match belongs to the first phase.
        self.patterns.matches(name).iter().next().map_or(NO_PHASE, |pattern| self.phase_of[pattern])
    }

    /// Names by number.
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }
}
