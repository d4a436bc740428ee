//! How far back volumes of five minutes reach.

use std::time::Duration;

use duckdb::Connection;
use jiff::Timestamp;

/// From when on volumes of five minutes are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeptMinutes {
    keep: Duration,
    /// What was forgotten before this start stays so, however long they are
    /// kept from now on.
    first: Timestamp,
    /// When the program started.
    loaded: Timestamp,
}

impl KeptMinutes {
    /// As the settings say, and as far as the store still has them.
    pub(crate) fn load(connection: &Connection, keep: Duration) -> duckdb::Result<Self> {
        let first_ms: Option<i64> = connection.query_row(
            "SELECT epoch_ms(max(until)) FROM forgotten_five_minutes",
            [],
            |row| row.get(0),
        )?;
        let first = first_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Ok(Self { keep, first: first.unwrap_or(Timestamp::MIN), loaded: Timestamp::now() })
    }

    /// Whether those from an instant on are kept.
    pub(crate) fn since(self, instant: Timestamp) -> bool {
        self.since_at(instant, Timestamp::now())
    }

    fn since_at(self, instant: Timestamp, now: Timestamp) -> bool {
        // Noted while a clock was ahead: what came before this start may be gone, and
        // nothing of what came after it.
        let first = if self.first > now { self.loaded } else { self.first };
        let kept = now.checked_sub(self.keep);
        instant >= first && kept.is_ok_and(|kept| instant >= kept)
    }

    /// How long they are kept.
    pub(super) fn length(self) -> Duration {
        self.keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_while_the_clock_was_ahead_holds_until_this_start() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let kept = |first, loaded| KeptMinutes {
            keep: Duration::from_hours(24 * 400),
            first: at(first),
            loaded: at(loaded),
        };
        let now = at("2026-11-24T12:00:00Z");
        let since = |kept: KeptMinutes, instant| kept.since_at(at(instant), now);
        let ahead = kept("2098-01-01T00:00:00Z", "2026-11-20T00:00:00Z");
        assert!(!since(ahead, "2026-11-19T23:55:00Z") && since(ahead, "2026-11-20T00:00:00Z"));
        // A start whose clock was behind claims nothing that was forgotten.
        let behind = kept("2026-11-01T00:00:00Z", "1970-01-01T00:00:00Z");
        assert!(!since(behind, "2026-10-31T00:00:00Z") && since(behind, "2026-11-01T00:00:00Z"));
    }
}
