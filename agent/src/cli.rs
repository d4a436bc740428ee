//! The command line: flags, and the variables of the original agent.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use clap::{Args, Parser, Subcommand, error::ErrorKind};
use komandorr_config::{Secret, units};
use komandorr_wire::ServiceId;

use crate::{
    config::{Config, Limits, Token, allowed_interval},
    select::Selection,
    uplink::Url,
};

/// Counts the bytes of this machine's network interfaces and publishes them
/// to a Komandorr server.
#[derive(Debug, Parser)]
#[command(name = "komandorr-agent", version, args_conflicts_with_subcommands = false)]
pub struct Cli {
    /// What to do; without it the agent runs.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Settings.
    #[command(flatten)]
    pub options: Options,
}

/// What the program can do besides running.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Command {
    /// List the interfaces: the role of each, and why it is counted or not
    Interfaces,
    /// Try interface, name, connection, credential and one stored sample
    Check,
    /// Tell whether the agent of this state directory measures (exit code 0), for health checks
    Health,
}

/// Settings, by flag or variable.
#[derive(Debug, Args)]
pub struct Options {
    /// The server's address.
    #[arg(
        help = "The server: http://host:3000, https://host, mqtt://, mqtts://, ws:// or wss://",
        long,
        env = "KOMANDORR_URL",
        global = true,
        value_name = "URL"
    )]
    pub url: Option<String>,
    /// Name of this service [default: the host name]
    #[arg(long, env = "KOMANDORR_SERVICE", global = true, value_name = "ID")]
    pub service: Option<String>,
    /// The service's token
    #[arg(long, env = "KOMANDORR_TOKEN", global = true, hide_env_values = true, value_parser = secret, value_name = "TOKEN")]
    pub token: Option<Secret>,
    /// File that holds the token; read at every connect
    #[arg(long, env = "KOMANDORR_TOKEN_FILE", global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Certificate to trust instead of the system's (PEM)
    #[arg(long, env = "KOMANDORR_CA", global = true, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// What to count: a name, a comma list, a * pattern, or auto
    #[arg(long, env = "INTERFACE", global = true, default_value = "auto", value_name = "NAMES")]
    pub interface: String,
    /// Time between samples: seconds, or 5s, 1m; from 1 s to 1 h
    #[arg(long, env = "INTERVAL", global = true, default_value = "5s", value_parser = interval)]
    pub interval: Duration,
    /// Capacity per direction: MB/s, or 1Gbps, 100Mbps, 12.5MB/s [default: the link's speed]
    #[arg(long, env = "MAX_BANDWIDTH", global = true, value_parser = units::parse_bandwidth)]
    pub max_bandwidth: Option<u64>,
    /// Where identity, counters and unsent samples live
    #[arg(long, env = "KOMANDORR_STATE_DIR", global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Keep unsent samples at most so long
    #[arg(long, env = "KOMANDORR_SPOOL_AGE", global = true, default_value = "7d", value_parser = units::parse_duration)]
    pub spool_age: Duration,
    /// Keep at most so many bytes of unsent samples
    #[arg(long, env = "KOMANDORR_SPOOL_SIZE", global = true, default_value = "64MiB", value_parser = units::parse_size)]
    pub spool_size: u64,
    /// How log lines look: text or json
    #[arg(long, env = "KOMANDORR_LOG_FORMAT", global = true, default_value = "text", value_parser = ["text", "json"])]
    pub log_format: String,
    /// What is logged: a level, or a list as in `RUST_LOG`
    #[arg(long, env = "KOMANDORR_LOG", global = true, default_value = "info,rumqttc=error")]
    pub log: String,
}

fn secret(text: &str) -> Result<Secret, String> {
    let text = text.trim();
    if text.is_empty() { Err("the token is empty".to_owned()) } else { Ok(Secret::new(text)) }
}

fn interval(text: &str) -> Result<Duration, String> {
    allowed_interval(units::parse_duration(text).map_err(|e| e.to_string())?)
}

impl Options {
    /// Which interfaces are to be counted.
    pub fn selection(&self) -> Selection {
        Selection::parse(&self.interface)
    }

    /// Where the agent's state lives.
    pub fn state_dir(&self) -> PathBuf {
        self.state_dir.clone().unwrap_or_else(default_state_dir)
    }

