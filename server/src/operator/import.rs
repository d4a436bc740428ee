//! `komandorr import`: history of the original, or of vnStat, into the running
//! server. Repeating it adds what has come since; nothing is doubled.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use http::{Method, StatusCode};
use jiff::{Timestamp, tz::TimeZone};
use komandorr_import::{
    Bytes, History, ImportError, Last, OriginalService, batches, read_agent_states, read_original,
    read_vnstat, samples,
};
use komandorr_wire::{Origin, ServiceId, encode};
use serde_json::{Value, json};

use super::{
    Say,
    client::{Client, segment},
    note,
    table::Table,
};
use crate::settings::Settings;

/// The kinds of services that there are; another becomes a server.
const KINDS: [&str; 5] = ["app", "website", "panel", "project", "server"];
/// Longest text of a service's field, in characters.
const LONGEST: usize = 500;

/// What to import.
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// The database of the original Komandorr, komandorr.db.
    #[arg(value_name = "FILE", required_unless_present = "vnstat")]
    database: Option<PathBuf>,
    /// Folder with the state files of the original's agents, for what they
    /// counted after the database.
    #[arg(long, value_name = "DIR", conflicts_with = "vnstat")]
    agent_state: Option<PathBuf>,
    /// What `vnstat --json` printed, in a file; -: on standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "database", requires = "service")]
    vnstat: Option<PathBuf>,
    /// The service that vnStat's history belongs to; registered if need be.
    #[arg(long, value_name = "ID", requires = "vnstat")]
    service: Option<ServiceId>,
    /// Which of vnStat's interfaces; needed where it has more than one.
    #[arg(long, value_name = "NAME", requires = "vnstat")]
    interface: Option<String>,
    /// Time zone of the host that the files come from; without it the server's.
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
}

/// The history of one service, and what the service is called where it is new.
struct Found {
    id: ServiceId,
    source: String,
    history: History,
    body: Value,
}

const COLUMNS: Table = Table(&[
    ("SERVICE", "service"),
    ("SOURCE", "source"),
    ("REGISTERED", "registered"),
    ("SAMPLES", "samples"),
    ("FROM", "from"),
    ("UNTIL", "until"),
    ("SENT", "up"),
    ("RECEIVED", "down"),
    ("TOTAL_SENT", "total_up"),
    ("TOTAL_RECEIVED", "total_down"),
]);

impl Import {
    /// Reads everything before anything is sent, so that a damaged file
    /// changes nothing.
    pub(super) async fn run(
        &self,
        client: &Client,
        settings: &Settings,
        say: Say,
    ) -> anyhow::Result<()> {
        let zone = match self.zone.as_deref() {
            None => settings.zone()?,
            Some(name) => TimeZone::get(name).with_context(|| {
                format!("--zone {name} is no time zone: write one such as Europe/Berlin")
            })?,
        };
        let (found, mut left) = match (&self.database, &self.vnstat) {
            (Some(database), _) => self.original(database, &zone)?,
            (None, Some(file)) => (vec![self.of_vnstat(file, &zone)?], Vec::new()),
            (None, None) => bail!("name the original's database, or --vnstat FILE"),
        };
        let kept = Timestamp::now().checked_sub(settings.storage.hours_kept());
        let kept_ms = kept.unwrap_or(Timestamp::MIN).as_millisecond();
        let mut rows = Vec::new();
        for found in found {
            let id = found.id.clone();
            let (row, skipped) = bring(client, found, kept_ms)
                .await
                .with_context(|| format!("importing {id}; repeat the command to go on"))?;
            rows.push(row);
            left.extend(skipped);
        }
        if say.as_json {
            return super::print(&format!("{}\n", json!({"taken": rows, "not_taken": left})));
        }
        super::print(&COLUMNS.of(&rows))?;
        for line in left {
            note(&format!("not taken: {line}"));
        }
        Ok(())
    }

    fn original(
        &self,
        database: &Path,
        zone: &TimeZone,
    ) -> anyhow::Result<(Vec<Found>, Vec<String>)> {
        let original = read_original(database)?;
        let folder = self.agent_state.as_deref();
        let mut states = folder.map(|folder| read_agent_states(folder, zone)).transpose()?;
        let now_ms = Timestamp::now().as_millisecond();
        let mut state = |id: &str| states.as_mut().and_then(|states| states.remove(id));
        let found = original.services.iter().map(|service| Found {
            id: service.id.clone(),
            source: Origin::ORIGINAL.to_owned(),
            history: service.history(state(service.id.as_str()), now_ms),
            body: body_of(service),
        });
        let found = found.collect();
        let unusable = original.unusable.iter();
        let mut left: Vec<String> = unusable
            .map(|id| format!("service {id:?}: no service here can have that id"))
            .collect();
        let unknown = states.iter().flat_map(|states| states.keys());
        left.extend(unknown.map(|id| format!("the agent's state of {id}: not in the database")));
        Ok((found, left))
    }

