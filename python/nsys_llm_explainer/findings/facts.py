"""What the rules look up in a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nsys_llm_explainer._native import Section
from nsys_llm_explainer.findings.rule import DeviceKey
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Report


@dataclass(frozen=True)
class Device:
    """One row of gpu_devices."""

    key: DeviceKey
    label: str
    window_ns: int
    busy_ns: int
    idle_ns: int
    kernel_busy_ns: int

    @property
    def copy_ns(self) -> int:
        """Time with copies or memsets and no kernel."""
        return self.busy_ns - self.kernel_busy_ns


def present(report: Report, section_id: str) -> Section | None:
    """Returns a section that holds a result, None where it is missing."""
    section = report.sections.get(section_id)
    return section if section is not None and section.status == "ok" else None


def rows(report: Report, section_id: str, table: str) -> list[dict[str, Any]]:
    """Returns the rows of a table, none where its section is missing."""
    section = present(report, section_id)
    return section.tables[table].rows() if section is not None and table in section.tables else []


def summary(report: Report, section_id: str) -> dict[str, Any]:
    """Returns the summary of a section, empty where it is missing."""
    section = present(report, section_id)
    return {} if section is None else section.summary


def devices(report: Report) -> tuple[Device, ...]:
    """Returns every device with GPU work in the window."""
    return tuple(
        Device(
            key=(row["device_id"], row["gpu_id"]),
            label=fmt.device_label(row["device_id"], row["gpu_id"]),
            window_ns=row["window_ns"],
            busy_ns=row["busy_ns"],
            idle_ns=row["idle_ns"],
            kernel_busy_ns=row["kernel_busy_ns"],
        )
        for row in rows(report, "gpu_idle", "gpu_devices")
    )


def device_time(report: Report) -> int:
    """Returns the sum of the device windows."""
    return sum(device.window_ns for device in devices(report))


def devices_of_processes(report: Report) -> dict[int, set[DeviceKey]]:
    """Returns the devices on which each process has kernels."""
    found: dict[int, set[DeviceKey]] = {}
    for row in rows(report, "processes", "kernels_by_pid"):
        found.setdefault(row["pid"], set()).add((row["device_id"], row["gpu_id"]))
    return found


def severity_of(share: float, *, high: float, medium: float, low: float | None = None) -> str | None:
    """Returns the severity of a share by its thresholds, None where it is under all of them."""
    if share >= high:
        return "high"
    if share >= medium:
        return "medium"
    return "low" if low is not None and share >= low else None
