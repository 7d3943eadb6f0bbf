//! Explains one export and prints how long each stage took: `cargo run --release --example profile FILE [THREADS [sqlite]]`.

use std::path::Path;
use std::time::Instant;

use nsys_explain_core::source::Progress;
use nsys_explain_core::{AnalyzeOptions, Source, Trace};

#[allow(clippy::print_stdout)] // a bench prints
fn main() -> nsys_explain_core::Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or_else(|| "trace.sqlite".into());
    let threads = args.next().and_then(|threads| threads.parse().ok());
    let source = if args.next().as_deref() == Some("sqlite") { Source::Sqlite } else { Source::Auto };
    let begin = Instant::now();
    let trace = Trace::open(Path::new(&path), source)?;
    let progress = Progress::default();
    trace.analyze(&AnalyzeOptions { threads, ..AnalyzeOptions::default() }, &progress)?;
    for (stage, time) in progress.stages() {
        println!("{:>9.1} ms  {stage}", time.as_secs_f64() * 1e3);
    }
    println!("{:>9.1} ms  in all", begin.elapsed().as_secs_f64() * 1e3);
    Ok(())
}
