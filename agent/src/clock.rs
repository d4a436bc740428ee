//! The clocks: one that counts suspend and never jumps for intervals, the
//! wall clock for time stamps only, and the identity of the host's boot.

use std::{path::Path, time::SystemTime};

/// Milliseconds on a clock that counts suspend and never jumps. On Linux its
/// zero is the boot, which is what a counter since boot is measured against.
pub(crate) fn boot_ms() -> u64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    // On macOS and the BSDs the monotonic clock of POSIX counts suspend.
    #[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    #[cfg(unix)]
    {
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
        seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)
    }
    #[cfg(not(unix))]
    {
        sysinfo::System::uptime().unwrap_or(0).saturating_mul(1000)
    }
}

/// Milliseconds of the wall clock since 1970.
pub(crate) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.ok().and_then(|d| i64::try_from(d.as_millis()).ok()).unwrap_or(0)
}

/// The identity of the host's boot: what the kernel says, else the time at
/// which the host came up.
pub(crate) fn boot_id(proc: &Path) -> Box<str> {
    let id = std::fs::read_to_string(proc.join("sys/kernel/random/boot_id")).unwrap_or_default();
    let id: String = id.trim().chars().take(komandorr_wire::MAX_TEXT).collect();
    if !id.is_empty() && id.is_ascii() {
        return id.into();
    }
    // Whole minutes: the reported time of boot wanders with clock corrections.
    format!("up-{}", sysinfo::System::boot_time().unwrap_or(0) / 60).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_clock_moves_forward() {
        let first = boot_ms();
        assert!(first > 0);
        assert!(boot_ms() >= first);
        assert!(wall_ms() > 1_600_000_000_000);
    }

    #[test]
    fn a_boot_has_an_identity_with_or_without_the_kernels_help() {
        let id = boot_id(Path::new("/proc"));
        assert_eq!(id, boot_id(Path::new("/proc")));
        assert!(boot_id(Path::new("/nonexistent")).starts_with("up-"));
    }
}
