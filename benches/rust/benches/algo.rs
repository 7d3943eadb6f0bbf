//! The algorithms on a million rows.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use nsys_explain_core::algo::enclosed::{Loads, Work, totals};
use nsys_explain_core::algo::enclosing::{innermost, sort_outer_to_inner};
use nsys_explain_core::algo::gaps::GapFinder;
use nsys_explain_core::algo::grouping::grouped;
use nsys_explain_core::algo::intervals::IntervalSet;
use nsys_explain_core::algo::join::CorrelationIndex;
use nsys_explain_core::algo::nested::{Step, walk};
use nsys_explain_core::algo::quantile::quantiles;

const ROWS: u32 = 1_000_000;

/// Numbers without a pattern that a sort or a branch predictor would like, the same in every run.
fn scattered(rows: u32) -> Vec<u32> {
    (0..rows).map(|i| i.wrapping_mul(2_654_435_761).rotate_left(13) % 50_000).collect()
}

/// Kernels of one device, one after the other, with a gap after each.
fn ops() -> Vec<(i64, i64)> {
    (0..i64::from(ROWS)).zip(scattered(ROWS)).map(|(i, length)| (i * 60_000, i * 60_000 + i64::from(length))).collect()
}

fn sorting_and_percentiles(c: &mut Criterion) {
    let lengths = scattered(ROWS);
    c.bench_function("percentiles of 1 M durations", |b| {
        b.iter_batched_ref(|| lengths.clone(), |values| quantiles(values, &[0.5, 0.9, 0.99]), BatchSize::LargeInput);
    });
    c.bench_function("statistics of 1 M durations in 500 groups", |b| {
        b.iter(|| grouped(500, lengths.iter().map(|&length| (length % 500, length)), &[0.5, 0.9, 0.99]));
    });
}

fn intervals(c: &mut Criterion) {
    let ops = ops();
    c.bench_function("union of 1 M sorted intervals", |b| b.iter(|| IntervalSet::union_of_sorted(ops.iter().copied())));
    c.bench_function("gaps between 1 M sorted ops", |b| {
        b.iter(|| {
            let mut finder = GapFinder::default();
            for &(start, end) in &ops {
                finder.push(start, end);
            }
            finder.finish()
        });
    });
    let set = IntervalSet::union_of_sorted(ops.iter().copied());
    c.bench_function("measure within 1,000 spans of 1 M intervals", |b| {
        b.iter(|| (0..1000_i64).map(|i| set.measure_within(i * 50_000_000, i * 50_000_000 + 7_000_000)).sum::<i64>());
    });
}

fn attribution(c: &mut Criterion) {
    // Steps of 100 calls each, four ranges deep.
    let calls = ops();
    let rows: Vec<u32> = (0..ROWS).collect();
    let ranges: Vec<(i64, i64)> = (0..i64::from(ROWS) / 4)
        .map(|i| (i / 4, i % 4))
        .map(|(step, depth)| (step * 960_000 + depth, (step + 1) * 960_000 - 1 - depth))
        .collect();
    let mut order: Vec<u32> = (0..ROWS / 4).collect();
    sort_outer_to_inner(&mut order, ranges.as_slice());
    c.bench_function("calls of 1 M ops by correlation id", |b| {
        b.iter(|| {
            let index = CorrelationIndex::new(&rows, |row| (i64::from(row) + 1, calls[row as usize].0));
            rows.iter().map(|&row| u64::from(index.find(i64::from(row) + 1, 0))).sum::<u64>()
        });
    });
    c.bench_function("innermost range of 1 M calls", |b| {
        b.iter(|| {
            let mut sum = 0_u64;
            innermost(&order, ranges.as_slice(), &rows, calls.as_slice(), |_, range| sum += u64::from(range));
            sum
        });
    });
    let work = vec![Work { kernels: 1, kernel_ns: 7, first_op: 0, last_op: 9 }; calls.len()];
    c.bench_function("totals inside 250 k ranges of 1 M calls", |b| {
        b.iter(|| {
            let loads = Loads { calls: &rows, times: calls.as_slice(), work: &work };
            let mut sum = 0;
            let span = |i: usize| ranges[order[i] as usize];
            totals(&loads, order.len(), span, |_, total| sum += total.kernels);
            sum
        });
    });
    c.bench_function("both in one walk over the nested ranges", |b| {
        b.iter(|| {
            let loads = Loads { calls: &rows, times: calls.as_slice(), work: &work };
            let (mut kernels, mut enclosed) = (0, 0);
            let nests = walk(&order, ranges.as_slice(), &loads, |step| match step {
                Step::Open(_) => {}
                Step::Call(_, depth) => enclosed += depth,
                Step::Close(total) => kernels += total.kernels,
            });
            (nests, kernels, enclosed)
        });
    });
}

criterion_group!(benches, sorting_and_percentiles, intervals, attribution);
criterion_main!(benches);
