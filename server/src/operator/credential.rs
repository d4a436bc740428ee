//! `komandorr reader` and `komandorr token`: credentials of those who read,
//! and of scripts.

use clap::Subcommand;
use http::Method;
use komandorr_wire::ServiceId;
use serde_json::{Value, json};

use super::{
    Say,
    client::{self, Client},
    table::Table,
    text,
};

/// What can be done with readers' credentials.
#[derive(Debug, Subcommand)]
pub(crate) enum ReaderCommand {
    /// Makes a reader's credential and prints its token, once.
    Add {
        /// Its name, which is also the user name in MQTT.
        name: String,
        /// The only service that it may read; without: all.
        #[arg(long, value_name = "ID")]
        service: Option<ServiceId>,
    },
    /// Lists all readers.
    List,
    /// Takes a reader's credential back and ends its connections.
    Remove {
        /// Its name.
        name: String,
    },
}

/// What can be done with scripts' tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Makes a token for a script and prints it, once.
    Add {
        /// What it is for.
        name: String,
        /// Lets it change things too; without: it only reads.
        #[arg(long)]
        manage: bool,
    },
    /// Lists all tokens of scripts.
    List,
    /// Takes a token back.
    Remove {
        /// Its name.
        name: String,
    },
}

const READERS: Table = Table(&[("NAME", "name"), ("SERVICE", "service"), ("MADE", "created_at")]);
const TOKENS: Table = Table(&[("NAME", "name"), ("SCOPE", "scope"), ("MADE", "created_at")]);

impl ReaderCommand {
    pub(super) async fn run(&self, client: &Client, say: Say) -> anyhow::Result<()> {
        match self {
            Self::Add { name, service } => {
                let body = json!({"name": name, "service": service});
                add(client, say, "/api/readers/", &body, &format!("the token of reader {name}"))
                    .await
            }
            Self::List => say.list(&client.get("/api/readers/").await?, &READERS),
            Self::Remove { name } => remove(client, say, "/api/readers/", name).await,
        }
    }
}

impl TokenCommand {
    pub(super) async fn run(&self, client: &Client, say: Say) -> anyhow::Result<()> {
        match self {
            Self::Add { name, manage } => {
                let body = json!({"name": name, "scope": if *manage { "manage" } else { "read" }});
                add(client, say, "/api/tokens/", &body, &format!("the token {name}")).await
            }
            Self::List => say.list(&client.get("/api/tokens/").await?, &TOKENS),
            Self::Remove { name } => remove(client, say, "/api/tokens/", name).await,
        }
    }
}

async fn add(
    client: &Client,
    say: Say,
    path: &str,
    body: &Value,
    what: &str,
) -> anyhow::Result<()> {
    let answer = client.change(Method::POST, path, body).await?;
    say.secret("token", text(&answer, "token")?, &format!("{what}, shown this once:"))
}

async fn remove(client: &Client, say: Say, path: &str, name: &str) -> anyhow::Result<()> {
    let path = format!("{path}{}", client::segment(name));
    client.change(Method::DELETE, &path, &Value::Null).await?;
    say.done(&format!("{name} is removed"), &json!({"removed": name}))
}
