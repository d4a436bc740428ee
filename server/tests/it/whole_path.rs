//! One number all the way: counters, MQTT, DuckDB, PUBACK, page and API.

use std::time::Duration;

use komandorr_wire::{AgentSeq, Sample, encode_one};
use serde_json::Value;

use crate::support::Server;

fn numbered(seq: u64, up: u64) -> Sample {
    Sample {
        up,
        down: 2 * up,
        interval_ms: 1000,
        agent: Some(AgentSeq { agent: "test".into(), seq: Some(seq) }),
        ..Sample::default()
    }
}

fn service<'a>(current: &'a Value, id: &str) -> Option<&'a Value> {
    current["services"].as_array()?.iter().find(|service| service["service"] == id)
}

#[tokio::test]
async fn the_demo_shows_this_machine_and_simulated_services() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Server::demo(folder.path(), "8").await?;
    // The second reading of each agent makes its first sample.
    let current = server.until("/api/traffic/current", |current| {
        let services = current["services"].as_array()?;
        let all = services.len() == 9 && services.iter().all(|s| s["state"] != "new");
        all.then(|| current.clone())
    });
    let current = current.await?;
    let web = service(&current, "sim-web-1").expect("one of the simulated ones");
    assert!(web["up_bytes_per_second"].as_u64() > Some(0), "{web}");
    assert_eq!(web["capacity_bytes_per_second"], 125_000_000);
    let page = reqwest::get(&server.http).await?.text().await?;
    assert!(page.contains("web 1") && page.contains("<svg"), "a ring card without any script");
    assert_eq!(server.get("/readyz").await?["status"], "ready");
    server.signal("TERM")?;
    assert_eq!(server.ended().await?.code(), Some(0));
    Ok(())
}

#[tokio::test]
async fn a_published_sample_is_acknowledged_live_and_in_the_history() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::serve(folder.path()).await?;
    server.publish("web-1", encode_one(&numbered(1, 5000))).await?;
    // Acknowledged is stored, and stored is shown: no waiting from here on.
    let current = server.get("/api/traffic/current?service=web-1").await?;
    let web = service(&current, "web-1").expect("registered by its first sample");
    assert_eq!(web["up_bytes_per_second"], 5000);
    assert_eq!(web["down_bytes_total"], 10_000);
    let history = server.get("/api/traffic/history?hours=1&service=web-1").await?;
    let points = history["series"][0]["points"].as_array().expect("a series");
    assert_eq!(points.iter().filter_map(|point| point["up_bytes"].as_u64()).sum::<u64>(), 5000);
    Ok(())
}

#[tokio::test]
async fn an_undecodable_payload_is_acknowledged_and_counted() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::serve(folder.path()).await?;
    server.publish("web-1", b"{\"up\": 1}".to_vec()).await?;
    server.publish("web-1", encode_one(&numbered(1, 1))).await?;
    let page = reqwest::get(format!("{}/status", server.http)).await?.text().await?;
    assert!(page.contains("neither a sample"), "the reason stands on the status page");
    let current = server.get("/api/traffic/current").await?;
    assert_eq!(current["services"].as_array().map(Vec::len), Some(1));
    let figures = reqwest::get(format!("{}/metrics", server.http)).await?.text().await?;
    for line in [
        "komandorr_payloads_refused_total{reason=\"not_a_sample\"} 1",
        "komandorr_mqtt_publishes_total 2",
        "komandorr_mqtt_puback_seconds_count 2",
        "komandorr_mqtt_connections_opened_total{door=\"tcp\",version=\"3.1.1\"} 2",
    ] {
        assert!(figures.lines().any(|known| known == line), "{line} is not in {figures}");
    }
    Ok(())
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9_and_counts_once() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    for life in 0..3_u64 {
        let mut server = Server::serve(folder.path()).await?;
        // Everything again that was sent in the lives before, and one more.
        for seq in 1..=10 * (life + 1) {
            server.publish("web-1", encode_one(&numbered(seq, 1000 + seq))).await?;
        }
        server.signal("KILL")?;
        server.ended().await?;
    }
    let server = Server::serve(folder.path()).await?;
    let current = server.get("/api/traffic/current").await?;
    let web = service(&current, "web-1").expect("remembered");
    assert_eq!(web["up_bytes_total"].as_u64(), Some((1..=30).map(|seq| 1000 + seq).sum()));
    Ok(())
}

#[tokio::test]
async fn a_stop_in_the_middle_stores_what_it_acknowledges() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Server::serve(folder.path()).await?;
    let mut acknowledged = 0;
    for seq in 1..=50 {
        if seq == 25 {
            server.signal("TERM")?;
        }
        let sent = server.publish("web-1", encode_one(&numbered(seq, 1)));
        match tokio::time::timeout(Duration::from_secs(3), sent).await {
            Ok(Ok(())) => acknowledged = seq,
            _ => break,
        }
    }
    assert_eq!(server.ended().await?.code(), Some(0));
    assert!(acknowledged >= 24);
    let server = Server::serve(folder.path()).await?;
    let current = server.get("/api/traffic/current").await?;
    let stored = service(&current, "web-1").and_then(|web| web["up_bytes_total"].as_u64());
    assert!(stored >= Some(acknowledged), "{stored:?} of {acknowledged}");
    Ok(())
}
