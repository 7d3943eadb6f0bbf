//! Every algorithm against a naive version of its definition, on random input.

// Inputs are tiny: no count or position comes near the limits of its type.
#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss)]

use std::cmp::Reverse;

use nsys_explain_core::algo::by_kind::ByKind;
use nsys_explain_core::algo::enclosed::{Loads, Work, totals};
use nsys_explain_core::algo::enclosing::{innermost, sort_outer_to_inner};
use nsys_explain_core::algo::gaps::{GapFinder, Gaps};
use nsys_explain_core::algo::grouping::{grouped, grouped_and_all};
use nsys_explain_core::algo::intervals::IntervalSet;
use nsys_explain_core::algo::join::{CorrelationIndex, JointCount, NONE};
use nsys_explain_core::algo::nested::{Step, walk};
use nsys_explain_core::algo::quantile::quantiles;
use nsys_explain_core::algo::topk::smallest_by;
use proptest::prelude::*;

fn intervals() -> impl Strategy<Value = Vec<(i64, i64)>> {
    prop::collection::vec((-60_i64..60, 0_i64..30), 0..25).prop_map(|mut ops| {
        for op in &mut ops {
            op.1 += op.0;
        }
        ops.sort_unstable();
        ops
    })
}

fn many_intervals() -> impl Strategy<Value = Vec<(i64, i64)>> {
    prop::collection::vec((-60_i64..60, 0_i64..4), 0..150).prop_map(|mut ops| {
        for op in &mut ops {
            op.1 += op.0;
        }
        ops.sort_unstable();
        ops
    })
}

/// Gaps of very different lengths and distances, many of which take more than 32 bits.
fn far_gaps() -> impl Strategy<Value = Vec<(i64, i64)>> {
    let length = prop_oneof![4 => 1_i64..50, 1 => 4_294_967_290_i64..4_294_967_300];
    let distance = prop_oneof![6 => 0_i64..50, 1 => 4_294_967_200_i64..4_294_967_300];
    (-5_000_000_000_i64..0, prop::collection::vec((distance, length), 0..200)).prop_map(|(mut now, steps)| {
        let gap = |(distance, length)| {
            let start = now + distance;
            now = start + length;
            (start, now)
        };
        steps.into_iter().map(gap).collect()
    })
}

fn gaps_from(gaps: &[(i64, i64)]) -> Gaps {
    let mut all = Gaps::default();
    for &(start, end) in gaps {
        all.push(start, end);
    }
    all
}

fn common(a: &[(i64, i64)], b: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let pairs = a.iter().flat_map(|a| b.iter().map(move |b| (a.0.max(b.0), a.1.min(b.1))));
    pairs.filter(|(start, end)| start < end).collect()
}

fn length(spans: &[(i64, i64)]) -> i64 {
    spans.iter().map(|(start, end)| end - start).sum()
}

fn gaps_of(ops: &[(i64, i64)]) -> Gaps {
    let mut finder = GapFinder::default();
    for &(start, end) in ops {
        finder.push(start, end);
    }
    finder.finish().1
}

/// The calls come in order of their start; their rows are stored the other way round.
fn inside(calls: &[(i64, i64)], work: &[Work], queries: &[(i64, i64)]) -> Vec<Work> {
    let mut rows: Vec<u32> = (0_u32..).zip(calls).map(|(row, _)| row).collect();
    rows.reverse();
    let times: Vec<(i64, i64)> = calls.iter().rev().copied().collect();
    let work: Vec<Work> = work.iter().rev().copied().collect();
    let mut found = vec![Work::EMPTY; queries.len()];
    let loads = Loads { calls: &rows, times: times.as_slice(), work: &work };
    totals(&loads, queries.len(), |i| queries[i], |i, total| found[i] = total);
    found
}

fn covered(ops: &[(i64, i64)], t: i64) -> bool {
    ops.iter().any(|&(start, end)| start <= t && t < end)
}

