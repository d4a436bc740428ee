//! The client of another broker, against a real mosquitto: what is not stored
//! is not acknowledged, and what is not acknowledged comes again.

use std::path::Path;

use anyhow::Context;
use komandorr_collector::Intake;
use komandorr_wire::{Delivery, Outcome};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Duration, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    mosquitto::{Mosquitto, publish, until},
    rabbitmq::RabbitMq,
};

/// An intake whose deliveries the test holds in its hands.
struct Client {
    intake: Intake,
    deliveries: mpsc::Receiver<Delivery>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Client {
    async fn connect(url: &str, folder: &Path) -> anyhow::Result<Self> {
        let intake = Intake::new(url.parse()?, &folder.join("test.duckdb"))?;
        let (sender, deliveries) = mpsc::channel(64);
        let stop = CancellationToken::new();
        #[allow(clippy::disallowed_methods, reason = "joined or aborted by the test")]
        let task = tokio::spawn(intake.clone().run(sender, stop.clone()));
        let client = Self { intake, deliveries, stop, task };
        client.connected().await?;
        Ok(client)
    }

    async fn connected(&self) -> anyhow::Result<()> {
        until("no connection", async || self.intake.is_connected()).await
    }

    async fn next(&mut self) -> anyhow::Result<Delivery> {
        let next = timeout(Duration::from_secs(30), self.deliveries.recv()).await;
        next.context("nothing is delivered")?.context("the intake has ended")
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        Ok(self.task.await?)
    }

    /// Ends without any farewell, as with a crash.
    async fn crash(self) {
        self.task.abort();
        drop(self.task.await);
    }
}

fn payload(delivery: &Delivery) -> &[u8] {
    delivery.messages.first().map_or(b"", |message| &message.payload)
}

#[tokio::test]
async fn what_is_not_settled_comes_again_and_what_is_does_not() -> anyhow::Result<()> {
    let (broker, folder) = (Mosquitto::start().await?, tempfile::tempdir()?);
    let mut client = Client::connect(&broker.url(), folder.path()).await?;
    broker.publish("web-1", b"one".to_vec()).await?;
    let first = client.next().await?;
    assert_eq!((payload(&first), first.messages[0].service.as_str()), (&b"one"[..], "web-1"));
    // Killed between arrival and commit.
    client.crash().await;
    let mut client = Client::connect(&broker.url(), folder.path()).await?;
    let again = client.next().await?;
    assert_eq!(payload(&again), b"one");
    // Too late: this receipt is of the connection before.
    first.settle.settle(&[Outcome::Stored]);
    client.crash().await;
    let mut client = Client::connect(&broker.url(), folder.path()).await?;
    let again = client.next().await?;
    assert_eq!(payload(&again), b"one");
    again.settle.settle(&[Outcome::Stored]);
    client.stop().await?;
    let mut client = Client::connect(&broker.url(), folder.path()).await?;
    broker.publish("web-1", b"two".to_vec()).await?;
    assert_eq!(payload(&client.next().await?), b"two", "the first was acknowledged");
    client.stop().await
}

#[tokio::test]
async fn what_the_writer_gives_up_on_comes_again() -> anyhow::Result<()> {
    let (broker, folder) = (Mosquitto::start().await?, tempfile::tempdir()?);
    let mut client = Client::connect(&broker.url(), folder.path()).await?;
    broker.publish("web-1", b"one".to_vec()).await?;
    drop(client.next().await?);
    let again = client.next().await?;
    assert_eq!(payload(&again), b"one");
    again.settle.settle(&[Outcome::Stored]);
    client.stop().await
}

#[tokio::test]
async fn a_receipt_of_an_old_connection_acknowledges_nothing_on_the_new_one() -> anyhow::Result<()>
{
    let (mut broker, folder) = (Mosquitto::start().await?, tempfile::tempdir()?);
    let mut client = Client::connect(&broker.url(), folder.path()).await?;
    broker.publish("web-1", b"one".to_vec()).await?;
    let held = client.next().await?;
    broker.stop()?;
    until("it does not notice", async || !client.intake.is_connected()).await?;
    let problem = client.intake.problem().unwrap_or_default();
    assert!(problem.starts_with("no connection to mqtt://127.0.0.1:"), "{problem}");
    assert!(!problem.contains("secret"), "{problem}");
    broker.again().await?;
    client.connected().await?;
    let again = client.next().await?;
    assert_eq!(payload(&again), b"one");
    held.settle.settle(&[Outcome::Stored]);
    client.crash().await;
    let mut client = Client::connect(&broker.url(), folder.path()).await?;
    assert_eq!(payload(&client.next().await?), b"one", "nobody has acknowledged it");
    client.stop().await
}

#[tokio::test]
async fn topics_of_no_service_are_acknowledged_and_left_out() -> anyhow::Result<()> {
    let (broker, folder) = (Mosquitto::start().await?, tempfile::tempdir()?);
    let mut client = Client::connect(&broker.url(), folder.path()).await?;
    // More than the twenty that mosquitto sends before one is acknowledged.
    for topic in ["current", "a b", "é"].repeat(9) {
        publish(broker.port, &format!("komandorr/traffic/{topic}"), b"x".to_vec()).await?;
    }
    broker.publish("web-1", b"one".to_vec()).await?;
    let one = client.next().await?;
    assert_eq!(payload(&one), b"one");
    one.settle.settle(&[Outcome::Stored]);
    client.stop().await
}

/// With a broker of MQTT 3.1.1 alone; its end by SIGKILL as well, since its
/// start is what takes the time.
#[tokio::test]
async fn rabbitmq_is_served_in_the_older_version_and_loses_nothing() -> anyhow::Result<()> {
    let (mut broker, folder) = (RabbitMq::start().await?, tempfile::tempdir()?);
    let mut client = Client::connect(&broker.url(), folder.path()).await?;
    broker.way().publish("web-1", b"one").await?;
    let first = client.next().await?;
    assert_eq!((payload(&first), first.messages[0].service.as_str()), (&b"one"[..], "web-1"));
    // Killed between arrival and commit.
    client.crash().await;
    broker.way().publish("web-1", b"two").await?;
    let mut client = Client::connect(&broker.url(), folder.path()).await?;
    for text in ["one", "two"] {
        let again = client.next().await?;
        assert_eq!(payload(&again), text.as_bytes());
        again.settle.settle(&[Outcome::Stored]);
    }
    // What is settled does not come again, and what is not does, also when the
    // broker is killed meanwhile.
    broker.way().publish("web-1", b"three").await?;
    let held = client.next().await?;
    assert_eq!(payload(&held), b"three");
    broker.kill()?;
    until("it does not notice", async || !client.intake.is_connected()).await?;
    broker.again().await?;
    client.connected().await?;
    let again = client.next().await?;
    assert_eq!(payload(&again), b"three");
    again.settle.settle(&[Outcome::Stored]);
    client.stop().await
}

#[tokio::test]
async fn two_clients_share_what_comes() -> anyhow::Result<()> {
    let broker = Mosquitto::start().await?;
    let folders = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut one = Client::connect(&broker.url(), folders.0.path()).await?;
    let mut two = Client::connect(&broker.url(), folders.1.path()).await?;
    let mut got: [Vec<u8>; 2] = Default::default();
    for number in 0..20_u8 {
        broker.publish("web-1", vec![number]).await?;
        let (delivery, who) = tokio::select! {
            delivery = one.next() => (delivery?, 0),
            delivery = two.next() => (delivery?, 1),
        };
        delivery.settle.settle(&[Outcome::Stored]);
        got[who].extend_from_slice(payload(&delivery));
    }
    assert!(got.iter().all(|got| !got.is_empty()), "each takes its part: {got:?}");
    let mut all = got.concat();
    all.sort_unstable();
    assert_eq!(all, (0..20).collect::<Vec<_>>());
    tokio::try_join!(one.stop(), two.stop())?;
    Ok(())
}
