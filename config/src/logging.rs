//! Logs to stderr: readable text for people, JSON lines for machines.

use std::io::IsTerminal;

use serde::Deserialize;
use tracing_subscriber::{EnvFilter, filter::LevelFilter, fmt, util::TryInitError};

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

/// Why there is no logging.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A part of the filter means nothing.
    #[error(
        "\"{0}\" is no level: write error, warn, info, debug, trace or off, and TARGET=LEVEL for a part of the program"
    )]
    Filter(String),
    /// The process logs already.
    #[error(transparent)]
    Begun(#[from] TryInitError),
}

/// Reads a filter: a level (`info`) or a list in the syntax of `RUST_LOG`
/// (`warn,komandorr_broker=debug`).
pub fn filter(text: &str) -> Result<EnvFilter, LogError> {
    let refused = |part: &str| LogError::Filter(part.to_owned());
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        // A word alone would be taken for a target, and silence all others.
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
        if !part.ends_with(']') && level.parse::<LevelFilter>().is_err() {
            return Err(refused(part));
        }
    }
    EnvFilter::builder().parse(text).map_err(|_unexplained| refused(text))
}

/// Begins logging for the whole process; see [`filter`].
pub fn init(format: Format, filter: &str) -> Result<(), LogError> {
    use tracing_subscriber::util::SubscriberInitExt;

    let filter = self::filter(filter)?;
    // A reader of stderr that has gone must not end the program: telling it of
    // a line that cannot be written would panic.
    let builder =
        fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    match format {
        Format::Text => builder
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .finish()
            .try_init()?,
        Format::Json => builder.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_level_is_refused() {
        for good in ["info", "WARN", "off", "info,rumqttd=off", "a::b=debug,[span]=trace", "", "2"]
        {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["warning", "info,komandorr=verbose", "info,quiet", "komandorr"] {
            let part = bad.rsplit(',').next().unwrap();
            assert!(filter(bad).unwrap_err().to_string().contains(part), "{bad}");
        }
    }
}
