//! The server's own notices, which Home Assistant reads: retained, for those
//! who may see everything, and published by nobody else.

use std::{collections::BTreeMap, process::Stdio};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use komandorr_broker::{Config, Refused};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::timeout,
};

use crate::support::*;

const ANNOUNCED: &str = "homeassistant/device/komandorr_web-1/config";
const STATE: &str = "komandorr/state/web-1";
const GREETING: &str = "homeassistant/status";

fn config() -> Config {
    Config { discovery_prefix: Some("homeassistant".to_owned()), ..Config::default() }
}

fn notices(list: &[(&str, &str)]) -> BTreeMap<String, Bytes> {
    let owned =
        |(topic, text): &(&str, &str)| ((*topic).to_owned(), Bytes::from((*text).to_owned()));
    list.iter().map(owned).collect()
}

/// Takes the next message as what it is, acknowledging it.
async fn heard(client: &mut Raw, level: u8) -> Result<(u8, String, String)> {
    let packet = client.packet().await?;
    let (first, topic, payload) = read_publish(level, &packet)?;
    if first & 6 != 0 {
        let [high, low] = delivered_id(&packet)?;
        client.send(&[0x40, 2, high, low]).await?;
    }
    Ok((first, topic, String::from_utf8(payload)?))
}

fn message(first: u8, topic: &str, text: &str) -> (u8, String, String) {
    (first, topic.to_owned(), text.to_owned())
}

#[tokio::test]
async fn who_comes_late_gets_them_and_who_is_there_gets_the_changes() -> Result<()> {
    let server = start_with(config(), TRUSTED).await?;
    let broker = &server.broker;
    for level in [4, 5] {
        broker.set_notices(notices(&[(ANNOUNCED, "device"), (STATE, "1")]));
        let mut client = Raw::connect(server.address, level, "ha").await?;
        client.subscribe(level, "homeassistant/#", 0).await?;
        ensure!(heard(&mut client, level).await? == message(0x31, ANNOUNCED, "device"));
        client.subscribe(level, STATE, 1).await?;
        ensure!(heard(&mut client, level).await? == message(0x33, STATE, "1"));
        client.ping().await?;
        // The same again is no news; what is missing is cleared.
        broker.set_notices(notices(&[(ANNOUNCED, "device"), (STATE, "2")]));
        ensure!(heard(&mut client, level).await? == message(0x32, STATE, "2"));
        broker.set_notices(notices(&[(STATE, "2")]));
        ensure!(heard(&mut client, level).await? == message(0x30, ANNOUNCED, ""));
        client.ping().await?;
        let mut late = Raw::connect(server.address, level, "late").await?;
        late.subscribe(level, "#", 0).await?;
        ensure!(heard(&mut late, level).await? == message(0x31, STATE, "2"));
        late.ping().await?;
    }
    Ok(())
}

#[tokio::test]
async fn thousands_of_them_reach_a_subscriber_of_single_topics() -> Result<()> {
    let server = start_with(config(), TRUSTED).await?;
    let topics: Vec<_> = (0..900).map(|n| format!("komandorr/state/web-{n}")).collect();
    let all = topics.iter().map(|topic| (topic.clone(), Bytes::from(topic.clone())));
    server.broker.set_notices(all.collect());
    let mut client = Raw::connect(server.address, 5, "ha").await?;
    for topic in &topics {
        client.subscribe(5, topic, 0).await?;
        ensure!(heard(&mut client, 5).await? == message(0x31, topic, topic));
    }
    let mut wild = Raw::connect(server.address, 4, "wild").await?;
    wild.subscribe(4, "komandorr/+/+", 1).await?;
    let mut seen = BTreeMap::new();
    while seen.len() < topics.len() {
        let (_, topic, text) = heard(&mut wild, 4).await?;
        seen.insert(topic, text);
    }
    wild.ping().await
}

#[tokio::test]
async fn nobody_else_publishes_them_and_home_assistant_may_greet() -> Result<()> {
    let server = start_with(config(), GUARDED).await?;
    for level in [4, 5] {
        let goodbye = if level == 5 { vec![0xe0, 2, 0x87, 0] } else { vec![] };
        for (user, topic) in [
            ("reader", STATE),
            ("reader", ANNOUNCED),
            ("admin", STATE),
            ("web-1", STATE),
            ("web-1", GREETING),
            ("one", GREETING),
        ] {
            let mut client = Raw::connect_as(server.address, level, "c", user).await?;
            client.send(&publish(level, 3, topic, 1, b"x")).await?;
            ensure!(client.rest().await? == goodbye, "{user} {topic}");
        }
        let mut watcher = Raw::connect_as(server.address, level, "watcher", "admin").await?;
        watcher.subscribe(level, GREETING, 1).await?;
        // As Home Assistant: greeting by its last will and by its first word.
        let login = Some(("reader", "token-of-reader"));
        let mut home = Raw::open(server.address).await?;
        home.send(&connect_with(level, "ha", login, Some((GREETING, b"offline")), 60)).await?;
        ensure!(home.packet().await?[3] == 0);
        home.send(&publish(level, 0, GREETING, 0, b"online")).await?;
        ensure!(heard(&mut watcher, level).await? == message(0x30, GREETING, "online"));
        home.send(&publish(level, 3, GREETING, 7, b"online")).await?;
        home.expect(&[0x40, 2, 0, 7]).await?;
        ensure!(heard(&mut watcher, level).await? == message(0x32, GREETING, "online"));
        drop(home);
        ensure!(heard(&mut watcher, level).await? == message(0x32, GREETING, "offline"));
        // It is passed on and not kept.
        let mut late = Raw::connect_as(server.address, level, "late", "reader").await?;
        late.subscribe(level, GREETING, 1).await?;
        late.ping().await?;
    }
    ensure!(server.broker.metrics().refused(Refused::Publish) == 12);
    Ok(())
}

