//! Serialised ids of Nsight Systems: `HW:8 | VM:8 | PID:24 | TID:24`.

/// Identity of a process: a `globalTid` with the thread bits cleared, equal to `globalPid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessKey(i64);

impl ProcessKey {
    /// Where the export does not tell the process.
    pub const UNKNOWN: Self = Self(0);

    /// The process of a `globalTid` or `globalPid`.
    pub const fn of(global_id: i64) -> Self {
        Self(global_id & !0xFF_FFFF)
    }

    /// The process id as the operating system numbers it.
    pub const fn pid(self) -> i64 {
        (self.0 >> 24) & 0xFF_FFFF
    }
}

/// One physical GPU: by its physical id where the export maps it, otherwise by CUDA ordinal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeviceKey {
    /// `TARGET_INFO_CUDA_DEVICE.gpuId`.
    Physical(i64),
    /// `deviceId` of the event rows.
    Ordinal(i64),
    /// The table has no `deviceId` column.
    Unknown,
}

/// A GPU of the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Identity.
    pub key: DeviceKey,
    /// The CUDA ordinal of the export (the lowest, where processes number the GPU differently).
    pub device_id: Option<i64>,
    /// Physical id.
    pub gpu_id: Option<i64>,
    /// Product name.
    pub name: Option<String>,
}
