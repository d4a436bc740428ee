//! Clients that others wrote: mosquitto's and rumqttc.

use std::process::{Output, Stdio};

use anyhow::{Context, Result, bail, ensure};
use komandorr_broker::Config;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::{Duration, timeout},
};

use crate::support::*;

const TOPIC: &str = "komandorr/traffic/web-1";

/// mosquitto's command-line clients are the independent judges of both
/// protocol versions: without them the test fails and says what to install.
fn mosquitto(program: &str, server: &Server, version: &str) -> Command {
    let mut command = Command::new(program);
    command.args(["-h", "127.0.0.1", "-p", &server.address.port().to_string(), "-V", version]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

async fn run(mut command: Command) -> Result<Output> {
    let hint = "is it installed? (Debian: apt-get install mosquitto-clients)";
    let output = timeout(PATIENCE, command.output()).await.context("it does not end")?;
    output
        .with_context(|| format!("cannot run {}: {hint}", command.as_std().get_program().display()))
}

#[tokio::test]
async fn mosquitto_publishes_and_subscribes_on_both_versions() -> Result<()> {
    let mut server = start().await?;
    for version in ["311", "5"] {
        let mut subscriber = mosquitto("mosquitto_sub", &server, version);
        let status = format!("komandorr/status/v{version}");
        subscriber.args(["-t", "komandorr/traffic/+", "-t", &status, "-q", "1", "-v"]);
        let mut subscriber = subscriber
            .spawn()
            .context("mosquitto_sub is needed (Debian: apt-get install mosquitto-clients)")?;
        let out = subscriber.stdout.take().context("stdout")?;
        let mut lines = BufReader::new(out).lines();
        server.until(|m| m.clients.len() == 1).await?;
        // The retained message tells that the subscription is in effect.
        let mut publisher = mosquitto("mosquitto_pub", &server, version);
        publisher.args(["-t", &status, "-q", "1", "-r", "-m", "online"]);
        ensure!(run(publisher).await?.status.success());
        let line = timeout(PATIENCE, lines.next_line()).await??.context("mosquitto_sub ended")?;
        ensure!(line == format!("{status} online"), "{line}");
        for qos in ["0", "1"] {
            let mut publisher = mosquitto("mosquitto_pub", &server, version);
            publisher.args(["-t", "komandorr/traffic/web-1", "-q", qos, "-m", "hello"]);
            ensure!(run(publisher).await?.status.success());
            ensure!(*server.next_stored().await?.payload == *b"hello");
            let line = timeout(PATIENCE, lines.next_line()).await??.context("it ended")?;
            ensure!(line == "komandorr/traffic/web-1 hello", "{line}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn mosquitto_is_told_what_it_may_not() -> Result<()> {
    let server = start_with(Config::default(), GUARDED).await?;
    let mut wrong = mosquitto("mosquitto_pub", &server, "5");
    wrong.args(["-t", "komandorr/traffic/web-1", "-m", "x", "-u", "web-1", "-P", "guess"]);
    let output = run(wrong).await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success() && said.contains("Bad User Name or Password"), "{said}");
    let mut hidden = mosquitto("mosquitto_sub", &server, "311");
    hidden.args(["-t", "komandorr/#", "-u", "one", "-P", "token-of-one", "-C", "1", "-d"]);
    let output = run(hidden).await?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(said.contains("Subscribed (mid: 1): 128"), "{said}");
    Ok(())
}

#[tokio::test]
async fn rumqttc_is_acknowledged_and_comes_back_after_a_takeover() -> Result<()> {
    use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, QoS};
    let mut server = start().await?;
    let options = MqttOptions::new("agent", "127.0.0.1", server.address.port());
    let (client, mut events) = AsyncClient::new(options, 10);
    for n in 1..=200_u16 {
        client.publish(TOPIC, QoS::AtLeastOnce, false, n.to_be_bytes()).await?;
        loop {
            match timeout(PATIENCE, events.poll()).await? {
                Ok(Event::Incoming(Incoming::PubAck(_))) => break,
                Ok(_) => {}
                // No session was kept, so rumqttc forgets what was under way:
                // repeating it is its user's business.
                Err(_) => {
                    let payload = n.to_be_bytes();
                    client.publish(TOPIC, QoS::AtLeastOnce, false, payload).await?;
                }
            }
        }
        while *server.next_stored().await?.payload != n.to_be_bytes() {}
        if n == 100 {
            Raw::connect(server.address, 4, "agent").await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn rumqttc_of_version_5_sees_why_its_publish_ended_the_connection() -> Result<()> {
    use rumqttc::v5::{
        AsyncClient, Event, MqttOptions,
        mqttbytes::{
            QoS,
            v5::{DisconnectReasonCode, Packet},
        },
    };
    let server = start_with(Config::default(), GUARDED).await?;
    let mut options = MqttOptions::new("agent", "127.0.0.1", server.address.port());
    options.set_credentials("web-1", "token-of-web-1");
    options.set_keep_alive(Duration::from_secs(5));
    let (client, mut events) = AsyncClient::new(options, 10);
    client.publish("komandorr/traffic/web-2", QoS::AtLeastOnce, false, "x").await?;
    for _ in 0..20 {
        match timeout(PATIENCE, events.poll()).await? {
            Ok(Event::Incoming(Packet::Disconnect(why))) => {
                ensure!(why.reason_code == DisconnectReasonCode::NotAuthorized);
                return Ok(());
            }
            Ok(_) => {}
            Err(error) => {
                let said = format!("{error:?}");
                ensure!(said.contains("NotAuthorized"), "{said}");
                return Ok(());
            }
        }
    }
    bail!("no reason came")
}
