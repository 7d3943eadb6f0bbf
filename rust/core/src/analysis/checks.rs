//! Identities that the report proves about itself: figures that count the same thing in two ways have to agree.
//!
//! Sums over tables are compared only where the tables were not cut. A check that fails stands first in its table, and
//! as a warning at the top of the report.

use super::{
    ALL, Availability, GRAPH_TRACE, Input, MEMCPY, MEMSET, NVTX, Outcome, Probe, RUNTIME, TRACE_CUDA, empty_window,
};
use crate::algo::join::NONE;
use crate::model::section::{Section, SectionSpec, Warning};
use crate::model::table::{ColumnSpec, Table, TableSpec};

mod rows;

use rows::{ByDevice, Rows, added, device_name, int};

pub(super) struct Analysis;

const NOTHING: &str = "The export holds nothing that could be counted in two ways.";

/// The code of the warning about a check that failed.
pub(crate) const CHECK_FAILED: &str = "check_failed";

/// Two figures and whether they agree.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Check {
    /// What has to hold.
    identity: &'static str,
    subject: String,
    expected: i64,
    found: i64,
    ok: bool,
}

/// What the other sections found, and what of it agrees.
struct Judge<'a> {
    input: &'a Input<'a>,
    checks: Vec<Check>,
}

impl<'a> Judge<'a> {
    /// A table that was not cut.
    fn rows(&self, name: &str) -> Option<Rows<'a>> {
        let sections = self.input.finished.iter().filter_map(|outcome| match outcome {
            Outcome::Ok(section) => Some(section),
            Outcome::Missing(_) => None,
        });
        let table = sections.flat_map(|section| &section.tables).find(|table| table.spec.name == name)?;
        (table.rows.len() == table.total_rows).then_some(Rows(table))
    }

    /// A figure of a summary.
    fn figure(&self, section: &str, name: &str) -> Option<i64> {
        let (spec, outcome) =
            ALL.iter().map(|analysis| analysis.spec()).zip(self.input.finished).find(|(spec, _)| spec.id == section)?;
        let Outcome::Ok(found) = outcome else { return None };
        let at = spec.summary.iter().position(|figure| figure.name == name)?;
        int(found.summary.get(at)?)
    }

    fn add(&mut self, check: &'static str, subject: impl Into<String>, expected: i64, found: i64, ok: bool) {
        self.checks.push(Check { identity: check, subject: subject.into(), expected, found, ok });
    }

    fn equal(&mut self, check: &'static str, subject: impl Into<String>, expected: Option<i64>, found: Option<i64>) {
        if let (Some(expected), Some(found)) = (expected, found) {
            self.add(check, subject, expected, found, expected == found);
        }
    }

    /// Figures of each device.
    fn equal_by_device(&mut self, check: &'static str, expected: Option<ByDevice>, found: Option<ByDevice>) {
        if let (Some(expected), Some(found)) = (expected, found) {
            self.checks.extend(compared(check, expected, &found));
        }
    }

    /// Busy, idle and the buckets of time fill each device's window.
    fn device_time(&mut self) {
        let devices = self.rows("gpu_devices");
        let of_devices = |column: &str| devices.and_then(|rows| rows.by_device(column));
        let both = added(of_devices("busy_ns"), of_devices("idle_ns"));
        self.equal_by_device("busy + idle = window, ns", of_devices("window_ns"), both);
        let buckets = self.rows("device_time");
        let all = buckets.and_then(|rows| rows.by_device("total_ns"));
        self.equal_by_device("time by bucket = window, ns", of_devices("window_ns"), all);
        let of_buckets =
            |words: &[&str]| buckets.and_then(|rows| rows.by_device_where("total_ns", Some(("bucket", words))));
        let work = of_buckets(&["compute", "communication", "copy"]);
        self.equal_by_device("compute + communication + copy = busy, ns", of_devices("busy_ns"), work);
        let sizes = self.rows("gap_sizes").and_then(|rows| rows.by_device("total_ns"));
        self.equal_by_device("gaps by size = idle, ns", of_devices("idle_ns"), sizes);
        let groups = self.rows("gap_groups");
        let of_groups = groups.and_then(|rows| rows.by_device("total_ns"));
        self.equal_by_device("gaps by group = idle, ns", of_devices("idle_ns"), of_groups);
        let parts =
            ["host_sync", "host_api", "host_os", "host_code", "launching", "inside_graph", "queued", "unmatched"];
        let of_part = |part: &&str| groups.and_then(|rows| rows.by_device(&format!("{part}_ns")));
        let causes = parts.iter().map(of_part).reduce(added).flatten();
        self.equal_by_device("gaps by cause = idle, ns", of_devices("idle_ns"), causes);
        let on_host = of_buckets(&["idle.host_sync", "idle.host_api"]);
        let by_call = self.rows("host_calls").and_then(|rows| rows.by_device("idle_ns"));
        self.equal_by_device("idle by host call = idle in host calls, ns", on_host, by_call);
    }

    /// What is split by process, category or range adds up.
    fn splits(&mut self) {
        let total = |judge: &Self, table: &str, column: &str| judge.rows(table)?.total(column);
        let (kernels, by_process) = (self.figure("kernels", "kernels"), total(self, "processes", "kernels"));
        self.equal("kernels by process = kernels", "all processes", kernels, by_process);
        let (kernel_ns, by_process) = (self.figure("kernels", "total_ns"), total(self, "processes", "kernel_ns"));
        self.equal("kernel time by process = kernel time, ns", "all processes", kernel_ns, by_process);
        for (check, whole, parts) in [
            ("synchronisation by process = synchronisation, ns", "sync_calls", "sync_by_pid"),
            ("range time by process = range time, ns", "nvtx_ranges", "nvtx_by_pid"),
        ] {
            let (whole, parts) = (total(self, whole, "total_ns"), total(self, parts, "total_ns"));
            self.equal(check, "all processes", whole, parts);
        }
        let attributed = self.figure("nvtx", "attributed_kernel_ns").zip(self.figure("nvtx", "total_kernel_ns"));
        if let Some((attributed, all)) = attributed {
            self.add("attributed kernel time <= kernel time, ns", "all ranges", all, attributed, attributed <= all);
        }
        let by_device = |judge: &Self, table: &str| judge.rows(table)?.by_device("total_ns");
        let (kernel_ns, categories) = (by_device(self, "kernels"), by_device(self, "kernel_categories"));
        self.equal_by_device("kernel time by category = kernel time, ns", kernel_ns, categories);
        let communication = self
            .rows("kernel_categories")
            .and_then(|rows| rows.by_device_where("total_ns", Some(("category", &["comm."]))));
        self.equal_by_device(
            "collectives = categories of communication, ns",
            communication,
            by_device(self, "collectives"),
        );
        let (alone, exposed) = (self.figure("budget", "communication_ns"), self.figure("communication", "exposed_ns"));
        self.equal("exposed communication = time in communication, ns", "all devices", alone, exposed);
    }

    /// Steps lie inside the windows of their devices.
    fn steps(&mut self) {
        let steps = &self.input.derived.steps.list;
        if steps.is_empty() {
            return;
        }
        let activity = &self.input.derived.activity;
        let is_inside = |device: u32, start: i64, end: i64| {
            let window = activity[device as usize].window;
            window.0 <= start && end <= window.1
        };
        let inside = steps.iter().filter(|step| is_inside(step.device, step.start, step.end)).count();
        let [expected, found] = [steps.len(), inside].map(count);
        self.add("steps inside the window of their device", "all steps", expected, found, expected == found);
    }

    /// Ops are joined to calls of their own process, not to others with the same correlation id.
    fn joins(&mut self) {
        let events = self.input.events;
        if !events.can_join() {
            return;
        }
        let (mut joined, mut guarded) = (0_usize, 0_usize);
        for (ops, call_of) in events.op_tables().into_iter().zip(&self.input.derived.call_of) {
            for (&kind, &call) in ops.kind.iter().zip(call_of).filter(|(_, call)| **call != NONE) {
                joined += 1;
                let process = events.calls.kind_of(call as usize).process;
                guarded += usize::from(ops.kinds[kind as usize].process == process);
            }
        }
        let [expected, found] = [joined, guarded].map(count);
        self.add("GPU ops joined to a call of their own process", "all ops", expected, found, expected == found);
        if let Some(naive) = self.input.derived.naive_joins {
            let guarded = self.input.derived.call_of[0].iter().filter(|call| **call != NONE).count();
            let guarded = count(guarded);
            // What the naive join has more than this one are kernels that it gives to calls of other processes.
            self.add(
                "kernels joined by process and id <= pairs by id alone",
                "kernels",
                naive,
                guarded,
                guarded <= naive,
            );
        }
    }

    /// Every row of a table was accepted or stated as rejected. A window leaves out others as well.
    fn rows_of_tables(&mut self) {
        let events = self.input.events;
        if events.window.is_some() {
            return;
        }
        let kernels = self.input.schema.kernel_table().map(|table| table.name.as_str());
        let tables = [
            (kernels, events.kernels.len()),
            (Some(MEMCPY), events.copies.len()),
            (Some(MEMSET), events.sets.len()),
            (Some(GRAPH_TRACE), events.graphs.len()),
            (Some(RUNTIME), events.calls.len()),
        ];
        for (name, accepted) in tables {
            let Some(table) = name.and_then(|name| self.input.schema.table(name)) else { continue };
            let rejected = self.input.rejected.get(&table.name).copied().unwrap_or(0);
            let rows = self.input.rows.get(&table.name).copied().filter(|&rows| rows > 0);
            let found = count(accepted) + rejected;
            self.equal("accepted + rejected = rows", table.name.clone(), rows, Some(found));
        }
    }
}

