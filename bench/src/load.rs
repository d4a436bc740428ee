//! One run: agents connect, warm up, are measured, stop; then the server is
//! asked what it has.

use std::{
    io::{self, Write as _},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use komandorr_wire::ServiceId;
use tokio::{
    task::JoinSet,
    time::{interval, sleep, timeout},
};

use crate::{
    agents::{self, Agent, Outcome, Plan},
    cli::{Client, Load},
    onlookers,
    place::Dialler,
    process::{Process, Usage},
    read_back,
    register::Api,
    report::{Report, Times, Used, float, grouped},
    tally::Tally,
};

/// All connections have to be made within this time.
const CONNECTED_WITHIN: Duration = Duration::from_mins(2);

/// What was counted while it was measured.
struct Measured {
    time: Duration,
    samples: u64,
    delivered: u64,
    server: Option<(Usage, Usage)>,
    bench: (Usage, Usage),
}

/// Runs it; `false` when the server has not what it acknowledged.
pub(crate) async fn run(load: &Load) -> anyhow::Result<bool> {
    let tally = Arc::new(Tally::new()?);
    let dialler = Dialler::new(load.mqtt.clone(), load.ca.as_deref())?;
    let api = load.site.as_deref().map(|site| Api::new(site, load.token_file.as_deref()));
    let api = api.transpose()?;
    let (agents, services) = agents_of(load, api.as_ref()).await?;
    let before = match &api {
        Some(api) => read_back::counted(api).await?,
        None => 0,
    };
    let begun = Instant::now();
    let mut onlookers = onlookers::start(load, &dialler, api.as_ref(), &services, &tally);
    let plan = Arc::new(Plan::new(load, dialler));
    let mut tasks = agents::start(&plan, &tally, agents);
    connected(load, &tally).await?;
    tally.start();
    let measured = measure(load, &tally).await?;
    tally.stop();
    let outcomes = ended(&mut tasks).await?;
    tally.over.cancel();
    while onlookers.join_next().await.is_some() {}
    let mut report = report(load, &tally, &measured)?;
    if let Some(api) = &api {
        report.comparison = Some(read_back::compare(api, &outcomes, before, begun).await?);
    }
    let holds = report.comparison.as_ref().is_none_or(|comparison| comparison.holds);
    report.write(load.json.as_deref())?;
    Ok(holds)
}

/// Agents and their services, which no other run has.
async fn agents_of(
    load: &Load,
    api: Option<&Api>,
) -> anyhow::Result<(Vec<Agent>, Arc<Vec<ServiceId>>)> {
    let run = format!("{:06x}", rand::random::<u32>() & 0xff_ffff);
    let count = load.services.unwrap_or(load.connections).min(load.connections);
    let mut services = Vec::new();
    for n in 0..count {
        services.push(ServiceId::new(&format!("bench-{run}-{n}"))?);
    }
    let mut credentials = Vec::new();
    if let Some(api) = api.filter(|api| api.has_token()) {
        for service in &services {
            credentials.push(Arc::new(api.register(service).await?));
        }
    }
    let agent = |number: usize| {
        let at = number % services.len();
        Some(Agent {
            number,
            service: services.get(at)?.clone(),
            identity: format!("bench-{run}-agent-{number}"),
            credential: credentials.get(at).cloned(),
        })
    };
    let agents = (0..usize::try_from(load.connections)?).filter_map(agent).collect();
    Ok((agents, Arc::new(services)))
}

/// Waits until every agent is connected.
async fn connected(load: &Load, tally: &Tally) -> anyhow::Result<()> {
    let all = async {
        while tally.connected.load(Relaxed) < load.connections.into() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    if timeout(CONNECTED_WITHIN, all).await.is_err() {
        let made = tally.connected.load(Relaxed);
        let troubles = tally.troubles.lock().map(|t| t.join("; ")).unwrap_or_default();
        bail!("only {made} of {} connections were made: {troubles}", load.connections);
    }
    Ok(())
}

async fn measure(load: &Load, tally: &Tally) -> anyhow::Result<Measured> {
    let watched = async {
        sleep(load.warm_up).await;
        let usage = || load.server_pid.map(|pid| Process::Other(pid).usage()).transpose();
        let (server, bench) = (usage()?, Process::This.usage()?);
        let counted = || (tally.acknowledged.load(Relaxed), tally.delivered.load(Relaxed));
        let (begun, before) = (Instant::now(), counted());
        tally.measure(true);
        sleep(load.duration).await;
        tally.measure(false);
        let (time, after) = (begun.elapsed(), counted());
        anyhow::Ok(Measured {
            time,
            samples: after.0 - before.0,
            delivered: after.1 - before.1,
            server: server.zip(usage()?),
            bench: (bench, Process::This.usage()?),
        })
    };
    tokio::select! {
        measured = watched => measured,
        () = progress(load, tally) => bail!("cannot happen"),
    }
}

/// A line a second, for whoever waits.
async fn progress(load: &Load, tally: &Tally) {
    let mut second = interval(Duration::from_secs(1));
    let (begun, mut last) = (Instant::now(), 0);
    loop {
        second.tick().await;
        let now = tally.acknowledged.load(Relaxed);
        let longest = tally.longest.swap(0, Relaxed);
        let memory = load.server_pid.and_then(|pid| Process::Other(pid).usage().ok());
        let memory = memory.map_or(String::new(), |usage| {
            format!("  server {:.0} MB", float(usage.resident) / 1e6)
        });
        let line = format!(
            "{:5.0} s  {:>9} samples/s  longest {:6.1} ms  {} broken{memory}\n",
            begun.elapsed().as_secs_f64(),
            grouped(float(now - last)),
            float(longest) / 1000.0,
            tally.broken.load(Relaxed),
        );
        last = now;
        // Progress that nobody can see stops nothing.
        drop(io::stderr().write_all(line.as_bytes()));
    }
}

async fn ended(tasks: &mut JoinSet<Outcome>) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        outcomes.push(ended.context("an agent panicked")?);
    }
    Ok(outcomes)
}