#[tokio::test]
async fn without_notices_their_topics_do_not_exist() -> Result<()> {
    let server = start().await?;
    let mut client = Raw::connect(server.address, 5, "c").await?;
    for filter in ["homeassistant/#", "komandorr/state/+"] {
        client.send(&subscribe(5, 3, filter, 0)).await?;
        client.expect(&[0x90, 4, 0, 3, 0, 0x87]).await?;
    }
    client.send(&publish(5, 2, GREETING, 1, b"online")).await?;
    ensure!(client.rest().await? == [0xe0, 2, 0x87, 0]);
    Ok(())
}

#[tokio::test]
async fn mosquitto_reads_them_on_both_versions() -> Result<()> {
    let server = start_with(config(), GUARDED).await?;
    server.broker.set_notices(notices(&[(ANNOUNCED, "device"), (STATE, "1")]));
    let port = server.address.port().to_string();
    for version in ["311", "5"] {
        let mut command = Command::new("mosquitto_sub");
        command.args(["-h", "127.0.0.1", "-p", &port, "-V", version, "-q", "1"]);
        command.args(["-u", "reader", "-P", "token-of-reader", "-F", "%r %t %p", "-C", "2"]);
        command.args(["-t", "homeassistant/+/+/config", "-t", "komandorr/state/+"]);
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("stdout")?).lines();
        for line in [format!("1 {ANNOUNCED} device"), format!("1 {STATE} 1")] {
            let said = timeout(PATIENCE, lines.next_line()).await??.context("it ended")?;
            ensure!(said == line, "{said}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn rumqttc_reads_them_on_both_versions() -> Result<()> {
    use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS, v5};
    let server = start_with(config(), TRUSTED).await?;
    server.broker.set_notices(notices(&[(STATE, "1")]));
    let port = server.address.port();
    let (client, mut events) = AsyncClient::new(MqttOptions::new("a", "127.0.0.1", port), 8);
    client.subscribe("komandorr/state/+", QoS::AtLeastOnce).await?;
    loop {
        if let Event::Incoming(Packet::Publish(p)) = timeout(PATIENCE, events.poll()).await?? {
            ensure!(p.topic == STATE && *p.payload == *b"1" && p.retain);
            break;
        }
    }
    let options = v5::MqttOptions::new("b", "127.0.0.1", port);
    let (client, mut events) = v5::AsyncClient::new(options, 8);
    client.subscribe("komandorr/state/+", v5::mqttbytes::QoS::AtLeastOnce).await?;
    for _ in 0..50 {
        let event = timeout(PATIENCE, events.poll()).await??;
        if let v5::Event::Incoming(v5::Incoming::Publish(p)) = event {
            ensure!(*p.topic == *STATE.as_bytes() && *p.payload == *b"1" && p.retain);
            return Ok(());
        }
    }
    bail!("no notice came")
}

/// Home Assistant's own broker, bridged to ours as docs/home-assistant.md says.
#[tokio::test]
async fn a_bridge_of_mosquitto_hands_them_on_and_keeps_them() -> Result<()> {
    let server = start_with(config(), GUARDED).await?;
    server.broker.set_notices(notices(&[(ANNOUNCED, "device"), (STATE, "1")]));
    let folder = tempfile::tempdir()?;
    let text = include_str!("../../../docs/home-assistant.md");
    let bridge = text.split("```conf\n").nth(1).and_then(|rest| rest.split("```").next());
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let bridge = bridge
        .context("no bridge in the document")?
        .replace("komandorr.example:1883", &server.address.to_string())
        .replace("home-assistant", "reader")
        .replace("THE_TOKEN", "token-of-reader");
    let whole = format!("listener {port} 127.0.0.1\nallow_anonymous true\n{bridge}");
    let file = folder.path().join("mosquitto.conf");
    std::fs::write(&file, whole)?;
    let mut mosquitto = Command::new("sh");
    mosquitto.args(["-c", "PATH=$PATH:/usr/sbin exec mosquitto -c \"$0\""]).arg(&file);
    let _mosquitto = mosquitto.stderr(Stdio::null()).kill_on_drop(true).spawn()?;
    server.until(|m| m.clients.len() == 1).await?;
    let port = port.to_string();
    let read = async |topic: &str, text: &str| -> Result<()> {
        loop {
            // A client of its own each time: what is retained there is what it gets.
            let mut sub = Command::new("mosquitto_sub");
            sub.args(["-h", "127.0.0.1", "-p", &port, "-t", topic, "-C", "1", "-W", "1"]);
            let said = sub.args(["-F", "%r %p"]).output().await?;
            if said.stdout.trim_ascii() == format!("1 {text}").as_bytes() {
                return Ok(());
            }
        }
    };
    timeout(PATIENCE * 2, read(ANNOUNCED, "device")).await.context("not announced there")??;
    timeout(PATIENCE * 2, read(STATE, "1")).await.context("no state there")??;
    server.broker.set_notices(notices(&[(ANNOUNCED, "device"), (STATE, "2")]));
    timeout(PATIENCE * 2, read(STATE, "2")).await.context("a change is not kept there")??;
    Ok(())
}
