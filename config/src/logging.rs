//! Logs to stderr: readable text for people, JSON lines for machines.

use std::io::IsTerminal;

use serde::Deserialize;
use tracing_subscriber::{EnvFilter, fmt, util::TryInitError};

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One readable line an event.
    #[default]
    Text,
    /// One JSON object an event.
    Json,
}

/// Begins logging for the whole process. `filter` is a level (`info`) or a
/// list in the syntax of `RUST_LOG` (`warn,komandorr_broker=debug`).
pub fn init(format: Format, filter: &str) -> Result<(), TryInitError> {
    use tracing_subscriber::util::SubscriberInitExt;

    let filter = EnvFilter::builder().parse_lossy(filter);
    // A reader of stderr that has gone must not end the program: telling it of
    // a line that cannot be written would panic.
    let builder =
        fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    match format {
        Format::Text => builder
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .finish()
            .try_init(),
        Format::Json => builder.json().flatten_event(true).finish().try_init(),
    }
}
