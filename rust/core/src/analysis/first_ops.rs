//! When the first op of each call starts.

use crate::algo::join::NONE;
use crate::model::events::{ApiCalls, Events};
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
    /// Looks through the ops of all tables, of which `call_of` tells the calls.
    pub(super) fn new(events: &Events, call_of: &[Vec<u32>; 4]) -> Self {
        let mut first = vec![i64::MAX; events.calls.len()];
        for (ops, call_of) in events.op_tables().into_iter().zip(call_of) {
            for (&start, &call) in ops.start.iter().zip(call_of).filter(|(_, call)| **call != NONE) {
                let first = &mut first[call as usize];
                *first = start.min(*first);
            }
        }
        let mut after = Ints::with_capacity(first.len());
        for (&first, &start) in first.iter().zip(&events.calls.start) {
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
    use crate::model::events::{OpKind, Ops};

    #[test]
    fn the_first_op_is_told_whatever_its_distance() {
        let far = 1 << 62;
        for starts in [[0, 10, 25], [1 - far, 0, far], [100, 7, 3]] {
            let mut events = Events::default();
            events.calls.start = vec![10, 1 - far, 3, far];
            let (process, device, name, graph_id) = (0, 0, NONE, 0);
            let (ordinal, stream, copy, in_graph) = (None, None, None, false);
            let kind = OpKind { device, ordinal, process, name, in_graph, graph_id, stream, copy };
            events.kernels = Ops {
                start: starts.to_vec(),
                length: Ints::Narrow(vec![1; 3]),
                kind: vec![0; 3],
                kinds: vec![kind],
                ..Ops::default()
            };
            for call_of in [[0, 0, 1], [2, 1, NONE], [1, NONE, 1], [3, 3, 3]] {
                let first = FirstOps::new(&events, &[call_of.to_vec(), vec![], vec![], vec![]]);
                for call in 0..4_u32 {
                    let of_call = starts.iter().zip(call_of).filter(|(_, of)| *of == call).map(|(&start, _)| start);
                    let expected = of_call.min();
                    assert_eq!(first.has_ops(call as usize), expected.is_some());
                    assert_eq!(first.start(&events.calls, call as usize), expected.unwrap_or(i64::MAX));
                }
            }
        }
    }
}
