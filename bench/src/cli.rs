//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::place::Place;

/// Measures a running server from outside, over the network.
#[derive(Debug, Parser)]
#[command(name = "komandorr-bench", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Publishes samples as many agents, measures the way to the PUBACK, and
    /// compares what the server stored with what was sent.
    Load(Box<Load>),
    /// Writes the same samples to another database, in the line protocol of InfluxDB.
    Rows(Rows),
}

/// How samples are published and what is watched meanwhile.
#[derive(Debug, Clone, Args)]
pub(crate) struct Load {
    /// The broker: mqtt://, mqtts://, ws:// or wss://.
    #[arg(long, value_name = "URL", default_value = "mqtt://127.0.0.1:1883")]
    pub(crate) mqtt: Place,
    /// Site and API; without it nothing is compared (another broker has none).
    #[arg(long, value_name = "URL")]
    pub(crate) site: Option<String>,
    /// PEM file with the certificate that TLS is verified against.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// File with an operator token: the services are registered with it and
    /// publish with their own tokens, as a server that asks for credentials wants it.
    #[arg(long, value_name = "FILE", requires = "site")]
    pub(crate) token_file: Option<PathBuf>,
    /// Which client the agents are.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) client: Client,
    /// Agents, each with a connection of its own.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Connections that are made at the same time.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) connecting: usize,
    /// Services that the agents share; without it each agent is one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) services: Option<u32>,
    /// Samples a second of all agents together; without it as many as go.
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<f64>,
    /// Messages that each agent sends over the time of warming up, before those at the rate.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "rate")]
    pub(crate) ahead: u32,
    /// Samples in each message; one is sent as a map, more as an array.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) array: u16,
    /// What is in a sample.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) sample: SampleKind,
    /// Quality of service.
    #[arg(long, value_name = "0|1", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=1))]
    pub(crate) qos: u8,
    /// Messages of one agent that may wait for their PUBACK.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) window: u16,
    /// Connections that are dropped and made anew, a second, of all agents
    /// together; thin clients only.
    #[arg(long, value_name = "N", default_value_t = 0.0)]
    pub(crate) churn: f64,
    /// Clients that subscribe to all samples at QoS 1.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) subscribers: u16,
    /// Open event streams whose freshness is measured.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "site")]
    pub(crate) streams: u16,
    /// Open dashboards, as a browser keeps them: the page, then its stream.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "site")]
    pub(crate) dashboards: u16,
    /// Clients that ask the API for histories and volumes, one question a second each.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "site")]
    pub(crate) readers: u16,
    /// Time before anything is measured.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time)]
    pub(crate) warm_up: Duration,
    /// Time in which it is measured.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub(crate) duration: Duration,
    /// The server's process, when it runs on this machine: its processor time
    /// and memory are reported.
    #[arg(long, value_name = "PID")]
    pub(crate) server_pid: Option<u32>,
    /// Threads of this program.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: u16,
    /// File for the results as JSON; `-` is standard output, instead of the table.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// How rows are written to another database.
#[derive(Debug, Clone, Args)]
pub(crate) struct Rows {
    /// Where line protocol is taken, such as `http://127.0.0.1:8428/write`.
    #[arg(long, value_name = "URL")]
    pub(crate) to: String,
    /// Writers, each with a connection and a service of its own.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Rows of one request.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) batch: u16,
    /// Time in which it is measured, after a second of warming up.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub(crate) duration: Duration,
    /// The database's process: its processor time and memory are reported.
    #[arg(long, value_name = "PID")]
    pub(crate) server_pid: Option<u32>,
    /// File for the results as JSON; `-` is standard output, instead of the table.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// The MQTT client of the agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Client {
    /// Writes prepared packets and counts what comes back: costs next to
    /// nothing, so that the server is what is measured.
    #[default]
    Thin,
    /// The library that the agent uses.
    Rumqttc,
}

/// What is in a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum SampleKind {
    /// Ten keys, some 90 bytes: volumes, time, agent, number, capacity, load.
    #[default]
    Lean,
    /// As komandorr-agent sends it: with totals, boot and two interfaces.
    Full,
}

/// `10`, `10s`, `1500ms`, `30m`.
fn time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits.parse().map_err(|_no_number| "write it as 10s, 1500ms or 30m")?;
    let seconds = match text.get(digits.len()..) {
        Some("ms") => number / 1000.0,
        Some("" | "s") => number,
        Some("m" | "min") => number * 60.0,
        Some("h") => number * 3600.0,
        _ => return Err("write it as 10s, 1500ms or 30m".to_owned()),
    };
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_are_read_with_and_without_unit() {
        assert_eq!(time("10"), Ok(Duration::from_secs(10)));
        assert_eq!(time("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(time("0.5h"), Ok(Duration::from_mins(30)));
        assert!(time("soon").is_err() && time("-1s").is_err() && time("1 day").is_err());
    }
}
