//! `komandorr-agent check`: tries each step of the way once and says which
//! failed, and what to do.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use komandorr_wire::Sample;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    clock,
    config::Config,
    select::{Choice, Selection},
    source::{Link, Source},
    uplink::{Access, Event, Step, Trouble, Uplink},
};

/// For the server to store the sample.
const STORE: Duration = Duration::from_secs(15);

/// Tries interface, name resolution, connection, credential and one stored
/// sample, and writes a line for each to `out`. The sample is empty and names
/// no agent: it touches no counter and no state.
pub async fn check(
    config: &Config,
    source: &mut dyn Source,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    step(out, "interface", interface(&config.interfaces, source))?;
    let access = Access::for_check(config)?;
    step(out, "name", resolve(config).await)?;
    let (sender, mut events) = mpsc::channel(8);
    let hang_up = CancellationToken::new();
    let mut connection = JoinSet::new();
    connection.spawn(Uplink::new(access, sender).run(hang_up.clone()));
    let checked = converse(config, &mut events, out).await;
    hang_up.cancel();
    while connection.join_next().await.is_some() {}
    checked
}

/// Writes the line of one step, and passes its failure on.
fn step(out: &mut dyn Write, name: &str, result: anyhow::Result<String>) -> anyhow::Result<()> {
    match result {
        Ok(text) => writeln!(out, "{name:<11} ok      {text}").context("cannot write"),
        Err(error) => {
            writeln!(out, "{name:<11} failed")?;
            Err(error)
        }
    }
}

fn interface(selection: &Selection, source: &mut dyn Source) -> anyhow::Result<String> {
    let links = source.links().context("cannot read this machine's network interfaces")?;
    source.read().context("cannot read the interfaces' counters")?;
    let chosen = selection.choose(&links);
    let counted = |(link, choice): (&Link, &Choice)| choice.counted.then(|| link.name.to_string());
    let names: Vec<String> = links.iter().zip(&chosen.choices).filter_map(counted).collect();
    match chosen.warning {
        Some(warning) if names.is_empty() => bail!("{warning}"),
        Some(warning) => Ok(format!("{}; but {warning}", names.join(", "))),
        None => Ok(format!("{} counted", names.join(", "))),
    }
}

async fn resolve(config: &Config) -> anyhow::Result<String> {
    let host = &config.url.host;
    let addresses = tokio::net::lookup_host((&**host, config.url.port)).await;
    let advice = "is the name right, and does this machine's DNS know it?";
    let addresses =
        addresses.with_context(|| format!("cannot find the address of {host}; {advice}"))?;
    let mut names: Vec<String> = addresses.map(|address| address.ip().to_string()).collect();
    names.dedup();
    anyhow::ensure!(!names.is_empty(), "{host} has no address; {advice}");
    Ok(format!("{host} is {}", names.join(", ")))
}

async fn converse(
    config: &Config,
    events: &mut mpsc::Receiver<Event>,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let mut link = match events.recv().await {
        Some(Event::Connected(link)) => link,
        Some(Event::Lost(trouble)) => return refused(&trouble, out),
        _ => bail!("the connection to {} ended", config.url),
    };
    step(out, "connection", Ok(format!("{} answers", config.url)))?;
    let identity = if config.token.is_some() { "accepted" } else { "none given, none asked for" };
    step(out, "credential", Ok(identity.to_owned()))?;
    let began = Instant::now();
    let sent = link.samples(komandorr_wire::encode_one(&empty_sample()).into());
    let stored = tokio::time::timeout(STORE, events.recv()).await;
    link.disconnect();
    let result = match (sent, stored) {
        (Some(id), Ok(Some(Event::Stored(stored)))) if id == stored => {
            Ok(format!("stored in {} ms", began.elapsed().as_millis()))
        }
        (_, Ok(Some(Event::Refused(_)))) => Err(anyhow::anyhow!(
            "the server refuses this agent's samples as invalid: is it older than the agent?"
        )),
        (_, Ok(Some(Event::Lost(trouble)))) => Err(anyhow::anyhow!("{trouble}")),
        (_, Err(_)) => Err(anyhow::anyhow!(
            "the server did not store the sample within {} s: is its disk full? Its log tells",
            STORE.as_secs()
        )),
        _ => Err(anyhow::anyhow!("the connection to {} ended", config.url)),
    };
    step(out, "sample", result)
}

/// Tells the step at which the connection failed.
fn refused(trouble: &Trouble, out: &mut dyn Write) -> anyhow::Result<()> {
    let failure = || Err(anyhow::anyhow!("{trouble}"));
    if trouble.step == Step::Credential {
        step(out, "connection", Ok("the server answers".to_owned()))?;
    }
    match trouble.step {
        Step::Setting | Step::Credential => step(out, "credential", failure()),
        Step::Resolve => step(out, "name", failure()),
        Step::Connect | Step::Tls | Step::WebSocket | Step::Session | Step::Rival => {
            step(out, "connection", failure())
        }
    }
}

fn empty_sample() -> Sample {
    Sample {
        interval_ms: 1,
        // Else the server would take 1 ms for this service's interval.
        gap: true,
        ended_ms: Some(clock::wall_ms()),
        // No agent: a name of its own would be a second agent of the service,
        // of which the server warns. An empty sample may be stored twice.
        agent: None,
        ..Sample::default()
    }
}
