//! The process itself, under the names that Prometheus' own clients use.

use std::fs;

use jiff::Timestamp;

use super::text::Exposition;

/// Linux counts processor time for programs in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;

/// Writes what the system says; on one without `/proc` only the start.
pub(super) fn write(text: &mut Exposition, started: Timestamp) {
    let started = started.as_duration().as_secs_f64();
    text.one("process_start_time_seconds", "gauge", "When the server started.", started);
    if let Some(seconds) = cpu_seconds() {
        let help = "Processor time used, of the system's included.";
        text.one("process_cpu_seconds_total", "counter", help, seconds);
    }
    if let Some(bytes) = resident_bytes() {
        text.one("process_resident_memory_bytes", "gauge", "Memory in use.", bytes);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // Reading the folder opens one itself.
        let count = open.count().saturating_sub(1);
        text.one("process_open_fds", "gauge", "Open files and connections.", count);
    }
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may hold spaces; behind it, fields 14 and 15.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_ascii_whitespace().skip(11).take(2);
    let ticks: Vec<f64> = ticks.filter_map(|ticks| ticks.parse().ok()).collect();
    (ticks.len() == 2).then(|| ticks.iter().sum::<f64>() / TICKS_PER_SECOND)
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_tells_processor_time_and_memory() {
        if cfg!(target_os = "linux") {
            assert!(cpu_seconds().is_some());
            assert!(resident_bytes().is_some_and(|bytes| bytes > 1_000_000));
        }
    }
}
