//! The live streams, as pages follow them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::StreamExt;
use komandorr_collector::registry::ServiceDetails;
use komandorr_web::Config;
use komandorr_wire::ServiceId;
use serde_json::Value;

use crate::{
    browser::Browser,
    raw::without_reading,
    support::{PATIENCE, Stage, sample},
};

/// A stream that is being read, event by event.
struct Events {
    answer: reqwest::Response,
    /// What is not read yet.
    bytes: Vec<u8>,
}

/// One event.
#[derive(Debug)]
struct Event {
    name: String,
    id: String,
    data: String,
}

impl Events {
    /// Follows the dashboard's rows; `known` is the last event's id.
    async fn of_dashboard(stage: &Stage, rows: &str, known: &str) -> Result<Self> {
        let path = format!("/api/traffic/stream?view=dashboard&rows={rows}");
        let request = reqwest::Client::new().get(stage.url(&path));
        let request =
            if known.is_empty() { request } else { request.header("last-event-id", known) };
        Ok(Self { answer: request.send().await?, bytes: Vec::new() })
    }

    async fn next(&mut self) -> Result<Event> {
        loop {
            if let Some(end) = self.bytes.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = self.bytes.drain(..end + 2).collect();
                let event = String::from_utf8(event)?;
                let field = |name: &str| {
                    let value = event.lines().find_map(|line| line.strip_prefix(name));
                    value.unwrap_or_default().trim_start().to_owned()
                };
                return Ok(Event { name: field("event:"), id: field("id:"), data: field("data:") });
            }
            let chunk = tokio::time::timeout(PATIENCE, self.answer.chunk()).await??;
            self.bytes.extend_from_slice(&chunk.context("the stream ended")?);
        }
    }

    /// The next event that changes a part of the page, and which parts.
    async fn parts(&mut self) -> Result<(Event, Vec<String>)> {
        loop {
            let event = self.next().await?;
            if event.name != "page" {
                continue;
            }
            let data: Value = serde_json::from_str(&event.data)?;
            let parts = data["parts"].as_object().cloned().unwrap_or_default();
            if !parts.is_empty() {
                return Ok((event, parts.into_iter().map(|(id, _)| id).collect()));
            }
        }
    }
}

/// How many streams the server has open.
const STREAMS: &str = "komandorr_live_streams";

/// A figure that the server has of itself.
async fn figure(stage: &Stage, name: &str) -> Result<u32> {
    let metrics = reqwest::get(stage.url("/metrics")).await?.text().await?;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(line.context("the figure")?.parse()?)
}

pub(crate) async fn until_figure(
    stage: &Stage,
    name: &str,
    wanted: impl Fn(u32) -> bool,
) -> Result<()> {
    let begun = Instant::now();
    let mut again = tokio::time::interval(Duration::from_millis(50));
    loop {
        let found = figure(stage, name).await?;
        if wanted(found) {
            return Ok(());
        }
        anyhow::ensure!(begun.elapsed() < 3 * PATIENCE, "{name} was {found} to the end");
        again.tick().await;
    }
}

/// Waits until the server has so many streams open.
pub(crate) async fn until_followers(stage: &Stage, wanted: u32) -> Result<()> {
    until_figure(stage, STREAMS, |found| found == wanted).await
}

