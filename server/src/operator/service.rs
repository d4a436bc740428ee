//! `komandorr service`: the registry of services.

use clap::Subcommand;
use http::Method;
use komandorr_wire::ServiceId;
use serde_json::{Map, Value, json};

use super::{Say, client::Client, table::Table, text};

/// What can be done with services.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// Registers a service and prints the token of its agent, once.
    Add {
        /// Its id: letters, digits, - and _.
        id: ServiceId,
        /// What people call it; without: its id.
        #[arg(long)]
        name: Option<String>,
        /// The group it is shown in.
        #[arg(long)]
        group: Option<String>,
        /// Capacity per direction, such as 1Gbps or 125MB/s; without: what the agent reports.
        #[arg(long, value_parser = capacity)]
        capacity: Option<u64>,
        /// Its agent is the original's from before December 2025, whose
        /// `max_bandwidth` is the speed of its link, not twice that.
        #[arg(long)]
        max_bandwidth_undoubled: bool,
    },
    /// Lists all services.
    List,
    /// Removes a service with its token and all its traffic.
    Remove {
        /// Its id.
        id: ServiceId,
    },
    /// Makes a new token for a service's agent and prints it, once; the old one ends.
    Token {
        /// Its id.
        id: ServiceId,
    },
}

fn capacity(text: &str) -> Result<u64, String> {
    komandorr_config::units::parse_bandwidth(text).map_err(|error| error.to_string())
}

const COLUMNS: Table = Table(&[
    ("ID", "id"),
    ("NAME", "name"),
    ("GROUP", "group"),
    ("STATE", "state"),
    ("INTERVAL_S", "interval_seconds"),
    ("CAPACITY_B/S", "capacity_bytes_per_second"),
]);

impl ServiceCommand {
    pub(super) async fn run(&self, client: &Client, say: Say) -> anyhow::Result<()> {
        match self {
            Self::Add { id, name, group, capacity, max_bandwidth_undoubled } => {
                let fields = [
                    ("id", Some(id.as_str().into())),
                    ("name", name.clone().map(Value::from)),
                    ("group", group.clone().map(Value::from)),
                    ("capacity_bytes_per_second", capacity.map(Value::from)),
                    ("max_bandwidth_undoubled", Some((*max_bandwidth_undoubled).into())),
                ];
                let given = fields.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?)));
                let body = Value::Object(given.collect::<Map<_, _>>());
                let answer = client.change(Method::POST, "/api/services/", &body).await?;
                let what = format!("{id} is registered; its agent's token, shown this once:");
                say.secret("token", text(&answer, "token")?, &what)
            }
            Self::List => say.list(&client.get("/api/services/").await?, &COLUMNS),
            Self::Remove { id } => {
                let path = format!("/api/services/{id}");
                client.change(Method::DELETE, &path, &Value::Null).await?;
                let what = format!("{id} is removed, with its token and all its traffic");
                say.done(&what, &json!({"removed": id}))
            }
            Self::Token { id } => {
                let path = format!("/api/services/{id}/token");
                let answer = client.change(Method::POST, &path, &Value::Null).await?;
                let what =
                    format!("the new token of {id}, shown this once; the old one has ended:");
                say.secret("token", text(&answer, "token")?, &what)
            }
        }
    }
}
