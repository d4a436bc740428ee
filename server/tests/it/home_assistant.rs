//! What Home Assistant reads, from our own broker and from another one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context;
use komandorr_wire::{AgentSeq, Sample, encode_one};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    mosquitto::{Mosquitto, until, until_some},
    support::Server,
};

const ANNOUNCED: &str = "homeassistant/device/komandorr_web-1/config";
const STATE: &str = "komandorr/state/web-1";
const SETTINGS: [&str; 2] = ["home_assistant.enabled=true", "home_assistant.interval=1s"];

/// Keeps the last message of each topic that Home Assistant reads.
struct Home {
    client: AsyncClient,
    last: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    _task: JoinSet<()>,
}

impl Home {
    async fn connect(port: u16) -> anyhow::Result<Self> {
        let id = format!("home-{:x}", rand::random::<u64>());
        let (client, mut events) = AsyncClient::new(MqttOptions::new(id, "127.0.0.1", port), 64);
        for filter in ["homeassistant/#", "komandorr/state/+", "komandorr/status/+"] {
            client.subscribe(filter, QoS::AtLeastOnce).await?;
        }
        let last = Arc::new(Mutex::new(BTreeMap::new()));
        let (seen, mut task) = (Arc::clone(&last), JoinSet::new());
        task.spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        if let Ok(mut seen) = seen.lock() {
                            seen.insert(publish.topic, publish.payload.to_vec());
                        }
                    }
                    Ok(_) => {}
                    // The server is away.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        Ok(Self { client, last, _task: task })
    }

    fn text(&self, topic: &str) -> Option<Vec<u8>> {
        self.last.lock().ok()?.get(topic).cloned()
    }

    fn json(&self, topic: &str) -> Value {
        let text = self.text(topic).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Waits until a topic says what it should.
    async fn hears(&self, topic: &str, so: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let what = format!("{topic} never says it");
        until_some(&what, async || Some(self.json(topic)).filter(|json| so(json))).await
    }

    async fn is_cleared(&self, topic: &str) -> anyhow::Result<()> {
        until("it is not cleared", async || self.text(topic).is_some_and(|text| text == b"")).await
    }
}

fn sample(seq: u64) -> Vec<u8> {
    encode_one(&Sample {
        up: 1_000_000,
        down: 50,
        interval_ms: 1000,
        agent: Some(AgentSeq { agent: "a".into(), seq: Some(seq) }),
        ..Sample::default()
    })
}

async fn change(server: &Server, method: reqwest::Method, body: &str) -> anyhow::Result<()> {
    let url = format!("{}/api/services/web-1", server.http);
    let request = reqwest::Client::new().request(method, url);
    let request = request.header("content-type", "application/json").body(body.to_owned());
    request.send().await?.error_for_status()?;
    Ok(())
}

/// From the first sample to the end of a service, as Home Assistant sees it.
async fn life(
    server: &Server,
    home: &Home,
    publish: impl AsyncFn(Vec<u8>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    publish(sample(1)).await?;
    let device = home.hears(ANNOUNCED, |device| device["device"]["name"] == "web-1").await?;
    assert_eq!(device["components"].as_object().context("no sensors")?.len(), 4);
    assert_eq!(device["state_topic"], STATE);
    let state = home.hears(STATE, |state| state["up_bytes_total"] == 1_000_000).await?;
    assert_eq!(state["up_bytes_per_second"], 1_000_000);
    assert_eq!((&state["down_bytes_total"], &state["state"]), (&50.into(), &"live".into()));
    publish(sample(2)).await?;
    home.hears(STATE, |state| state["up_bytes_total"] == 2_000_000).await?;
    // Samples alone make it available, until an agent says that it is there.
    assert_eq!(device["availability"][0]["topic"], STATE);
    home.client.publish("komandorr/status/web-1", QoS::AtLeastOnce, true, "online").await?;
    let status = |device: &Value| device["availability"][0]["topic"] == "komandorr/status/web-1";
    home.hears(ANNOUNCED, status).await?;
    change(server, reqwest::Method::PATCH, r#"{"name":"The web"}"#).await?;
    let renamed = home.hears(ANNOUNCED, |device| device["device"]["name"] == "The web").await?;
    assert_eq!(renamed["device"]["identifiers"], device["device"]["identifiers"]);
    Ok(())
}

#[tokio::test]
async fn a_service_lives_and_ends_in_home_assistant() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Server::serve_with(folder.path(), &SETTINGS).await?;
    let home = Home::connect(server.mqtt.1).await?;
    life(&server, &home, async |sample| server.publish("web-1", sample).await).await?;
    // A server that was killed says it again, to who comes later too.
    server.signal("KILL")?;
    server.ended().await?;
    let server = Server::serve_with(folder.path(), &SETTINGS).await?;
    let home = Home::connect(server.mqtt.1).await?;
    home.hears(ANNOUNCED, |device| device["device"]["name"] == "The web").await?;
    home.hears(STATE, |state| state["up_bytes_total"] == 2_000_000).await?;
    change(&server, reqwest::Method::DELETE, "").await?;
    home.is_cleared(ANNOUNCED).await?;
    home.is_cleared(STATE).await
}

#[tokio::test]
async fn another_broker_is_told_as_well_and_keeps_it() -> anyhow::Result<()> {
    let (mut broker, folder) = (Mosquitto::start().await?, tempfile::tempdir()?);
    let url = format!("mqtt.broker={}", broker.url());
    let settings = [SETTINGS[0], SETTINGS[1], &url];
    let server = Server::serve_with(folder.path(), &settings).await?;
    let home = Home::connect(broker.port).await?;
    life(&server, &home, async |sample| broker.publish("web-1", sample).await).await?;
    // Removed while the broker is away, it is cleared when that comes back.
    broker.stop()?;
    change(&server, reqwest::Method::DELETE, "").await?;
    broker.again().await?;
    until("it is not cleared", async || {
        let Ok(late) = Home::connect(broker.port).await else { return false };
        // Asked for last, so that it comes after everything else.
        let online = async || late.text("komandorr/status/web-1").is_some();
        until("no status", online).await.is_ok()
            && late.text(ANNOUNCED).is_none()
            && late.text(STATE).is_none()
    })
    .await
}