#[tokio::test]
async fn a_page_has_one_stream_and_leaves_none_behind() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &[sample(1_000_000, 0, 5)]).await?;
    let browser = Browser::open().await?;
    for path in ["/", "/services/web-1", "/analytics", "/status"] {
        browser.goto(&stage.url(path)).await?;
        browser.until_live().await?;
        until_followers(&stage, 1).await?;
    }
    browser.close().await?;
    until_followers(&stage, 0).await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_stream_tells_only_what_changed_and_goes_on_where_it_was() -> Result<()> {
    let stage = Stage::open().await?;
    for service in ["web-1", "web-2", "web-3"] {
        stage.publish(service, &[sample(1_000_000, 0, 5)]).await?;
    }
    let mut events = Events::of_dashboard(&stage, "web-1,web-2", "").await?;
    let (_, all) = events.parts().await?;
    for part in ["row-web-1", "row-web-2", "cards", "sum"] {
        assert!(all.iter().any(|id| id == part), "{all:?}");
    }
    assert!(!all.iter().any(|id| id == "row-web-3"), "nobody looks at it: {all:?}");
    stage.publish("web-1", &[sample(1_100_000, 0, 5)]).await?;
    let (event, changed) = events.parts().await?;
    assert!(changed.iter().any(|id| id == "row-web-1"), "{changed:?}");
    assert!(!changed.iter().any(|id| id == "row-web-2"), "{changed:?}");
    drop(events);
    // What happens meanwhile comes first, and nothing else.
    stage.publish("web-2", &[sample(1_200_000, 0, 5)]).await?;
    let mut events = Events::of_dashboard(&stage, "web-1,web-2", &event.id).await?;
    let (_, missed) = events.parts().await?;
    assert!(missed.iter().any(|id| id == "row-web-2"), "{missed:?}");
    assert!(!missed.iter().any(|id| id == "row-web-1" || id == "cards"), "{missed:?}");
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_stream_speaks_at_most_once_a_second_however_much_happens() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &[sample(1_000_000, 0, 5)]).await?;
    let mut events = Events::of_dashboard(&stage, "web-1", "").await?;
    let (begun, mut count) = (Instant::now(), 0u32);
    let mut speed = 1_000_000;
    let publish = async {
        let mut often = tokio::time::interval(Duration::from_millis(20));
        loop {
            often.tick().await;
            speed += 1000;
            if let Err(error) = stage.publish("web-1", &[sample(speed, 0, 5)]).await {
                return error;
            }
        }
    };
    let read = async {
        while count < 4 {
            events.parts().await?;
            count += 1;
        }
        Ok::<_, anyhow::Error>(())
    };
    tokio::select! {
        read = read => read?,
        failed = publish => return Err(failed),
    }
    // The first comes at once, the fourth three seconds later at the earliest.
    assert!(begun.elapsed() >= Duration::from_millis(2900), "{:?}", begun.elapsed());
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn what_the_page_says_of_interfaces_stays_where_there_are_none() -> Result<()> {
    let stage = Stage::open().await?;
    let view = "/api/traffic/stream?view=service&service=web-1";
    stage.publish("web-1", &[sample(1000, 0, 5)]).await?;
    let answer = reqwest::get(stage.url(view)).await?;
    let mut events = Events { answer, bytes: Vec::new() };
    let parts = events.parts().await?.1;
    assert!(parts.iter().any(|part| part == "card-web-1"), "{parts:?}");
    assert!(!parts.iter().any(|part| part == "interfaces"), "{parts:?}");
    let interface = komandorr_wire::Interface {
        name: "eth0".into(),
        role: "physical".into(),
        up: 3000,
        down: 0,
        up_total: None,
        down_total: None,
        counted: true,
    };
    let with = komandorr_wire::Sample { interfaces: vec![interface], ..sample(3000, 0, 5) };
    stage.publish("web-1", &[with]).await?;
    let parts = events.parts().await?.1;
    assert!(parts.iter().any(|part| part == "interfaces"), "{parts:?}");
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_stream_of_a_service_that_does_nothing_lives_in_a_busy_fleet() -> Result<()> {
    let stage = Stage::open().await?;
    // Of an agent that reports every hour.
    stage.publish("web-1", &[sample(1_000_000, 0, 3600)]).await?;
    let answer = reqwest::get(stage.url("/api/traffic/stream?service=web-1")).await?;
    let mut events = Events { answer, bytes: Vec::new() };
    assert_eq!(events.next().await?.name, "traffic");
    let mut speed = 1_000_000;
    let publish = async {
        let mut often = tokio::time::interval(Duration::from_millis(200));
        loop {
            often.tick().await;
            speed += 1000;
            if let Err(error) = stage.publish("web-2", &[sample(speed, 0, 5)]).await {
                return error;
            }
        }
    };
    tokio::select! {
        next = tokio::time::timeout(PATIENCE, events.next()) => assert_eq!(next??.name, "alive"),
        failed = publish => return Err(failed),
    }
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_dropped_and_nobody_waits_for_it() -> Result<()> {
    let site = Config { slow_client: Duration::from_millis(500), ..Config::default() };
    let stage = Stage::over(tempfile::tempdir()?, "127.0.0.1:0".parse()?, site, |_| ()).await?;
    // Frames of a megabyte: what the system keeps for a socket is soon full.
    for i in 0..1500 {
        let details = ServiceDetails { name: "n".repeat(100), ..ServiceDetails::default() };
        stage
            .registry
            .register(&ServiceId::new(&format!("{}-{i:04}", "s".repeat(59)))?, details)?;
    }
    stage.publish("web-1", &[sample(1_000_000, 0, 5)]).await?;
    let slow = without_reading(&stage, "/api/traffic/stream", &[]).await?;
    let reader = reqwest::get(stage.url("/api/traffic/stream?service=web-1")).await?;
    until_followers(&stage, 2).await?;
    let mut frames = reader.bytes_stream();
    let mut speed = 1_000_000;
    let dropped = async {
        while figure(&stage, STREAMS).await? > 1 {
            speed += 1000;
            stage.publish("web-1", &[sample(speed, 0, 5)]).await?;
            let frame = tokio::time::timeout(PATIENCE, frames.next()).await?;
            anyhow::ensure!(frame.is_some_and(|frame| frame.is_ok()), "the other reader waits");
        }
        Ok::<_, anyhow::Error>(())
    };
    tokio::time::timeout(3 * PATIENCE, dropped).await.context("the slow one stays")??;
    drop(slow);
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn nothing_on_the_page_moves_when_the_live_data_begins() -> Result<()> {
    let stage = Stage::open().await?;
    for (i, service) in ["web-1", "web-2", "web-3"].into_iter().enumerate() {
        stage.publish(service, &[sample(1_000_000 * (i as u64 + 1), 5000, 5)]).await?;
    }
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/")).await?;
    browser
        .run(
            "window.shifts = [];
             new PerformanceObserver((list) => list.getEntries().forEach((entry) => window.shifts.push(
                 entry.value + ': ' + entry.sources.map((s) => s.node?.outerHTML ?? s.node?.data))))
                 .observe({ type: 'layout-shift', buffered: true })",
        )
        .await?;
    browser.until_live().await?;
    stage.publish("web-3", &[sample(3_333_000, 999, 5)]).await?;
    browser.until("document.querySelector('#row-web-3').textContent.includes('3.33')").await?;
    assert_eq!(browser.run("return window.shifts").await?, serde_json::json!([]));
    browser.close().await?;
    stage.close().await?;
    Ok(())
}