    fn of_vnstat(&self, file: &Path, zone: &TimeZone) -> anyhow::Result<Found> {
        let text = if file == Path::new("-") {
            let mut text = Vec::new();
            io::stdin().read_to_end(&mut text).context("cannot read standard input")?;
            text
        } else {
            fs::read(file).map_err(|error| ImportError::Unreadable {
                place: file.display().to_string(),
                reason: error.to_string(),
            })?
        };
        let mut found = read_vnstat(&text, &file.display().to_string(), zone)?;
        let names: Vec<String> = found.iter().map(|(name, _)| name.clone()).collect();
        if let Some(wanted) = &self.interface {
            found.retain(|(name, _)| name == wanted);
        }
        let id = self.service.clone().context("name the service with --service ID")?;
        match <[_; 1]>::try_from(found) {
            Ok([(name, history)]) => {
                let source = format!("vnstat/{name}");
                Ok(Found { body: json!({"id": id}), id, source, history })
            }
            Err(_) => bail!(
                "{} has the interfaces {}: choose one with --interface NAME",
                file.display(),
                names.join(", ")
            ),
        }
    }
}

/// The service as it is registered where it is not yet.
fn body_of(service: &OriginalService) -> Value {
    let clean =
        |text: &str| -> String { text.chars().filter(|c| !c.is_control()).take(LONGEST).collect() };
    let maybe = |text: &Option<String>| text.as_deref().map(clean);
    let kind = Some(service.kind.as_str()).filter(|kind| KINDS.contains(kind));
    json!({
        "id": service.id,
        "name": clean(&service.name),
        "url": clean(&service.url),
        "type": kind.unwrap_or("server"),
        "group": maybe(&service.group),
        "description": maybe(&service.description),
        "icon": maybe(&service.icon),
    })
}

/// Registers a service where need be, and sends what is new of its history.
async fn bring(
    client: &Client,
    found: Found,
    kept_ms: i64,
) -> anyhow::Result<(Value, Vec<String>)> {
    let id = found.id;
    let (status, _) = client.ask(Method::GET, &format!("/api/services/{id}")).await?;
    let registered = status == StatusCode::NOT_FOUND;
    if registered {
        client.change(Method::POST, "/api/services/", &found.body).await?;
    }
    let source = segment(&found.source);
    let path = format!("/api/import/progress?service={id}&source={source}");
    let progress = client.get(&path).await?;
    let mut history =
        found.history.after(kept_ms, "older than storage.keep_hours; part of the total alone");
    let now_ms = Timestamp::now().as_millisecond();
    history = history.before(now_ms, "in the future by this machine's clock");
    if let Some(own) = time(&progress, "/own_since") {
        let reason = format!("after {own}, from when the service reports by itself");
        history = history.before(own.as_millisecond(), &reason);
    }
    let identity = progress.pointer("/agent").and_then(Value::as_str);
    let identity = identity.context("the server's answer names no \"agent\"")?;
    let new = samples(&history, identity, last(&progress)?);
    for batch in batches(&new) {
        let path = format!("/api/import/samples?service={id}");
        client.hand_over(&path, encode(batch).into()).await?;
    }
    let sum = new
        .iter()
        .fold(Bytes::default(), |sum, sample| sum.plus(Bytes { up: sample.up, down: sample.down }));
    let begin = new.first().and_then(|sample| {
        let length = i64::try_from(sample.interval_ms).ok()?;
        Timestamp::from_millisecond(sample.ended_ms? - length).ok()
    });
    let end = new.last().and_then(|sample| Timestamp::from_millisecond(sample.ended_ms?).ok());
    let row = json!({
        "service": id, "source": found.source, "registered": if registered { "now" } else { "before" },
        "samples": new.len(), "from": begin, "until": end,
        "up": volume(sum.up), "down": volume(sum.down), "up_bytes": sum.up, "down_bytes": sum.down,
        "total_up": volume(history.total.up), "total_down": volume(history.total.down),
    });
    let skipped = history.skipped.iter().map(|skipped| {
        let Bytes { up, down } = skipped.bytes;
        format!("{id}: {} ({} sent, {} received)", skipped.reason, volume(up), volume(down))
    });
    Ok((row, skipped.collect()))
}

/// Where the import stands by the server's word.
fn last(progress: &Value) -> anyhow::Result<Option<Last>> {
    let number = |key: &str| progress.pointer(key).and_then(Value::as_u64);
    let Some(seq) = number("/last/seq") else { return Ok(None) };
    let ended = time(progress, "/last/ended_at").context("the server's answer has no end")?;
    let total = Bytes {
        up: number("/last/up_bytes_total").unwrap_or_default(),
        down: number("/last/down_bytes_total").unwrap_or_default(),
    };
    Ok(Some(Last { seq, ended_ms: ended.as_millisecond(), total }))
}

fn time(value: &Value, key: &str) -> Option<Timestamp> {
    value.pointer(key)?.as_str()?.parse().ok()
}

/// A volume for people.
#[allow(clippy::cast_precision_loss, reason = "two decimals are shown")]
fn volume(bytes: u64) -> String {
    format!("{:.2} GB", bytes as f64 / 1e9)
}
