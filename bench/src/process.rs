//! Processor time and memory of a process, as Linux tells them.

use std::{fs, time::Duration};

use anyhow::{Context, bail};
use serde::Serialize;

/// Length of the kernel's clock tick: it is 100 a second on every Linux that
/// Rust's standard targets know.
const TICK: Duration = Duration::from_millis(10);

/// What a process has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Usage {
    /// Processor time since its start.
    pub(crate) processor: Duration,
    /// Memory that is resident now, bytes.
    pub(crate) resident: u64,
    /// The most that ever was.
    pub(crate) peak: u64,
}

/// A process of this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Process {
    This,
    Other(u32),
}

impl Process {
    /// What it has used up to now.
    pub(crate) fn usage(self) -> anyhow::Result<Usage> {
        let folder = match self {
            Self::This => "/proc/self".to_owned(),
            Self::Other(pid) => format!("/proc/{pid}"),
        };
        let what = || format!("cannot read {folder}: is the process of this machine?");
        let stat = fs::read_to_string(format!("{folder}/stat")).with_context(what)?;
        let status = fs::read_to_string(format!("{folder}/status")).with_context(what)?;
        let Some(ticks) = ticks(&stat) else { bail!("{folder}/stat is not as expected") };
        Ok(Usage {
            processor: TICK * u32::try_from(ticks)?,
            resident: kilobytes(&status, "VmRSS:").unwrap_or_default() * 1024,
            peak: kilobytes(&status, "VmHWM:").unwrap_or_default() * 1024,
        })
    }
}

/// User and system time. The name in the line may hold spaces: what counts
/// begins after it.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after) = stat.rsplit_once(") ")?;
    let mut times = after.split(' ').skip(11).map(str::parse::<u64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

fn kilobytes(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let usage = Process::This.usage().unwrap();
        assert!(usage.resident > 0 && usage.peak >= usage.resident);
        assert!(Process::Other(u32::MAX).usage().is_err());
    }

    #[test]
    fn a_name_with_spaces_does_not_shift_the_columns() {
        let stat = "7 (a) b c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14";
        assert_eq!(ticks(stat), Some(11 + 12));
    }
}
