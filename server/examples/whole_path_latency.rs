//! How fast a number gets through a running server: from PUBLISH to PUBACK,
//! and from PUBLISH to the event stream that pages listen to.
//!
//! `cargo run --example whole_path_latency -- http://127.0.0.1:3000 127.0.0.1 1883 50`
//! (site, broker, port, samples). Samples are 1.1 to 1.6 s apart, since the
//! stream gives at most one event a second.
#![allow(clippy::print_stdout, reason = "figures for a person at a terminal")]

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use komandorr_wire::{Sample, encode_one};
use reqwest::Response;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};

const SERVICE: &str = "latency-probe";

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [site, host, port, count] = arguments.as_slice() else {
        anyhow::bail!("give site, broker, port and number of samples");
    };
    let options = MqttOptions::new("latency-probe", host.clone(), port.parse()?);
    let (client, mut events) = AsyncClient::new(options, 10);
    let mut stream = reqwest::get(format!("{site}/api/traffic/stream")).await?;
    let (mut acknowledged, mut visible) = (Vec::new(), Vec::new());
    for number in 0..count.parse::<u64>()? {
        tokio::time::sleep(Duration::from_millis(1100 + 500 * (number % 7) / 7)).await;
        // A number that nothing else on the stream can be.
        let up = 1_000_003 + number;
        let sample = Sample { up, interval_ms: 1000, ..Sample::default() };
        let topic = format!("komandorr/traffic/{SERVICE}");
        let begun = Instant::now();
        client.publish(topic, QoS::AtLeastOnce, false, encode_one(&sample)).await?;
        puback(&mut events).await?;
        acknowledged.push(begun.elapsed());
        seen(&mut stream, &format!("\"up_bytes_per_second\":{up},")).await?;
        visible.push(begun.elapsed());
    }
    report("PUBLISH to PUBACK", acknowledged);
    report("PUBLISH to event stream", visible);
    Ok(())
}

async fn puback(events: &mut EventLoop) -> Result<()> {
    while !matches!(events.poll().await?, Event::Incoming(Packet::PubAck(_))) {}
    Ok(())
}

async fn seen(stream: &mut Response, needle: &str) -> Result<()> {
    let mut text = String::new();
    while !text.contains(needle) {
        let chunk = stream.chunk().await?.context("the stream ended")?;
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    Ok(())
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    println!("{what}: median {:?}, p95 {:?}, longest {:?}", at(50), at(95), at(100).max(at(99)));
}
