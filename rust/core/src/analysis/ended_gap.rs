//! An idle gap of a device, with the op that ended it and the cause that the report names.

use super::device_time::{BUCKETS, FIRST_IDLE, Gap};
use super::gap_place::Place;
use crate::algo::join::NONE;

/// One idle gap.
#[derive(Debug, Clone, Copy)]
pub struct EndedGap {
    /// First idle nanosecond.
    pub start: i64,
    /// Start of the op that ended it.
    pub end: i64,
    /// Row of that op in its table.
    pub row: u32,
    /// The call of that op, or [`NONE`].
    pub call: u32,
    /// The step of that op in the list of steps, or [`NONE`].
    pub step: u32,
    /// Table of that op, as in [`crate::model::events::Events::op_tables`].
    pub table: u8,
    cause: u8,
    place: Place,
}

impl EndedGap {
    /// The causes by number.
    pub const CAUSES: &'static [&'static str] = BUCKETS.split_at(FIRST_IDLE).1;
    /// The places by number.
    pub const PLACES: [&'static str; Place::ALL.len()] = {
        let mut labels = [""; Place::ALL.len()];
        let mut at = 0;
        while at < labels.len() {
            labels[at] = Place::ALL[at].as_str();
            at += 1;
        }
        labels
    };

    pub(super) fn of(gap: &Gap) -> Self {
        let small = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
        Self {
            start: gap.start,
            end: gap.end,
            row: gap.next.row,
            call: gap.call,
            step: gap.step.and_then(|step| u32::try_from(step).ok()).unwrap_or(NONE),
            table: small(gap.next.table),
            cause: small(gap.cause - FIRST_IDLE),
            place: gap.place,
        }
    }

    /// The cause with the largest part, as its number in [`Self::CAUSES`].
    pub fn cause(&self) -> usize {
        usize::from(self.cause)
    }

    /// Where it lies among the steps, as its number in [`Self::PLACES`].
    pub fn place(&self) -> usize {
        self.place as usize
    }
}