/// A check for each device that has either figure; an absent one is 0.
fn compared(identity: &'static str, mut expected: ByDevice, found: &ByDevice) -> Vec<Check> {
    for &device in found.keys() {
        expected.entry(device).or_default();
    }
    let check = |(device, expected)| {
        let found = found.get(&device).copied().unwrap_or_default();
        Check { identity, subject: device_name(device), expected, found, ok: expected == found }
    };
    expected.into_iter().map(check).collect()
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// One warning for each kind of check that failed; failed checks of one kind stand side by side.
fn warnings(checks: &[Check]) -> Vec<Warning> {
    let failed: Vec<&Check> = checks.iter().filter(|check| !check.ok).collect();
    let warning = |alike: &[&Check]| {
        let Check { identity, subject, expected, found, .. } = alike[0];
        let more = if alike.len() > 1 { format!(" ({} more like it)", alike.len() - 1) } else { String::new() };
        let message = format!(
            "A check of the report failed: {identity}, for {subject}: expected {expected}, found {found}{more}. Figures \
             that it compares cannot be trusted."
        );
        Warning { code: CHECK_FAILED, message, section: Some("checks") }
    };
    failed.chunk_by(|a, b| a.identity == b.identity).map(warning).collect()
}

fn table_spec() -> TableSpec {
    TableSpec {
        name: "checks",
        description: "One row per identity and what it is checked for, those that failed first.",
        events: false,
        columns: vec![
            ColumnSpec::text("check", "What has to hold, with the unit of the figures where they have one."),
            ColumnSpec::text("subject", "What it is checked for: a device, a table of the export, or all."),
            ColumnSpec::id("expected", "The one figure; the upper limit where the check is <=."),
            ColumnSpec::id("found", "The other figure."),
            ColumnSpec::flag("ok", "Whether they agree."),
        ],
    }
}

impl super::Analysis for Analysis {
    fn spec(&self) -> SectionSpec {
        SectionSpec {
            id: "checks",
            title: "Checks",
            summary: vec![
                ColumnSpec::count("checks", "Identities that were checked."),
                ColumnSpec::count("failed", "Those that do not hold."),
            ],
            tables: vec![table_spec()],
        }
    }

    fn availability(&self, probe: &Probe<'_>) -> Availability {
        if probe.gpu_ops() + probe.rows(RUNTIME) + probe.rows(NVTX) == 0 {
            Availability::missing(NOTHING, Some(TRACE_CUDA))
        } else {
            Availability::OK
        }
    }

    fn run(&self, input: &Input<'_>) -> Outcome {
        let mut judge = Judge { input, checks: Vec::new() };
        judge.device_time();
        judge.splits();
        judge.steps();
        judge.joins();
        judge.rows_of_tables();
        let mut checks = judge.checks;
        if checks.is_empty() {
            return Outcome::Missing(match input.events.window {
                Some(_) => empty_window("figures that could be compared"),
                None => Availability::missing(NOTHING, Some(TRACE_CUDA)).absence(),
            });
        }
        checks.sort_by_key(|check| check.ok);
        let failed = checks.iter().filter(|check| !check.ok).count();
        let rows = checks.iter().map(|one| {
            let subject = one.subject.as_str().into();
            vec![one.identity.into(), subject, one.expected.into(), one.found.into(), one.ok.into()]
        });
        let table = Table::new(table_spec(), checks.len(), rows);
        let derived_from: std::collections::BTreeSet<String> = input
            .finished
            .iter()
            .filter_map(|outcome| if let Outcome::Ok(section) = outcome { Some(&section.derived_from) } else { None })
            .flatten()
            .cloned()
            .collect();
        Outcome::Ok(Section {
            summary: vec![checks.len().into(), failed.into()],
            tables: vec![table],
            derived_from: derived_from.into_iter().collect(),
            limitations: vec!["Sums over a table are not checked where the table was cut to its first rows.".into()],
            warnings: warnings(&checks),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_any_device_are_compared() {
        let expected = ByDevice::from([((Some(0), None), 5), ((Some(1), Some(7)), 3)]);
        let found = ByDevice::from([((Some(0), None), 5), ((None, None), 2)]);
        let checks = compared("a = b", expected, &found);
        let rows: Vec<_> = checks.iter().map(|one| (one.subject.as_str(), one.expected, one.found, one.ok)).collect();
        assert_eq!(
            rows,
            [("device unknown", 0, 2, false), ("device 0", 5, 5, true), ("device 1 (GPU 7)", 3, 0, false)]
        );
    }

    #[test]
    fn checks_that_failed_are_warned_of_once_for_each_kind() {
        let found = ByDevice::from([((Some(0), None), 1), ((Some(1), None), 2)]);
        let mut checks = compared("a = b", ByDevice::new(), &found);
        checks.extend(compared("c = d", found.clone(), &found));
        let messages: Vec<String> = warnings(&checks).into_iter().map(|warning| warning.message).collect();
        assert_eq!(messages.len(), 1);
        assert!(messages[0].contains("a = b, for device 0: expected 0, found 1 (1 more like it)"), "{}", messages[0]);
    }
}