    /// The agent's settings, or what is wrong with them.
    pub fn config(&self) -> Result<Config, clap::Error> {
        let usage = |text: String| {
            use clap::CommandFactory;
            Cli::command().error(ErrorKind::ValueValidation, text)
        };
        let missing = "the server's address is missing: give it as --url or KOMANDORR_URL, as in \
                       --url http://komandorr.example:3000";
        let url = self.url.as_deref().ok_or_else(|| usage(missing.to_owned()))?;
        let url: Url = url.parse().map_err(|e| usage(format!("--url: {e}")))?;
        let service = match &self.service {
            Some(text) => ServiceId::new(text).map_err(|e| usage(format!("--service: {e}")))?,
            None => ServiceId::from_host_name(&sysinfo::System::host_name().unwrap_or_default()),
        };
        let mut config = Config::new(url, service, self.state_dir());
        config.token = match (&self.token, &self.token_file) {
            (Some(token), _) => Some(Token::Value(token.clone())),
            (None, Some(path)) => Some(Token::File(path.clone())),
            (None, None) => None,
        };
        config.ca.clone_from(&self.ca);
        config.interfaces = self.selection();
        config.interval = self.interval;
        config.capacity = self.max_bandwidth;
        config.limits = Limits { age: self.spool_age, bytes: self.spool_size };
        Ok(config)
    }

    /// Begins logging.
    pub fn start_logging(&self) -> anyhow::Result<()> {
        use komandorr_config::logging::{Format, init};
        let format = if self.log_format == "json" { Format::Json } else { Format::Text };
        init(format, &self.log).context("cannot start logging")
    }
}

/// The folder that systemd or the user's desktop gives, the system's one for
/// root, else one in the home folder.
fn default_state_dir() -> PathBuf {
    let path = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(dir) = path("STATE_DIRECTORY") {
        return dir;
    }
    if let Some(dir) = path("XDG_STATE_HOME") {
        return dir.join("komandorr-agent");
    }
    let system = PathBuf::from("/var/lib/komandorr-agent");
    let home = path("HOME").or_else(|| path("LOCALAPPDATA"));
    let root = home.as_ref().is_none_or(|home| home.as_os_str() == "/root");
    match home {
        Some(home) if !root && !system.is_dir() => home.join(".local/state/komandorr-agent"),
        _ => system,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(arguments: &[&str]) -> Result<Config, clap::Error> {
        let program = std::iter::once("komandorr-agent");
        Cli::try_parse_from(program.chain(arguments.iter().copied()))?.options.config()
    }

    #[test]
    fn the_command_line_is_sound() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn flags_become_settings() {
        let config = config(&[
            "--url=http://h:3000",
            "--service=web-1",
            "--token=abc",
            "--interface=eth*",
            "--interval=10",
            "--max-bandwidth=1Gbps",
            "--spool-size=1MiB",
            "--state-dir=/tmp/x",
        ])
        .unwrap();
        assert_eq!(config.url.to_string(), "ws://h:3000/mqtt");
        assert_eq!(config.service.as_str(), "web-1");
        assert_eq!(config.interval, Duration::from_secs(10));
        assert_eq!(config.capacity, Some(125_000_000));
        assert_eq!(config.limits.bytes, 1 << 20);
        assert!(!format!("{config:?}").contains("abc"), "a token is never shown");
    }

    #[test]
    fn what_the_help_calls_defaults_are_those_of_the_library() {
        let from_flags = config(&["--url=mqtt://h"]).unwrap();
        let (url, service) = (from_flags.url.clone(), from_flags.service.clone());
        let defaults = Config::new(url, service, from_flags.state_dir.clone());
        assert_eq!(from_flags.interval, defaults.interval);
        assert_eq!(from_flags.limits, defaults.limits);
        assert_eq!(from_flags.interfaces, defaults.interfaces);
    }

    #[test]
    fn wrong_usage_says_what_is_allowed() {
        for (arguments, part) in [
            (&[][..], "KOMANDORR_URL"),
            (&["--url=ftp://x"], "mqtt://"),
            (&["--url=mqtt://x", "--service=a b"], "letters, digits"),
            (&["--url=mqtt://x", "--interval=0.5s"], "1 s to 1 h"),
            (&["--url=mqtt://x", "--interval=soon"], "5s, 1m"),
            (&["--url=mqtt://x", "--max-bandwidth=fast"], "1Gbps"),
            (&["--url=mqtt://x", "--token="], "token is empty"),
            (&["--nonsense"], "--nonsense"),
        ] {
            let error = config(arguments).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(part), "{arguments:?}: {error}");
        }
    }
}
