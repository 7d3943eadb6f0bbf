//! Reading and explaining one export through both row sources: the file that `NSYS_BENCH_TRACE` names, else a real one
//! beside the project.

use std::path::PathBuf;

use criterion::{Criterion, criterion_group, criterion_main};
use nsys_explain_core::source::Progress;
use nsys_explain_core::{AnalyzeOptions, Source, Trace};

fn trace() -> Option<PathBuf> {
    let named = std::env::var_os("NSYS_BENCH_TRACE").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces/mfu_2gpu_before.sqlite");
    named.or(Some(beside)).filter(|path| path.is_file())
}

#[allow(clippy::print_stderr)] // a bench prints
fn explain(c: &mut Criterion) {
    let Some(path) = trace() else {
        eprintln!("skipped: no export to read; name one in NSYS_BENCH_TRACE");
        return;
    };
    let mut group = c.benchmark_group("explain");
    group.sample_size(10);
    for (source, name) in [(Source::Pages, "pages"), (Source::Sqlite, "sqlite")] {
        for threads in [1, 2] {
            group.bench_function(format!("{name}, {threads} threads"), |b| {
                b.iter(|| {
                    let options = AnalyzeOptions { threads: Some(threads), ..AnalyzeOptions::default() };
                    Trace::open(&path, source)?.analyze(&options, &Progress::default())
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, explain);
criterion_main!(benches);
