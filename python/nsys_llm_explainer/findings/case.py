"""What the rules look at: a report's tables, and what the rules before have settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nsys_llm_explainer._native import Section, Table
from nsys_llm_explainer.findings.ledger import IDLE, DeviceKey, Ledger
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Finding, Report

Row = dict[str, Any]
MIN_WINDOW_NS = 1_000_000


@dataclass(frozen=True)
class Device:
    """One device's window and its buckets."""

    key: DeviceKey
    label: str
    window_ns: int
    buckets: dict[str, int]

    @property
    def idle_ns(self) -> int:
        """Time in which nothing runs on the device."""
        return self.sum_of(IDLE)

    def sum_of(self, buckets: tuple[str, ...]) -> int:
        """Returns the time in some buckets together."""
        return sum(self.buckets.get(bucket, 0) for bucket in buckets)

    def share(self, ns: int) -> float:
        """Returns a time as a fraction of the window."""
        return ns / self.window_ns if self.window_ns else 0.0


class Case:
    """A report as the rules see it; rows are converted once.

    Attributes:
        report: The report. Its own findings are not looked at.
        findings: What the rules before have found.
        ledger: The device time that they have left.
        granted: The device time that each finding has, by its id and by device.
    """

    def __init__(self, report: Report) -> None:
        """Starts with nothing found."""
        self.report = report
        self.findings: list[Finding] = []
        self.granted: dict[str, dict[DeviceKey, int]] = {}
        self._rows: dict[tuple[str, str], list[Row]] = {}
        self.ledger = Ledger(self.rows("budget", "device_time"), self.rows("budget", "gap_groups"))
        self.devices = self._devices()
        self._labels = {device.key: device.label for device in self.devices}

    @property
    def has_gpu_work(self) -> bool:
        """Whether the export holds any GPU operation."""
        return bool(self.devices) or bool(self.summary("gpu_idle").get("devices"))

    def section(self, section_id: str) -> Section | None:
        """Returns a section that holds a result, None where it is missing."""
        section = self.report.sections.get(section_id)
        return section if section is not None and section.status == "ok" else None

    def table(self, section_id: str, table: str) -> Table | None:
        """Returns a table, None where its section is missing."""
        section = self.section(section_id)
        return None if section is None else section.tables.get(table)

    def rows(self, section_id: str, table: str) -> list[Row]:
        """Returns the rows of a table, none where its section is missing."""
        key = (section_id, table)
        if key not in self._rows:
            held = self.table(section_id, table)
            self._rows[key] = [] if held is None else held.rows()
        return self._rows[key]

    def summary(self, section_id: str) -> Row:
        """Returns the summary of a section, empty where it is missing."""
        section = self.section(section_id)
        return {} if section is None else section.summary

    def label(self, key: DeviceKey) -> str:
        """Returns the name of a device."""
        return self._labels.get(key) or fmt.device_label(*key)

    def device(self, key: DeviceKey) -> Device | None:
        """Returns a device by its ids, None where it did nothing."""
        return next((device for device in self.devices if device.key == key), None)

    def devices_of(self, pid: int) -> list[DeviceKey]:
        """Returns the devices that a process uses, as far as the tables tell; all where they do not."""
        tables = (("processes", "kernels_by_pid"), ("budget", "host_calls"), ("steps", "step_kinds"))
        found = {key_of(row) for table in tables for row in self.rows(*table) if row["pid"] == pid}
        known = [device.key for device in self.devices]
        return [key for key in known if key in found] or known

    def _devices(self) -> tuple[Device, ...]:
        found: dict[DeviceKey, dict[str, int]] = {}
        for row in self.rows("budget", "device_time"):
            found.setdefault(key_of(row), {})[row["bucket"]] = row["total_ns"]
        return tuple(
            Device(key, fmt.device_label(*key), sum(buckets.values()), buckets) for key, buckets in found.items()
        )


def key_of(row: Row) -> DeviceKey:
    """Returns the device of a row."""
    return row["device_id"], row["gpu_id"]
