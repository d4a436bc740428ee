//! Somebody else's broker: a real mosquitto on a free port, which keeps what
//! it holds over a restart.

use std::{
    fs,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use komandorr_wire::topic;
use rumqttc::v5::{
    AsyncClient, Event, Incoming, MqttOptions,
    mqttbytes::{QoS, v5::PubAckReason},
};
use tokio::{
    net::TcpStream,
    time::{interval, timeout},
};

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Mosquitto {
    child: Child,
    pub(crate) port: u16,
    /// The port of further listeners, `TLS_PORT` in their settings.
    #[allow(dead_code, reason = "not every test program asks for one")]
    pub(crate) tls_port: u16,
    folder: tempfile::TempDir,
}

impl Mosquitto {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Self::start_with("").await
    }

    /// With further lines of settings.
    pub(crate) async fn start_with(lines: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let held = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
        let [port, tls_port] = [held[0].local_addr()?.port(), held[1].local_addr()?.port()];
        drop(held);
        let lines = lines.replace("TLS_PORT", &tls_port.to_string());
        let place = folder.path().display();
        // Without the last line it drops messages beyond the thousandth.
        let settings = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\n\
             persistence_location {place}/\nmax_queued_messages 0\n{lines}"
        );
        fs::write(folder.path().join("mosquitto.conf"), settings)?;
        let child = run(&folder)?;
        let broker = Self { child, port, tls_port, folder };
        broker.answers().await?;
        Ok(broker)
    }

    /// Ends it; it saves what it holds.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        let sent = Command::new("kill").arg(self.child.id().to_string()).status()?;
        ensure!(sent.success() && self.child.wait()?.success(), "mosquitto does not end");
        Ok(())
    }

    /// Ends it outright: what it has not saved is lost.
    #[allow(dead_code, reason = "not every test program does")]
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it where it was stopped.
    pub(crate) async fn again(&mut self) -> anyhow::Result<()> {
        self.child = run(&self.folder)?;
        self.answers().await
    }

    pub(crate) fn url(&self) -> String {
        format!("mqtt://somebody:secret@127.0.0.1:{}", self.port)
    }

    async fn answers(&self) -> anyhow::Result<()> {
        until("mosquitto does not listen", async || {
            TcpStream::connect(("127.0.0.1", self.port)).await.is_ok()
        })
        .await
    }

    /// Publishes as an agent does: until the broker has it for a subscriber.
    pub(crate) async fn publish(&self, service: &str, payload: Vec<u8>) -> anyhow::Result<()> {
        publish(self.port, &topic::traffic(&service.parse()?), payload).await
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn run(folder: &tempfile::TempDir) -> anyhow::Result<Child> {
    // Debian keeps it where only root looks.
    Command::new("sh")
        .args(["-c", "PATH=$PATH:/usr/sbin:/usr/local/sbin exec mosquitto -c \"$0\""])
        .arg(folder.path().join("mosquitto.conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("starting mosquitto: install the package mosquitto")
}

/// Asks until it is so.
pub(crate) async fn until(what: &str, so: impl AsyncFn() -> bool) -> anyhow::Result<()> {
    let mut pause = interval(Duration::from_millis(10));
    let ask = async {
        while !so().await {
            pause.tick().await;
        }
    };
    timeout(PATIENCE, ask).await.with_context(|| what.to_owned())
}

/// Asks until there is an answer.
#[allow(dead_code, reason = "not every test program asks")]
pub(crate) async fn until_some<T>(
    what: &str,
    answer: impl AsyncFn() -> Option<T>,
) -> anyhow::Result<T> {
    let mut pause = interval(Duration::from_millis(50));
    let ask = async {
        loop {
            pause.tick().await;
            if let Some(answer) = answer().await {
                return answer;
            }
        }
    };
    timeout(PATIENCE, ask).await.with_context(|| what.to_owned())
}

/// Publishes on a topic until a broker on `port` has taken the message for a
/// subscriber: what it has for nobody is lost, and it says so.
pub(crate) async fn publish(port: u16, topic: &str, payload: Vec<u8>) -> anyhow::Result<()> {
    let what = format!("{topic} is not taken");
    until(&what, async || publish_once(port, topic, payload.clone()).await.is_ok()).await
}

async fn publish_once(port: u16, topic: &str, payload: Vec<u8>) -> anyhow::Result<()> {
    let options = MqttOptions::new(format!("test-{:x}", rand::random::<u64>()), "127.0.0.1", port);
    let (client, mut events) = AsyncClient::new(options, 4);
    client.try_publish(topic, QoS::AtLeastOnce, false, payload)?;
    loop {
        if let Event::Incoming(Incoming::PubAck(ack)) = events.poll().await? {
            ensure!(ack.reason == PubAckReason::Success, "{:?}", ack.reason);
            break;
        }
    }
    client.try_disconnect()?;
    match timeout(PATIENCE, events.poll()).await? {
        Ok(_) => Ok(()),
        Err(error) => bail!(error),
    }
}