proptest! {
    #[test]
    fn union_and_gaps_partition_the_window(ops in intervals(), from in -80_i64..80, length in 0_i64..80) {
        let union = IntervalSet::union_of_sorted(ops.iter().copied());
        let gaps = gaps_of(&ops);
        let (first, last) = (ops.iter().map(|op| op.0).min().unwrap_or(0), ops.iter().map(|op| op.1).max().unwrap_or(0));
        let count = |range: std::ops::Range<i64>, busy: bool| range.filter(|&t| covered(&ops, t) == busy).count() as i64;
        prop_assert_eq!(union.measure(), count(first..last, true));
        prop_assert_eq!(gaps.measure(), count(first..last, false));
        prop_assert_eq!(union.measure() + gaps.measure(), last - first);
        prop_assert_eq!(union.measure_within(from, from + length), count(from..from + length, true));
        prop_assert!(union.spans().is_sorted_by(|a, b| a.1 < b.0));
        prop_assert!(gaps.iter().is_sorted_by(|a, b| a.1 <= b.0));
    }

    #[test]
    fn gaps_keep_what_they_are_given(a in far_gaps(), b in far_gaps(), places in (0.0..1.0_f64, 0.0..1.0_f64)) {
        let [x, y] = [&a, &b].map(|gaps| gaps_from(gaps));
        prop_assert_eq!(x.iter().collect::<Vec<_>>(), a.clone());
        prop_assert_eq!((x.len(), x.is_empty(), x.measure()), (a.len(), a.is_empty(), length(&a)));
        prop_assert_eq!(x.intersect(&y).iter().collect::<Vec<_>>(), common(&a, &b));
        let (first, last) = a.first().zip(a.last()).map_or((0, 0), |(first, last)| (first.0 - 9, last.1 + 9));
        let at = |place: f64| first + ((last - first) as f64 * place) as i64;
        // Cut anywhere, and right where gaps begin and end.
        let cuts = a.iter().step_by(7).flat_map(|gap| [gap.0, gap.1]).chain([at(places.0), at(places.1), first, last]);
        for from in cuts.clone() {
            for to in cuts.clone() {
                prop_assert_eq!(x.measure_within(from, to), length(&common(&a, &[(from, to)])));
            }
        }
    }

    #[test]
    fn intersection_holds_what_both_hold(a in intervals(), b in intervals()) {
        let [x, y] = [&a, &b].map(|ops| IntervalSet::union_of_sorted(ops.iter().copied()));
        let both = x.intersect(&y);
        for t in -70..100 {
            prop_assert_eq!(covered(both.spans(), t), covered(&a, t) && covered(&b, t));
        }
        prop_assert_eq!(both.measure(), (-70..100).filter(|&t| covered(&a, t) && covered(&b, t)).count() as i64);
    }

    #[test]
    fn quantiles_interpolate_between_closest_ranks(mut values in prop::collection::vec(-1000_i64..1000, 1..60)) {
        let qs = [0.0, 0.25, 0.5, 0.9, 0.99, 1.0];
        let found = quantiles(&mut values.clone(), &qs);
        values.sort_unstable();
        for (q, found) in qs.iter().zip(found) {
            let position = q * (values.len() - 1) as f64;
            let (low, high) = (values[position.floor() as usize] as f64, values[position.ceil() as usize] as f64);
            let expected = low + (high - low) * position.fract();
            prop_assert!((found.unwrap() - expected).abs() < 1e-9, "{q}: {found:?} {expected}");
        }
    }

    #[test]
    fn groups_keep_every_value(pairs in prop::collection::vec((0_u32..5, -50_i64..50), 0..80)) {
        let stats = grouped(5, pairs.iter().copied(), &[0.5]);
        for (group, stats) in (0_u32..).zip(&stats) {
            let mut values: Vec<i64> = pairs.iter().filter(|pair| pair.0 == group).map(|pair| pair.1).collect();
            prop_assert_eq!(stats.count, values.len() as i64);
            prop_assert_eq!(stats.total, values.iter().sum::<i64>());
            prop_assert_eq!(stats.min, values.iter().copied().min().unwrap_or(0));
            prop_assert_eq!(stats.max, values.iter().copied().max().unwrap_or(0));
            prop_assert_eq!(&stats.quantiles, &quantiles(&mut values, &[0.5]));
        }
    }

    #[test]
    fn all_groups_together_are_one_group(pairs in prop::collection::vec((0_u32..5, -50_i64..50), 0..80)) {
        let (groups, all) = grouped_and_all(5, pairs.iter().copied(), &[0.5, 0.9], &[0.25]);
        prop_assert_eq!(groups, grouped(5, pairs.iter().copied(), &[0.5, 0.9]));
        prop_assert_eq!(&[all][..], grouped(1, pairs.iter().map(|&(_, value)| (0, value)), &[0.25]));
    }

    #[test]
    fn statistics_of_kinds_are_those_of_their_values(
        pairs in prop::collection::vec((0_u32..6, prop_oneof![0_i64..8, 0_i64..5000]), 0..300),
        chosen in prop::collection::btree_set(0_u32..6, 0..6),
        limit in 0_i64..6000,
    ) {
        let (kinds, values): (Vec<u32>, Vec<i64>) = pairs.iter().copied().unzip();
        let by_kind = ByKind::new(6, &kinds, &values);
        let chosen: Vec<u32> = chosen.into_iter().collect();
        let mine = pairs.iter().filter(|(kind, _)| chosen.contains(kind)).map(|&(_, value)| (0, value));
        let qs = [0.0, 0.25, 0.5, 0.9, 0.99, 1.0];
        prop_assert_eq!(by_kind.stats(&chosen, &qs), grouped(1, mine, &qs).remove(0));
        for kind in 0..6 {
            let under = pairs.iter().filter(|pair| pair.0 == kind && pair.1 < limit).map(|pair| pair.1);
            prop_assert_eq!(by_kind.count_under(kind, limit), under.clone().count());
            prop_assert_eq!(by_kind.total_under(kind, limit), under.sum::<i64>());
            prop_assert_eq!(by_kind.count(kind), kinds.iter().filter(|one| **one == kind).count());
        }
    }

    #[test]
    fn the_first_k_are_those_of_a_full_sort(values in prop::collection::vec(0_u32..40, 0..200), k in 0_usize..30) {
        let items: Vec<(u32, usize)> = values.iter().copied().zip(0..).collect();
        let order = |a: &(u32, usize), b: &(u32, usize)| (Reverse(a.0), a.1).cmp(&(Reverse(b.0), b.1));
        let found = smallest_by(items.clone(), k, order);
        let mut expected = items;
        expected.sort_unstable_by(order);
        expected.truncate(k);
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn the_call_of_an_op_follows_the_definition(
        calls in prop::collection::vec((0_i64..8, -20_i64..20), 0..30),
        far in prop::option::of(i64::MIN..i64::MAX),
        op in (0_i64..10, -25_i64..25),
    ) {
        // A far id makes the ids too sparse for a direct table.
        let calls: Vec<(i64, i64, u32)> =
            calls.into_iter().chain(far.map(|id| (id, 0))).zip(0..).map(|((id, t), row)| (id, t, row)).collect();
        let rows: Vec<u32> = calls.iter().map(|call| call.2).collect();
        let index = CorrelationIndex::new(&rows, |row| (calls[row as usize].0, calls[row as usize].1));
        let matching: Vec<_> = calls.iter().filter(|call| call.0 != 0 && call.0 == op.0).collect();
        let expected = match matching.as_slice() {
            [] => NONE,
            [one] => one.2,
            several => several.iter().filter(|call| call.1 <= op.1).max_by_key(|call| (call.1, call.2)).map_or(NONE, |call| call.2),
        };
        prop_assert_eq!(index.find(op.0, op.1), expected);
    }

    #[test]
    fn a_joint_count_is_the_sum_of_all(
        processes in prop::collection::vec(prop::collection::vec(-6_i64..9, 0..20), 0..5),
        base in prop::sample::select(vec![i64::MIN + 6, -3, 0, 1_000_000, i64::MAX - 8]),
        spread in prop::sample::select(vec![0_i64, 1 << 40]),
    ) {
        let ids: Vec<Vec<i64>> = processes
            .iter()
            .zip(0..)
            .map(|(ids, number)| ids.iter().map(|id| (base + id).saturating_sub(spread * number)).collect())
            .collect();
        let indexes: Vec<CorrelationIndex> = ids
            .iter()
            .map(|ids| {
                let rows: Vec<u32> = (0_u32..).zip(ids).map(|(row, _)| row).collect();
                CorrelationIndex::new(&rows, |row| (ids[row as usize], i64::from(row)))
            })
            .collect();
        let joint = JointCount::new(indexes.iter().collect());
        let asked = ids.iter().flatten().flat_map(|&id| [id, id.saturating_sub(1), id.saturating_add(1)]);
        for id in asked.chain([0, 1, i64::MIN, i64::MAX]).filter(|id| *id != 0) {
            let expected = ids.iter().flatten().filter(|other| **other == id).count();
            prop_assert_eq!(joint.of(id), expected, "{}", id);
        }
    }

    #[test]
    fn the_innermost_range_follows_the_definition(ranges in intervals(), calls in intervals()) {
        let mut order: Vec<u32> = (0_u32..).zip(&ranges).map(|(row, _)| row).collect();
        sort_outer_to_inner(&mut order, ranges.as_slice());
        let rows: Vec<u32> = (0_u32..).zip(&calls).map(|(row, _)| row).collect();
        let mut found = Vec::new();
        innermost(&order, ranges.as_slice(), &rows, calls.as_slice(), |call, range| found.push((call, range)));
        prop_assert_eq!(found.len(), calls.len());
        for ((_, found), call) in found.into_iter().zip(&calls) {
            let expected = (0_u32..)
                .zip(&ranges)
                .filter(|(_, range)| range.0 <= call.0 && range.1 >= call.1)
                .max_by_key(|(row, range)| (range.0, Reverse(range.1), *row))
                .map_or(NONE, |(row, _)| row);
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn ranges_that_nest_are_walked_as_the_definitions_say(
        spans in intervals(),
        calls in intervals(),
        keeps_nested in any::<bool>(),
    ) {
        let cross = |a: (i64, i64), b: (i64, i64)| a.0 < b.0 && b.0 <= a.1 && a.1 < b.1;
        let mut ranges: Vec<(i64, i64)> = Vec::new();
        for span in spans {
            let crosses = ranges.iter().any(|&other| cross(span, other) || cross(other, span));
            if !keeps_nested || !crosses {
                ranges.push(span);
            }
        }
        let mut order: Vec<u32> = (0_u32..).zip(&ranges).map(|(row, _)| row).collect();
        sort_outer_to_inner(&mut order, ranges.as_slice());
        let rows: Vec<u32> = (0_u32..).zip(&calls).map(|(row, _)| row).collect();
        let work: Vec<Work> =
            (1..).zip(&calls).map(|(i, call)| Work { kernels: 1 << i, kernel_ns: i, first_op: call.1, last_op: call.1 + i }).collect();
        let loads = Loads { calls: &rows, times: calls.as_slice(), work: &work };
        let (mut open, mut totals, mut found): (Vec<u32>, Vec<Work>, Vec<u32>) = Default::default();
        totals.resize(ranges.len(), Work::EMPTY);
        let nests = walk(&order, ranges.as_slice(), &loads, |step| match step {
            Step::Open(range) => open.push(range),
            Step::Call(_, enclosing) => found.push(enclosing.checked_sub(1).map_or(NONE, |at| open[at])),
            Step::Close(work) => totals[open.pop().expect("it was opened") as usize] = work,
        });
        if nests {
            let mut expected = Vec::new();
            innermost(&order, ranges.as_slice(), &rows, calls.as_slice(), |_, range| expected.push(range));
            prop_assert_eq!(found, expected);
            let rows: Vec<usize> = (0..calls.len()).collect();
            for (range, total) in ranges.iter().zip(totals) {
                let mut expected = Work::EMPTY;
                for &row in rows.iter().filter(|&&row| range.0 <= calls[row].0 && calls[row].1 <= range.1) {
                    expected.add(&work[row]);
                }
                prop_assert_eq!(total, expected);
            }
        } else {
            // Only where two ranges overlap partly; where they touch, only if a call begins there.
            prop_assert!(ranges.iter().any(|&a| ranges.iter().any(|&b| cross(a, b))));
            prop_assert!(!keeps_nested);
        }
        if keeps_nested {
            prop_assert!(nests);
        }
    }

    #[test]
    fn what_lies_inside_a_range_follows_the_definition(
        calls in many_intervals(),
        queries in intervals(),
        disjoint in any::<bool>(),
    ) {
        let (mut spans, mut work): (Vec<(i64, i64)>, Vec<Work>) = Default::default();
        for (i, &(start, end)) in (0_i64..).zip(&calls) {
            // Calls of one thread follow each other in genuine exports, but not in hostile ones.
            if disjoint && spans.last().is_some_and(|last| last.1 > start) {
                continue;
            }
            spans.push((start, end));
            let some = Work { kernels: i, kernel_ns: 10 * i, first_op: end + i, last_op: end + 3 * i };
            work.push(if i % 5 == 0 { Work::EMPTY } else { some });
        }
        for (query, found) in queries.iter().zip(inside(&spans, &work, &queries)) {
            let mut expected = Work::EMPTY;
            let lies_inside = |span: &(i64, i64)| span.0 >= query.0 && span.1 <= query.1;
            spans.iter().zip(&work).filter(|(span, _)| lies_inside(span)).for_each(|(_, work)| expected.add(work));
            prop_assert_eq!(found, expected);
        }
    }
}

#[test]
fn no_value_has_no_quantile() {
    assert_eq!(quantiles::<i64>(&mut [], &[0.5, 0.9]), [None, None]);
}

#[test]
fn an_empty_op_splits_a_gap() {
    let gaps = gaps_of(&[(0, 10), (15, 15), (20, 30)]);
    assert_eq!(gaps.iter().collect::<Vec<_>>(), [(10, 15), (15, 20)]);
    assert_eq!(gaps.measure_within(12, 18), 6);
}

#[test]
fn deep_nesting_stays_linear() {
    // A million ranges inside each other, each with a call: a scan of enclosing ranges would take 10^12 steps.
    let depth = 1_000_000_i64;
    let ranges: Vec<(i64, i64)> = (0..depth).map(|i| (i, 4 * depth - i)).collect();
    let mut order: Vec<u32> = (0..1_000_000).collect();
    sort_outer_to_inner(&mut order, ranges.as_slice());
    let calls: Vec<(i64, i64)> = (0..depth).map(|i| (depth + i, depth + i + 1)).collect();
    let rows: Vec<u32> = (0..1_000_000).collect();
    innermost(&order, ranges.as_slice(), &rows, calls.as_slice(), |_, row| assert_eq!(i64::from(row), depth - 1));
    let work = Work { kernels: 1, kernel_ns: 1, first_op: 0, last_op: 1 };
    assert!(inside(&calls, &vec![work; calls.len()], &ranges).iter().all(|total| total.kernels == depth));
}
