//! A real `RabbitMQ` with its MQTT plugin, in a folder of its own: version 3.10,
//! as Debian has it, speaks MQTT 3.1.1 only.

use std::{
    fs::{self, File},
    net::TcpListener,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use komandorr_wire::topic;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use tokio::{
    net::TcpStream,
    time::{Instant, interval, timeout},
};

/// It takes some 10 s to start on an idle machine.
const START: Duration = Duration::from_mins(2);
/// What one message may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where Debian keeps the program that runs as whoever starts it.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

pub(crate) struct RabbitMq {
    /// The name service that Erlang wants.
    names: Child,
    server: Child,
    ports: Ports,
    folder: tempfile::TempDir,
}

/// MQTT, Erlang's distribution, and its name service.
#[derive(Clone, Copy)]
struct Ports {
    mqtt: u16,
    distribution: u16,
    names: u16,
}

impl RabbitMq {
    /// It cannot choose ports itself, so others are tried when somebody else
    /// was faster.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let mut last = None;
        for _ in 0..3 {
            match Self::try_start().await {
                Ok(broker) => return Ok(broker),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("never tried")?)
    }

    async fn try_start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let ports = free_ports()?;
        let settings = format!(
            "listeners.tcp = none\nmqtt.listeners.tcp.default = 127.0.0.1:{}\n\
             mqtt.allow_anonymous = true\nlog.console = true\nlog.file = false\n",
            ports.mqtt
        );
        fs::write(folder.path().join("rabbitmq.conf"), settings)?;
        fs::write(folder.path().join("plugins"), "[rabbitmq_mqtt].\n")?;
        let names = Command::new("epmd")
            .args(["-address", "127.0.0.1", "-port", &ports.names.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting epmd: install the package rabbitmq-server")?;
        let server = run(folder.path(), ports)?;
        let mut broker = Self { names, server, ports, folder };
        broker.answers().await?;
        Ok(broker)
    }

    /// Ends it as a power cut of its machine does, but for the disk.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.signal("KILL")?;
        self.server.wait()?;
        Ok(())
    }

    /// Starts it where it was.
    pub(crate) async fn again(&mut self) -> anyhow::Result<()> {
        self.server = run(self.folder.path(), self.ports)?;
        self.answers().await
    }

    pub(crate) fn url(&self) -> String {
        // guest may log in from this machine.
        format!("mqtt://guest:guest@127.0.0.1:{}", self.ports.mqtt)
    }

    /// A shell and the virtual machine: one group.
    fn signal(&self, name: &str) -> anyhow::Result<()> {
        let group = format!("-{}", self.server.id());
        let sent = Command::new("kill").args(["-s", name, "--", &group]).status()?;
        ensure!(sent.success(), "kill -s {name} -- {group} failed");
        Ok(())
    }

    /// Until a client of MQTT 3.1.1 is let in.
    async fn answers(&mut self) -> anyhow::Result<()> {
        let (begun, mut pause) = (Instant::now(), interval(Duration::from_millis(100)));
        loop {
            pause.tick().await;
            let open = TcpStream::connect(("127.0.0.1", self.ports.mqtt)).await.is_ok();
            if open && self.way().client("hello").await.is_ok() {
                return Ok(());
            }
            if self.server.try_wait()?.is_some() || begun.elapsed() > START {
                let log = fs::read_to_string(self.folder.path().join("log"))?;
                bail!("RabbitMQ does not start: {log}");
            }
        }
    }

    /// How publishers get there, while the broker comes and goes.
    pub(crate) fn way(&self) -> Way {
        Way(self.ports.mqtt)
    }
}

/// The way of publishers to the broker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way(u16);

impl Way {
    async fn client(self, id: &str) -> anyhow::Result<(AsyncClient, EventLoop)> {
        let mut options = MqttOptions::new(id, "127.0.0.1", self.0);
        options.set_credentials("guest", "guest");
        let (client, mut events) = AsyncClient::new(options, 4);
        match timeout(PATIENCE, events.poll()).await?? {
            Event::Incoming(Packet::ConnAck(_)) => Ok((client, events)),
            other => bail!("{other:?}"),
        }
    }

    /// Publishes until the broker answers for it. Version 3.1.1 does not say
    /// whether anybody subscribes.
    pub(crate) async fn publish(self, service: &str, payload: &[u8]) -> anyhow::Result<()> {
        let (begun, mut pause) = (Instant::now(), interval(Duration::from_millis(50)));
        loop {
            pause.tick().await;
            match self.publish_once(service, payload.to_vec()).await {
                Ok(()) => return Ok(()),
                Err(error) if begun.elapsed() > START => return Err(error),
                Err(_) => {}
            }
        }
    }

    async fn publish_once(self, service: &str, payload: Vec<u8>) -> anyhow::Result<()> {
        let id = format!("test-{:x}", rand::random::<u64>());
        let (client, mut events) = self.client(&id).await?;
        let topic = topic::traffic(&service.parse()?);
        client.try_publish(topic, QoS::AtLeastOnce, false, payload)?;
        while !matches!(
            timeout(PATIENCE, events.poll()).await??,
            Event::Incoming(Packet::PubAck(_))
        ) {}
        client.try_disconnect()?;
        drop(timeout(PATIENCE, events.poll()).await?);
        Ok(())
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        drop(self.signal("KILL"));
        drop(self.server.wait());
        drop(self.names.kill());
        drop(self.names.wait());
    }
}

/// Three ports that are free while they are asked for.
fn free_ports() -> anyhow::Result<Ports> {
    let held: Vec<_> =
        (0..3).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    let port = |n: usize| anyhow::Ok(held.get(n).context("no port")?.local_addr()?.port());
    Ok(Ports { mqtt: port(0)?, distribution: port(1)?, names: port(2)? })
}

fn run(folder: &Path, ports: Ports) -> anyhow::Result<Child> {
    let at = |name: &str| folder.join(name);
    let log = File::create(at("log"))?;
    let mut command = Command::new(PROGRAM);
    command
        .process_group(0)
        .env("HOME", folder)
        .env("ERL_EPMD_PORT", ports.names.to_string())
        .env("RABBITMQ_NODENAME", format!("komandorr-{}@localhost", ports.mqtt))
        .env("RABBITMQ_DIST_PORT", ports.distribution.to_string())
        .env("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf"))
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", at("advanced.config"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("plugins"))
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("RABBITMQ_MNESIA_BASE", at("data"))
        .env("RABBITMQ_LOG_BASE", at("logs"))
        .env("RABBITMQ_LOGS", "-")
        .env("RABBITMQ_GENERATED_CONFIG_DIR", at("generated"))
        .env("RABBITMQ_FEATURE_FLAGS_FILE", at("flags"))
        .env("RABBITMQ_PID_FILE", at("pid"))
        // One scheduler that does not spin: the machine has other work.
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+S 1:1 +sbwt none")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    command
        .spawn()
        .with_context(|| format!("starting {PROGRAM}: install the package rabbitmq-server"))
}
