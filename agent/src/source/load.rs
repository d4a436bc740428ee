//! Load of the whole host: processors and memory, through sysinfo.

use std::fmt;

use sysinfo::{MemoryRefreshKind, System};

/// Load of the whole host; `None` where it is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Load {
    /// Processors in use, percent of all of them.
    pub cpu_percent: Option<f32>,
    /// Memory in use, percent.
    pub memory_percent: Option<f32>,
}

/// Measures the host's load between calls.
pub struct LoadMeter {
    /// Absent where sysinfo does not know the system.
    system: Option<System>,
    measured_before: bool,
}

impl fmt::Debug for LoadMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadMeter").finish_non_exhaustive()
    }
}

impl Default for LoadMeter {
    fn default() -> Self {
        Self::new()
    }
}

impl LoadMeter {
    /// Begins to measure.
    pub fn new() -> Self {
        Self { system: System::new().ok(), measured_before: false }
    }

    /// The load since the last call; the first call knows no processor load.
    pub fn measure(&mut self) -> Load {
        let Some(system) = &mut self.system else { return Load::default() };
        system.refresh_cpu_usage();
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let cpu = system.global_cpu_usage();
        let known = self.measured_before && cpu.is_finite();
        let load = Load {
            cpu_percent: known.then_some(cpu.clamp(0.0, 100.0)),
            memory_percent: percent(system.used_memory(), system.total_memory()),
        };
        self.measured_before = true;
        load
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a percentage")]
fn percent(part: u64, whole: u64) -> Option<f32> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 100.0).clamp(0.0, 100.0) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_a_percentage_or_unknown() {
        let mut meter = LoadMeter::new();
        assert_eq!(meter.measure().cpu_percent, None);
        let load = meter.measure();
        assert!((0.0..=100.0).contains(&load.cpu_percent.unwrap()));
        assert!((0.1..=100.0).contains(&load.memory_percent.unwrap()));
        assert_eq!(percent(1, 0), None);
    }
}