fn report(load: &Load, tally: &Tally, measured: &Measured) -> anyhow::Result<Report> {
    let seconds = measured.time.as_secs_f64();
    let rate = float(measured.samples) / seconds;
    let messages = float(measured.samples) / f64::from(load.array);
    let used = |(before, after): (Usage, Usage)| {
        Used::between(&before, &after, measured.time, measured.samples)
    };
    let watched = load.subscribers > 0;
    let wanted = messages * f64::from(load.subscribers);
    Ok(Report {
        what: what(load),
        seconds,
        samples_per_second: rate,
        messages_per_second: messages / seconds,
        puback: Times::of(&tally.pubacks.all()?),
        request: None,
        server: measured.server.map(used),
        bench: Some(used(measured.bench)),
        delivered_per_second: watched.then(|| float(measured.delivered) / seconds),
        delivered_percent: watched.then(|| float(measured.delivered) / wanted.max(1.0) * 100.0),
        freshness: Times::of(&tally.freshness.all()?),
        answer: Times::of(&tally.answers.all()?),
        broken_connections: tally.broken.load(Relaxed),
        churned_connections: tally.churned.load(Relaxed),
        troubles: tally.troubles.lock().map(|t| t.clone()).unwrap_or_default(),
        comparison: None,
    })
}

fn what(load: &Load) -> String {
    let client = match load.client {
        Client::Thin => "thin",
        Client::Rumqttc => "rumqttc",
    };
    let rate = load.rate.map_or("flat out".to_owned(), |rate| format!("{rate}/s"));
    format!(
        "{} {client} clients, {rate}, {} a message, QoS {}, window {}, {}",
        load.connections, load.array, load.qos, load.window, load.mqtt
    )
}
