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
        Ok(Self { keep, first: first.unwrap_or(Timestamp::MIN) })
    }

    /// Whether those from an instant on are kept.
    pub(crate) fn since(self, instant: Timestamp) -> bool {
        let kept = Timestamp::now().checked_sub(self.keep);
        instant >= self.first && kept.is_ok_and(|kept| instant >= kept)
    }

    /// How long they are kept.
    pub(super) fn length(self) -> Duration {
        self.keep
    }
}
