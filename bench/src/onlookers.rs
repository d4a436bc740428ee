//! Whoever looks on while agents publish: MQTT subscribers, event streams,
//! open dashboards, readers of the API.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use bytes::{Buf, BytesMut};
use komandorr_wire::{ServiceId, topic};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::sleep,
};

use crate::{
    cli::Load,
    events::{Events, newest_ms},
    packets,
    place::Dialler,
    register::Api,
    tally::{Tally, unix_ms},
};

/// Pause between two questions of a reader, and before a broken one is
/// repeated.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts them; they end when the run is over.
pub(crate) fn start(
    load: &Load,
    dialler: &Dialler,
    api: Option<&Api>,
    services: &Arc<Vec<ServiceId>>,
    tally: &Arc<Tally>,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for n in 0..load.subscribers {
        let (dialler, tally) = (dialler.clone(), Arc::clone(tally));
        tasks.spawn(async move {
            let work = async {
                let error = subscriber(&dialler, &tally, n).await.err();
                tally.trouble(format!("a subscriber ended: {error:?}"));
            };
            tally.over.run_until_cancelled(work).await;
        });
    }
    let Some(api) = api else { return tasks };
    // Readers name services, which are known from their first sample on.
    let kinds = [
        (load.streams, Kind::Stream, Duration::ZERO),
        (load.dashboards, Kind::Dashboard, Duration::ZERO),
        (load.readers, Kind::Reader, load.warm_up),
    ];
    for (count, kind, wait) in kinds {
        for n in 0..count {
            let (api, tally) = (api.clone(), Arc::clone(tally));
            let services = Arc::clone(services);
            tasks.spawn(async move {
                let work = async {
                    tally.begin.cancelled().await;
                    sleep(wait).await;
                    look_on(kind, &api, &services, &tally, n.into()).await;
                };
                tally.over.run_until_cancelled(work).await;
            });
        }
    }
    tasks
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Stream,
    Dashboard,
    Reader,
}

/// Looks on for ever; what breaks is noted and begun again.
async fn look_on(kind: Kind, api: &Api, services: &[ServiceId], tally: &Tally, n: usize) {
    // Spread over a second, so that their events are too.
    sleep(Duration::from_millis((n as u64 * 617) % 1000)).await;
    loop {
        let ended = match kind {
            Kind::Stream => stream(api, "/api/traffic/stream", tally, n).await,
            Kind::Dashboard => dashboard(api, services, tally, n).await,
            Kind::Reader => reader(api, services, tally, n).await,
        };
        if let Err(error) = ended {
            tally.broken.fetch_add(1, Relaxed);
            tally.trouble(format!("{kind:?}: {error:#}"));
        }
        sleep(PAUSE).await;
    }
}

/// Counts what it gets and acknowledges it.
async fn subscriber(dialler: &Dialler, tally: &Tally, n: u16) -> anyhow::Result<()> {
    let mut io = dialler.dial().await?;
    let id = format!("komandorr-bench-subscriber-{n}-{:08x}", rand::random::<u32>());
    io.write_all(&packets::connect(&id, None, 0)).await?;
    io.write_all(&packets::subscribe(topic::ALL_TRAFFIC)).await?;
    io.flush().await?;
    let mut input = BytesMut::with_capacity(256 * 1024);
    let mut acknowledgements = Vec::new();
    loop {
        ensure!(io.read_buf(&mut input).await? > 0, "the broker closes the connection");
        let mut messages = 0;
        while let Some((kind, body, len)) = packets::first(&input) {
            if kind >> 4 == 3 {
                messages += 1;
                if kind & 6 == 2 {
                    acknowledgements.extend_from_slice(&[0x40, 2]);
                    let topic = usize::from(u16::from_be_bytes(first_two(body)?));
                    acknowledgements.extend(first_two(body.get(2 + topic..).unwrap_or_default())?);
                }
            }
            ensure!(kind != 0x90 || body.last() < Some(&0x80), "the subscription is refused");
            input.advance(len);
        }
        tally.delivered.fetch_add(messages, Relaxed);
        io.write_all(&acknowledgements).await?;
        io.flush().await?;
        acknowledgements.clear();
        input.reserve(64 * 1024);
    }
}

fn first_two(bytes: &[u8]) -> anyhow::Result<[u8; 2]> {
    bytes.first_chunk().copied().context("a message is cut off")
}

/// Follows a stream of events and measures how old the newest sample in each
/// of them is, by the clock that agents and streams share here.
async fn stream(api: &Api, path: &str, tally: &Tally, n: usize) -> anyhow::Result<()> {
    let mut answer = api.get(path).await?;
    let mut events = Events::default();
    // The first one shows the state as it was found.
    let mut first = true;
    while let Some(chunk) = answer.chunk().await? {
        let now_ms = unix_ms();
        for event in events.take(&chunk) {
            tally.events.fetch_add(1, Relaxed);
            let measured = tally.is_measuring() && !std::mem::take(&mut first);
            if let Some(newest) = newest_ms(&event).filter(|_| measured) {
                let age = u64::try_from(now_ms - newest).unwrap_or_default();
                tally.freshness.record(n, Duration::from_millis(age), 1);
            }
        }
    }
    anyhow::bail!("the stream ended")
}

/// A dashboard as a browser has it open: the page, then the stream of its parts.
async fn dashboard(
    api: &Api,
    services: &[ServiceId],
    tally: &Tally,
    n: usize,
) -> anyhow::Result<()> {
    timed(api, "/", tally, n).await?;
    let rows: Vec<&str> = services.iter().take(50).map(ServiceId::as_str).collect();
    let path = format!("/api/traffic/stream?view=dashboard&rows={}", rows.join(","));
    let mut answer = api.get(&path).await?;
    while answer.chunk().await?.is_some() {
        tally.events.fetch_add(1, Relaxed);
    }
    anyhow::bail!("the stream ended")
}

/// One question of a reader of the API, another one each time.
async fn reader(api: &Api, services: &[ServiceId], tally: &Tally, n: usize) -> anyhow::Result<()> {
    let turn = usize::try_from(tally.requests.load(Relaxed)).unwrap_or_default() + n;
    let service = services.get(turn % services.len().max(1)).map_or("", |id| id.as_str());
    let path = match turn % 5 {
        0 => "/api/traffic/current".to_owned(),
        1 => format!("/api/traffic/history?hours=1&service={service}"),
        2 => format!("/api/traffic/history?hours=24&service={service}"),
        3 => format!("/api/traffic/analytics/weekly?weeks=4&service={service}"),
        _ => "/metrics".to_owned(),
    };
    timed(api, &path, tally, n).await
}

async fn timed(api: &Api, path: &str, tally: &Tally, n: usize) -> anyhow::Result<()> {
    let begun = Instant::now();
    api.get(path).await?.bytes().await?;
    tally.requests.fetch_add(1, Relaxed);
    if tally.is_measuring() {
        tally.answers.record(n, begun.elapsed(), 1);
    }
    Ok(())
}
