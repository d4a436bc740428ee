//! The operator's commands: they talk to the running server's API with the
//! token that it keeps beside its database. Tables are for people, `--json`
//! for scripts; tokens and passwords stand alone on stdout either way.

pub(crate) mod client;
mod credential;
mod files;
mod import;
mod service;
mod table;
mod target;
mod tls;

use std::io::{self, Write};

use anyhow::{Context, bail};
use http::Method;
use serde_json::{Value, json};

pub(crate) use credential::{ReaderCommand, TokenCommand};
pub(crate) use files::{Backup, Export};
pub(crate) use import::Import;
pub(crate) use service::ServiceCommand;

use crate::{
    credentials::{check_password, random_password},
    settings::Settings,
};
use client::Client;
use table::Table;

/// A command of the operator.
// Those with commands of their own say what is missing where none is given: in its place
// clap would show the whole help.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Lists, adds and removes services, and makes tokens for their agents.
    #[command(subcommand, arg_required_else_help = false)]
    Service(ServiceCommand),
    /// Lists, adds and removes readers' credentials, for MQTT and the API.
    #[command(subcommand, arg_required_else_help = false)]
    Reader(ReaderCommand),
    /// Lists, adds and removes scripts' tokens for the API.
    #[command(subcommand, arg_required_else_help = false)]
    Token(TokenCommand),
    /// Gives admin a new password, and ends all sessions.
    Password {
        /// Reads the password from standard input instead of making one.
        #[arg(long)]
        stdin: bool,
    },
    /// Writes traffic as CSV, Parquet or JSON.
    Export(Export),
    /// Copies the database of the running server to a file.
    Backup(Backup),
    /// Imports history of the original Komandorr, or of vnStat; says what it took.
    Import(Import),
    /// Asks whether the server is ready: exit code 0, or 1 and why not.
    Health,
}

/// Runs a command against the server that these settings are of.
pub(crate) async fn run(
    command: &Command,
    settings: &Settings,
    as_json: bool,
) -> anyhow::Result<()> {
    if let Command::Health = command {
        // Whoever may not read the token may still ask whether it is ready.
        let client = Client::of_operator(settings).or_else(|_| Client::anonymous(settings))?;
        return health(&client, as_json).await;
    }
    let client = Client::of_operator(settings)?;
    let say = Say { as_json };
    match command {
        Command::Service(command) => command.run(&client, say).await,
        Command::Reader(command) => command.run(&client, say).await,
        Command::Token(command) => command.run(&client, say).await,
        Command::Password { stdin } => password(&client, *stdin, say).await,
        Command::Export(export) => export.run(&client, &settings.storage.path, say).await,
        Command::Backup(backup) => backup.run(&client, &settings.storage.path, say).await,
        Command::Import(import) => import.run(&client, settings, say).await,
        Command::Health => Ok(()),
    }
}

async fn health(client: &Client, as_json: bool) -> anyhow::Result<()> {
    let (status, answer) = client.ask(Method::GET, "/readyz").await?;
    if as_json {
        print(&format!("{answer}\n"))?;
    }
    if status.is_success() {
        return if as_json { Ok(()) } else { print("ready\n") };
    }
    let Some(parts) = answer.get("parts").and_then(Value::as_array) else {
        bail!(
            "the server is not ready; it says why to its operator alone: run this command as the server's user, or with sudo, and with the server's settings"
        );
    };
    let problem = |part: &Value| {
        let name = part.get("name")?.as_str()?;
        let problem = part.get("problem")?.as_str()?;
        Some(format!("{name}: {problem}"))
    };
    let problems: Vec<_> = parts.iter().filter_map(problem).collect();
    bail!("the server is not ready: {}", problems.join("; "))
}

async fn password(client: &Client, stdin: bool, say: Say) -> anyhow::Result<()> {
    let password = if stdin {
        let line = io::read_to_string(io::stdin()).context("cannot read standard input")?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        random_password()
    };
    check_password(&komandorr_config::Secret::new(password.as_str()), "the password")?;
    client.change(Method::PUT, "/api/password", &json!({"password": password})).await?;
    if stdin {
        say.done("admin has a new password; all sessions have ended", &json!({"user": "admin"}))
    } else {
        say.secret("password", &password, "the new password of admin; all sessions have ended")
    }
}

/// How answers are given.
#[derive(Debug, Clone, Copy)]
struct Say {
    as_json: bool,
}

impl Say {
    /// A list of things: as a table, or as the API gave it.
    fn list(self, answer: &Value, table: &Table) -> anyhow::Result<()> {
        if self.as_json {
            return print(&format!("{answer}\n"));
        }
        let items = answer.as_array().context("the server's answer is no list")?;
        print(&table.of(items))
    }

    /// A secret on stdout, for a script to take; what it is on stderr.
    fn secret(self, key: &str, secret: &str, what: &str) -> anyhow::Result<()> {
        if self.as_json {
            return print(&format!("{}\n", json!({key: secret})));
        }
        note(what);
        print(&format!("{secret}\n"))
    }

    /// What has been done: in words, or what it was done to.
    fn done(self, what: &str, to: &Value) -> anyhow::Result<()> {
        if self.as_json {
            return print(&format!("{to}\n"));
        }
        note(what);
        Ok(())
    }
}

/// Writes to stdout; a reader that has read enough is no error.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

/// A line for people, beside what scripts read.
pub(crate) fn note(text: &str) {
    // Where stderr is closed nobody wants to know.
    drop(writeln!(io::stderr(), "{text}"));
}

/// A text of an answer.
fn text<'a>(answer: &'a Value, key: &str) -> anyhow::Result<&'a str> {
    let text = answer.get(key).and_then(Value::as_str);
    text.with_context(|| format!("the server's answer has no \"{key}\""))
}
