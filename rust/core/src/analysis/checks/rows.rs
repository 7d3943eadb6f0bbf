//! Sums over the columns of finished tables.

use std::collections::BTreeMap;

use crate::model::table::{Cell, Table};

/// CUDA ordinal and physical id of a device.
pub(super) type DeviceKey = (Option<i64>, Option<i64>);
/// A figure by device.
pub(super) type ByDevice = BTreeMap<DeviceKey, i64>;

/// The name of a device in the table.
pub(super) fn device_name((device, gpu): DeviceKey) -> String {
    let id = |id: Option<i64>| id.map_or_else(|| "unknown".into(), |id| id.to_string());
    let device = format!("device {}", id(device));
    gpu.map_or_else(|| device.clone(), |gpu| format!("{device} (GPU {gpu})"))
}

/// An integer.
pub(super) fn int(cell: &Cell) -> Option<i64> {
    if let Cell::Int(value) = cell { Some(*value) } else { None }
}

/// A finished table, read by the names of its columns.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a>(pub(super) &'a Table);

impl<'a> Rows<'a> {
    fn column(self, name: &str) -> Option<impl Iterator<Item = &'a Cell>> {
        let at = self.0.spec.columns.iter().position(|column| column.name == name)?;
        Some(self.0.rows.iter().map(move |row| &row[at]))
    }

    /// The sum of a column.
    pub(super) fn total(self, name: &str) -> Option<i64> {
        Some(self.column(name)?.filter_map(int).fold(0, i64::saturating_add))
    }

    /// The sum of a column by device.
    pub(super) fn by_device(self, name: &str) -> Option<ByDevice> {
        self.by_device_where(name, None)
    }

    /// The same of the rows in which the text of a column begins with one of some words.
    pub(super) fn by_device_where(self, name: &str, only: Option<(&str, &[&str])>) -> Option<ByDevice> {
        let devices = self.column("device_id")?.zip(self.column("gpu_id")?);
        let accepted: Vec<bool> = match only {
            None => vec![true; self.0.rows.len()],
            Some((column, words)) => {
                let begins =
                    |cell: &Cell| matches!(cell, Cell::Text(text) if words.iter().any(|word| text.starts_with(word)));
                self.column(column)?.map(begins).collect()
            }
        };
        let mut sums = ByDevice::new();
        for (((device, gpu), cell), _) in
            devices.zip(self.column(name)?).zip(accepted).filter(|(_, accepted)| *accepted)
        {
            let sum = sums.entry((int(device), int(gpu))).or_default();
            *sum = sum.saturating_add(int(cell).unwrap_or_default());
        }
        Some(sums)
    }
}

/// The sums of two figures by device.
pub(super) fn added(sums: Option<ByDevice>, more: Option<ByDevice>) -> Option<ByDevice> {
    let mut sums = sums?;
    for (device, value) in more? {
        let sum = sums.entry(device).or_default();
        *sum = sum.saturating_add(value);
    }
    Some(sums)
}
