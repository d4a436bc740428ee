//! The server as a client of another broker: either side ends under load, and
//! nothing is lost and nothing doubled.

use std::path::Path;

use komandorr_wire::{AgentSeq, Sample, encode_one};
use serde_json::Value;
use tokio::sync::watch;

use crate::{
    certificates::Certificates,
    mosquitto::{self, Mosquitto},
    rabbitmq::RabbitMq,
    support::Server,
};

/// Samples of each service.
const SAMPLES: u64 = 150;
const SERVICES: [&str; 3] = ["web-1", "web-2", "web-3"];

async fn client_of(url: &str, folder: &Path) -> anyhow::Result<Server> {
    Server::serve_with(folder, &[&format!("mqtt.broker={url}")]).await
}

async fn ready(server: &Server) -> anyhow::Result<()> {
    server.until("/readyz", |answer| (answer["status"] == "ready").then_some(())).await
}

/// A sample of a service's agent.
fn numbered(agent: &str, seq: u64) -> Vec<u8> {
    encode_one(&Sample {
        up: 1000 + seq,
        interval_ms: 1000,
        agent: Some(AgentSeq { agent: agent.into(), seq: Some(seq) }),
        ..Sample::default()
    })
}

/// The sum of all that [`load`] publishes of one service.
fn all() -> u64 {
    (1..=SAMPLES).map(|seq| 1000 + seq).sum()
}

/// Publishes every sample of every service at a mosquitto, each until it has
/// it, and tells how many.
async fn load(broker: u16, progress: &watch::Sender<u64>) -> anyhow::Result<()> {
    load_by(progress, async |service, sample| {
        mosquitto::publish(broker, &format!("komandorr/traffic/{service}"), sample).await
    })
    .await
}

