//! Credentials at the door of MQTT, as the API makes and takes them: agents'
//! tokens and readers', in both versions.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use komandorr_wire::{Sample, encode_one};
use reqwest::Method;
use rumqttc::{AsyncClient, MqttOptions, v5};
use serde_json::Value;
use tokio::time::timeout;

use crate::support::{PATIENCE, Server};

const TOPIC: &str = "komandorr/traffic/web-1";

/// A server that trusts nobody, and its operator.
struct Guarded {
    server: Server,
    operator: String,
}

impl Guarded {
    async fn start(folder: &Path) -> anyhow::Result<Self> {
        let server = Server::serve_with(folder, &["access.trust_loopback=false"]).await?;
        let operator = fs::read_to_string(folder.join("komandorr.duckdb.operator-token"))?;
        Ok(Self { server, operator: operator.trim().to_owned() })
    }

    async fn ask(&self, method: Method, path: &str, body: &str) -> anyhow::Result<Value> {
        let request = reqwest::Client::new()
            .request(method, format!("{}{path}", self.server.http))
            .bearer_auth(&self.operator)
            .header("content-type", "application/json");
        let request = if body.is_empty() { request } else { request.body(body.to_owned()) };
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        anyhow::ensure!(status.is_success(), "{path}: {status} {text}");
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    async fn token(&self, path: &str, body: &str) -> anyhow::Result<String> {
        let made = self.ask(Method::POST, path, body).await?;
        Ok(made["token"].as_str().context("no token")?.to_owned())
    }

    /// What becomes of a client that subscribes and publishes: `refused`, or
    /// whether its subscription holds and its publish is acknowledged.
    async fn tries(
        &self,
        version: u8,
        login: (&str, &str),
        filter: &str,
    ) -> anyhow::Result<String> {
        let (user, token) = login;
        let id = format!("{user}-{:x}", rand::random::<u32>());
        let port = self.server.mqtt.1;
        let said = if version == 5 {
            let mut options = v5::MqttOptions::new(id, "127.0.0.1", port);
            options.set_credentials(user, token);
            timeout(PATIENCE, in_5(options, filter)).await
        } else {
            let mut options = MqttOptions::new(id, "127.0.0.1", port);
            options.set_credentials(user, token);
            timeout(PATIENCE, in_311(options, filter)).await
        };
        said.with_context(|| format!("{user} gets no answer"))?
    }
}

fn sample() -> Vec<u8> {
    encode_one(&Sample { up: 1, interval_ms: 1000, ..Sample::default() })
}

async fn in_311(options: MqttOptions, filter: &str) -> anyhow::Result<String> {
    use rumqttc::{ConnectionError, Event, Packet, QoS, SubscribeReasonCode};
    let (client, mut events) = AsyncClient::new(options, 8);
    client.subscribe(filter, QoS::AtLeastOnce).await?;
    let mut said = String::new();
    loop {
        match events.poll().await {
            Err(ConnectionError::ConnectionRefused(_)) => return Ok("refused".to_owned()),
            Ok(Event::Incoming(Packet::SubAck(ack))) => {
                let granted = matches!(ack.return_codes[..], [SubscribeReasonCode::Success(_)]);
                (if granted { "reads" } else { "blind" }).clone_into(&mut said);
                client.publish(TOPIC, QoS::AtLeastOnce, false, sample()).await?;
            }
            Ok(Event::Incoming(Packet::PubAck(_))) => return Ok(said + " writes"),
            Ok(_) => {}
            Err(_) if !said.is_empty() => return Ok(said + " ended"),
            Err(error) => bail!(error),
        }
    }
}

async fn in_5(options: v5::MqttOptions, filter: &str) -> anyhow::Result<String> {
    use v5::{
        ConnectionError, Event, Incoming,
        mqttbytes::{QoS, v5::SubscribeReasonCode},
    };
    let (client, mut events) = v5::AsyncClient::new(options, 8);
    client.subscribe(filter, QoS::AtLeastOnce).await?;
    let mut said = String::new();
    loop {
        match events.poll().await {
            Err(ConnectionError::ConnectionRefused(_)) => return Ok("refused".to_owned()),
            Ok(Event::Incoming(Incoming::SubAck(ack))) => {
                let granted = matches!(ack.return_codes[..], [SubscribeReasonCode::Success(_)]);
                (if granted { "reads" } else { "blind" }).clone_into(&mut said);
                client.publish(TOPIC, QoS::AtLeastOnce, false, sample()).await?;
            }
            Ok(Event::Incoming(Incoming::PubAck(_))) => return Ok(said + " writes"),
            Ok(_) => {}
            Err(_) if !said.is_empty() => return Ok(said + " ended"),
            // Said so in a CONNACK, which is an error of another kind here.
            Err(error) if format!("{error:?}").contains("BadUserNamePassword") => {
                return Ok("refused".to_owned());
            }
            Err(error) => bail!(error),
        }
    }
}

#[tokio::test]
async fn credentials_open_what_they_are_for_in_both_versions() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let it = Guarded::start(folder.path()).await?;
    let agent = it.token("/api/services/", r#"{"id":"web-1","name":"web-1"}"#).await?;
    it.token("/api/services/", r#"{"id":"web-2","name":"web-2"}"#).await?;
    let fleet = it.token("/api/readers/", r#"{"name":"fleet"}"#).await?;
    let one = it.token("/api/readers/", r#"{"name":"one","service":"web-1"}"#).await?;
    for version in [4, 5] {
        for ((user, token), filter, becomes) in [
            (("web-1", &agent), TOPIC, "blind writes"),
            (("fleet", &fleet), "komandorr/#", "reads ended"),
            (("fleet", &fleet), "komandorr/status/+", "reads ended"),
            (("one", &one), TOPIC, "reads ended"),
            (("one", &one), "komandorr/status/web-1", "reads ended"),
            (("one", &one), "komandorr/traffic/+", "blind ended"),
            (("one", &one), "komandorr/traffic/web-2", "blind ended"),
            (("web-2", &agent), TOPIC, "refused"),
            (("web-1", &fleet), TOPIC, "refused"),
        ] {
            let said = it.tries(version, (user, token), filter).await?;
            assert_eq!(said, becomes, "{user} {filter} in version {version}");
        }
    }
    // A reader that is taken back is shut out.
    it.ask(Method::DELETE, "/api/readers/fleet", "").await?;
    assert_eq!(it.tries(5, ("fleet", &fleet), TOPIC).await?, "refused");
    Ok(())
}

#[tokio::test]
async fn a_token_is_replaced_while_the_old_one_goes_on_for_a_time() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let it = Guarded::start(folder.path()).await?;
    let first = it.token("/api/services/", r#"{"id":"web-1","name":"web-1"}"#).await?;
    let rotate = "/api/services/web-1/token";
    let second = it.token(&format!("{rotate}?old_valid_seconds=3600"), "").await?;
    for token in [&first, &second] {
        assert_eq!(it.tries(5, ("web-1", token), TOPIC).await?, "blind writes");
    }
    let third = it.token(rotate, "").await?;
    assert_eq!(it.tries(4, ("web-1", &third), TOPIC).await?, "blind writes");
    for token in [&first, &second] {
        assert_eq!(it.tries(4, ("web-1", token), TOPIC).await?, "refused");
    }
    let error = it.token(&format!("{rotate}?old_valid_seconds=2592001"), "").await.err();
    let error = error.map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("400") && error.contains("old_valid_seconds"), "{error}");
    Ok(())
}
