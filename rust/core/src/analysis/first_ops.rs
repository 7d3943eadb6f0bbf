//! When the first op of each call starts.

use crate::model::events::ApiCalls;
use crate::model::ints::Ints;

/// Times that are accepted differ by no more; so [`i64::MIN`] is left for the op that starts [`i64::MAX`] after its call.
const SOONEST: i64 = -i64::MAX;

/// The start of the first op of each call.
///
/// Told from the start of the call, so that it takes 32 bits: 0 for a call without ops, otherwise one more than the
/// distance, which is negative only where clocks disagree.
#[derive(Debug, Default)]
pub struct FirstOps {
    after: Ints,
}

impl FirstOps {
    /// From the starts of calls and those of their first ops, which are `i64::MAX` for calls without ops.
    pub(super) fn new(starts: &[i64], first: impl Iterator<Item = i64>) -> Self {
        let mut after = Ints::with_capacity(starts.len());
        for (first, &start) in first.zip(starts) {
            after.push(match first {
                i64::MAX => 0,
                first if first >= start => (first - start).wrapping_add(1),
                first => first - start,
            });
        }
        Self { after }
    }

    /// Whether any op belongs to a call.
    #[inline]
    pub fn has_ops(&self, call: usize) -> bool {
        self.after.get(call) != 0
    }

    /// The start of the first op of a call; `i64::MAX` without ops.
    #[inline]
    pub fn start(&self, calls: &ApiCalls, call: usize) -> i64 {
        match self.after.get(call) {
            0 => i64::MAX,
            before @ SOONEST..0 => calls.start[call] + before,
            after => calls.start[call] + after.wrapping_sub(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_op_is_told_whatever_its_distance() {
        let far = 1 << 62;
        let narrow: &[(i64, i64)] = &[(10, 10), (3, 25), (0, i64::MAX), (7, 7 + i64::from(u32::MAX) - 1)];
        let early: &[(i64, i64)] = &[(10, 9), (10, 10), (10, 11), (50, i64::MAX), (100, -100)];
        let widest: &[(i64, i64)] = &[(1 - far, far), (far, 1 - far), (far, i64::MAX), (far, far), (1 - far, 0)];
        for pairs in [narrow, early, widest, &[]] {
            let calls = ApiCalls { start: pairs.iter().map(|pair| pair.0).collect(), ..ApiCalls::default() };
            let first_ops = FirstOps::new(&calls.start, pairs.iter().map(|pair| pair.1));
            for (call, &(_, first)) in pairs.iter().enumerate() {
                assert_eq!(first_ops.has_ops(call), first != i64::MAX);
                assert_eq!(first_ops.start(&calls, call), first);
            }
        }
    }
}