/// The same, published by whatever way.
async fn load_by(
    progress: &watch::Sender<u64>,
    way: impl AsyncFn(&str, Vec<u8>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let publish = async |service: &str| {
        for seq in 1..=SAMPLES {
            Box::pin(way(service, numbered(service, seq))).await?;
            progress.send_modify(|count| *count += 1);
        }
        anyhow::Ok(())
    };
    let [one, two, three] = SERVICES;
    tokio::try_join!(publish(one), publish(two), publish(three))?;
    Ok(())
}

fn total(current: &Value, id: &str) -> u64 {
    let services = current["services"].as_array();
    let found = services.and_then(|all| all.iter().find(|one| one["service"] == id));
    found.and_then(|one| one["up_bytes_total"].as_u64()).unwrap_or_default()
}

/// Waits until everything is stored; then one more, behind all that could
/// still come, shows that nothing is counted twice.
async fn exact(
    server: &Server,
    publish: impl AsyncFn(&str, Vec<u8>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let stored = |current: &Value| SERVICES.iter().all(|id| total(current, id) >= all());
    server.until("/api/traffic/current", |current| stored(current).then_some(())).await?;
    publish("last", numbered("last", 1)).await?;
    let current = server.until("/api/traffic/current", |current| {
        (total(current, "last") > 0).then(|| current.clone())
    });
    let current = current.await?;
    for id in SERVICES {
        assert_eq!(total(&current, id), all(), "{id}");
    }
    Ok(())
}

async fn reached(progress: &watch::Sender<u64>, count: u64) -> anyhow::Result<()> {
    progress.subscribe().wait_for(|reached| *reached >= count).await?;
    Ok(())
}

#[tokio::test]
async fn the_broker_ends_under_load_and_comes_back() -> anyhow::Result<()> {
    let (mut broker, folder) = (Mosquitto::start().await?, tempfile::tempdir()?);
    let server = client_of(&broker.url(), folder.path()).await?;
    ready(&server).await?;
    let (progress, port) = (watch::Sender::new(0), broker.port);
    let interrupted = async {
        for at in [100, 250] {
            reached(&progress, at).await?;
            broker.stop()?;
            server.until("/healthz", |_| Some(())).await?;
            broker.again().await?;
        }
        anyhow::Ok(())
    };
    tokio::try_join!(load(port, &progress), interrupted)?;
    exact(&server, async |id, sample| broker.publish(id, sample).await).await
}

#[tokio::test]
async fn the_server_is_killed_under_load_and_comes_back() -> anyhow::Result<()> {
    let (broker, folder) = (Mosquitto::start().await?, tempfile::tempdir()?);
    let mut server = client_of(&broker.url(), folder.path()).await?;
    ready(&server).await?;
    let progress = watch::Sender::new(0);
    let interrupted = async {
        for (at, signal) in [(100, "KILL"), (200, "TERM"), (300, "KILL")] {
            reached(&progress, at).await?;
            server.signal(signal)?;
            server.ended().await?;
            server = client_of(&broker.url(), folder.path()).await?;
        }
        anyhow::Ok(server)
    };
    let ((), server) = tokio::try_join!(load(broker.port, &progress), interrupted)?;
    exact(&server, async |id, sample| broker.publish(id, sample).await).await
}

#[tokio::test]
async fn two_servers_divide_the_samples_between_them() -> anyhow::Result<()> {
    let broker = Mosquitto::start().await?;
    let folders = (tempfile::tempdir()?, tempfile::tempdir()?);
    let one = client_of(&broker.url(), folders.0.path()).await?;
    let two = client_of(&broker.url(), folders.1.path()).await?;
    ready(&one).await?;
    ready(&two).await?;
    load(broker.port, &watch::Sender::new(0)).await?;
    let both = async || {
        let (one, two) =
            tokio::try_join!(one.get("/api/traffic/current"), two.get("/api/traffic/current"))?;
        let sum = |one: u64, two: u64| (one > 0 && two > 0).then_some(one + two);
        anyhow::Ok(SERVICES.map(|id| sum(total(&one, id), total(&two, id)).unwrap_or_default()))
    };
    mosquitto::until("not everything is stored", async || {
        both().await.is_ok_and(|sums| sums.iter().all(|&sum| sum >= all()))
    })
    .await?;
    assert_eq!(both().await?, [all(); 3]);
    Ok(())
}

#[tokio::test]
async fn an_unreachable_broker_is_waited_for_and_named() -> anyhow::Result<()> {
    let (mut broker, folder) = (Mosquitto::start().await?, tempfile::tempdir()?);
    broker.stop()?;
    let mut server = client_of(&broker.url(), folder.path()).await?;
    let answer = reqwest::get(format!("{}/readyz", server.http)).await?;
    assert_eq!(answer.status(), 503);
    let said = answer.text().await?;
    assert!(
        said.contains("no connection to mqtt://127.0.0.1") && !said.contains("secret"),
        "{said}"
    );
    let door = reqwest::get(format!("{}/mqtt", server.http)).await?;
    assert!(door.status().is_client_error(), "no broker behind the site's port");
    broker.again().await?;
    ready(&server).await?;
    server.signal("TERM")?;
    assert_eq!(server.ended().await?.code(), Some(0));
    Ok(())
}

/// What mosquitto has not written when it is killed outright is lost there;
/// here nothing is doubled by it, and all that comes afterwards is stored.
#[tokio::test]
async fn mosquitto_killed_outright_doubles_nothing_and_is_served_again() -> anyhow::Result<()> {
    let (mut broker, folder) = (Mosquitto::start().await?, tempfile::tempdir()?);
    let server = client_of(&broker.url(), folder.path()).await?;
    ready(&server).await?;
    let (progress, port) = (watch::Sender::new(0), broker.port);
    let interrupted = async {
        for at in [100, 200] {
            reached(&progress, at).await?;
            broker.kill()?;
            broker.again().await?;
        }
        anyhow::Ok(())
    };
    tokio::try_join!(load(port, &progress), interrupted)?;
    // The last of each service came when all was well again.
    ready(&server).await?;
    broker.publish("last", numbered("last", 1)).await?;
    let current = server.until("/api/traffic/current", |current| {
        (total(current, "last") > 0).then(|| current.clone())
    });
    let current = current.await?;
    for id in SERVICES {
        let (stored, lost) = (total(&current, id), all() - total(&current, id).min(all()));
        assert!(stored <= all(), "{id} is counted twice: {stored} of {}", all());
        // Each kill costs what mosquitto had answered for and not handed on:
        // a few messages, its window of 20 at the most.
        assert!(lost <= 2 * 20 * (1000 + SAMPLES), "{id} lost {lost} of {}", all());
    }
    Ok(())
}

#[tokio::test]
async fn rabbitmq_and_the_server_are_killed_under_load_and_nothing_is_lost() -> anyhow::Result<()> {
    let (mut broker, folder) = (RabbitMq::start().await?, tempfile::tempdir()?);
    let mut server = client_of(&broker.url(), folder.path()).await?;
    ready(&server).await?;
    let (progress, way) = (watch::Sender::new(0), broker.way());
    let interrupted = async {
        reached(&progress, 60).await?;
        server.signal("KILL")?;
        server.ended().await?;
        reached(&progress, 120).await?;
        server = client_of(&broker.url(), folder.path()).await?;
        ready(&server).await?;
        reached(&progress, 180).await?;
        broker.kill()?;
        broker.again().await?;
        anyhow::Ok(server)
    };
    let publish = async |id: &str, sample: Vec<u8>| way.publish(id, &sample).await;
    let ((), server) = tokio::try_join!(load_by(&progress, publish), interrupted)?;
    // It tries again every 30 s at the latest.
    mosquitto::until("no connection again", async || ready(&server).await.is_ok()).await?;
    exact(&server, publish).await
}

#[tokio::test]
async fn a_broker_over_tls_is_verified_and_served() -> anyhow::Result<()> {
    let (keys, other) = (Certificates::make()?, Certificates::make()?);
    let folder = tempfile::tempdir()?;
    let tls = format!(
        "listener TLS_PORT\ncertfile {}\nkeyfile {}\n",
        keys.valid().display(),
        keys.key().display()
    );
    let broker = Mosquitto::start_with(&tls).await?;
    let set = |host: &str| format!("mqtt.broker=mqtts://me:secret@{host}:{}", broker.tls_port);
    let serve = async |host: &str, ca: &Path| {
        Server::serve_in(folder.path(), &[&set(host)], &[("SSL_CERT_FILE", ca)]).await
    };
    let mut server = serve("localhost", &keys.ca()).await?;
    ready(&server).await?;
    broker.publish("web-1", numbered("web-1", 1)).await?;
    server
        .until("/api/traffic/current", |current| (total(current, "web-1") > 0).then_some(()))
        .await?;
    server.signal("TERM")?;
    server.ended().await?;
    // Another name than the certificate's, and another authority.
    for (host, ca, says) in
        [("127.0.0.1", keys.ca(), "not valid for name"), ("localhost", other.ca(), "UnknownIssuer")]
    {
        let mut server = serve(host, &ca).await?;
        let said = mosquitto::until_some("no word of the certificate", async || {
            let answer = reqwest::get(format!("{}/readyz", server.http)).await.ok()?;
            answer.text().await.ok().filter(|text| text.contains("certificate"))
        });
        let said = said.await?;
        assert!(said.contains(says) && !said.contains("secret"), "{said}");
        server.signal("TERM")?;
        server.ended().await?;
    }
    Ok(())
}
