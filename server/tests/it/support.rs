//! The server as a process of its own, on free ports and a folder of its own.

use std::{
    path::Path,
    process::{ExitStatus, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use komandorr_wire::topic;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader, Lines},
    process::{Child, Command},
    time::timeout,
};

/// Nothing here takes this long unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The program, told to keep to itself.
pub(crate) fn komandorr(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_komandorr"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs the program to its end.
pub(crate) async fn run(arguments: &[&str], folder: &Path) -> anyhow::Result<Output> {
    let output = komandorr(arguments).current_dir(folder).output();
    Ok(timeout(PATIENCE, output).await.context("it does not end")??)
}

/// What the program said on stderr, when that is one line.
pub(crate) fn complaint(output: &Output) -> anyhow::Result<String> {
    let said = String::from_utf8(output.stderr.clone())?;
    ensure!(said.lines().count() == 1, "not one line: {said}");
    Ok(said.trim_end().to_owned())
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) http: String,
    pub(crate) mqtt: (String, u16),
}

impl Server {
    /// `komandorr serve` on free ports with its database in a folder.
    pub(crate) async fn serve(folder: &Path) -> anyhow::Result<Self> {
        Self::serve_with(folder, &[]).await
    }

    /// The same with further settings, each `section.key=value`.
    pub(crate) async fn serve_with(folder: &Path, settings: &[&str]) -> anyhow::Result<Self> {
        Self::serve_in(folder, settings, &[]).await
    }

    /// The same with variables of the environment.
    pub(crate) async fn serve_in(
        folder: &Path,
        settings: &[&str],
        variables: &[(&str, &Path)],
    ) -> anyhow::Result<Self> {
        let database = format!("storage.path={}", folder.join("komandorr.duckdb").display());
        let arguments = [
            "--set",
            "http.listen=127.0.0.1:0",
            "--set",
            "mqtt.listen=127.0.0.1:0",
            "--set",
            &database,
            "--set",
            "log.format=json",
        ];
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        let mut command = komandorr(&arguments);
        command.args(settings).envs(variables.iter().copied()).current_dir(folder);
        let mut child = command.spawn()?;
        let mut log = lines(child.stderr.take())?;
        let ready = wait_for(&mut log, |line| {
            let event: Value = serde_json::from_str(line).ok()?;
            Some(event.get("mqtt")?.as_str()?.to_owned())
        });
        let mqtt = ready.await.context("it does not get ready")?;
        let site = wait_for(&mut log, |line| {
            let event: Value = serde_json::from_str(line).ok()?;
            let message = event.get("message")?.as_str()?;
            Some(message.strip_prefix("the site is at ")?.to_owned())
        });
        let http = site.await.context("it does not say where the site is")?;
        Self::new(child, http, &mqtt)
    }

    /// `komandorr demo`.
    pub(crate) async fn demo(folder: &Path, simulate: &str) -> anyhow::Result<Self> {
        let arguments = [
            "demo",
            "--simulate",
            simulate,
            "--set",
            "http.listen=127.0.0.1:0",
            "--set",
            "mqtt.listen=127.0.0.1:0",
        ];
        let mut child = komandorr(&arguments).current_dir(folder).stderr(Stdio::null()).spawn()?;
        let mut out = lines(child.stdout.take())?;
        let http = wait_for(&mut out, |line| {
            line.trim().starts_with("http://").then(|| line.trim().to_owned())
        });
        let http = http.await.context("it does not print an address")?;
        let mqtt = wait_for(&mut out, |line| {
            line.split("MQTT is at ").nth(1)?.split(". ").next().map(str::to_owned)
        });
        let mqtt = mqtt.await.context("it does not say where MQTT is")?;
        Self::new(child, http, &mqtt)
    }

    fn new(child: Child, http: String, mqtt: &str) -> anyhow::Result<Self> {
        let (host, port) = mqtt.rsplit_once(':').context("no port")?;
        Ok(Self { child, http, mqtt: (host.to_owned(), port.parse()?) })
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(reqwest::get(format!("{}{path}", self.http)).await?.error_for_status()?.json().await?)
    }

    /// Asks until the answer is as it should be.
    pub(crate) async fn until<T>(
        &self,
        path: &str,
        found: impl Fn(&Value) -> Option<T>,
    ) -> anyhow::Result<T> {
        let mut pause = tokio::time::interval(Duration::from_millis(20));
        let ask = async {
            loop {
                pause.tick().await;
                if let Ok(answer) = self.get(path).await
                    && let Some(found) = found(&answer)
                {
                    return found;
                }
            }
        };
        timeout(PATIENCE, ask).await.with_context(|| format!("{path} never came to it"))
    }

    /// Publishes to a service's topic and waits for the PUBACK.
    pub(crate) async fn publish(&self, service: &str, payload: Vec<u8>) -> anyhow::Result<()> {
        self.publish_with(service, None, payload).await
    }

    /// The same with the service's token.
    pub(crate) async fn publish_as(
        &self,
        service: &str,
        token: &str,
        payload: Vec<u8>,
    ) -> anyhow::Result<()> {
        self.publish_with(service, Some(token), payload).await
    }

    async fn publish_with(
        &self,
        service: &str,
        token: Option<&str>,
        payload: Vec<u8>,
    ) -> anyhow::Result<()> {
        let mut connection = self.open(token.map(|token| (service, token)));
        let topic = topic::traffic(&service.parse()?);
        connection.client.publish(topic, QoS::AtLeastOnce, false, payload).await?;
        connection.until(|packet| matches!(packet, Packet::PubAck(_))).await.context("no PUBACK")
    }

    /// An MQTT connection that was let in.
    pub(crate) async fn connect(&self, name: &str, token: &str) -> anyhow::Result<Connection> {
        let mut connection = self.open(Some((name, token)));
        connection.until(|packet| matches!(packet, Packet::ConnAck(_))).await?;
        Ok(connection)
    }

    fn open(&self, credential: Option<(&str, &str)>) -> Connection {
        let name = format!("test-{}", rand::random::<u64>());
        let mut options = MqttOptions::new(name, self.mqtt.0.clone(), self.mqtt.1);
        options.set_keep_alive(Duration::from_secs(30));
        if let Some((name, token)) = credential {
            options.set_credentials(name, token);
        }
        let (client, events) = AsyncClient::new(options, 10);
        Connection { client, events }
    }

    pub(crate) fn signal(&self, name: &str) -> anyhow::Result<()> {
        let id = self.child.id().context("it has ended")?.to_string();
        let sent = std::process::Command::new("kill").args(["-s", name, &id]).status()?;
        ensure!(sent.success(), "kill -s {name} {id} failed");
        Ok(())
    }

    /// Waits for the end of the process.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        Ok(timeout(PATIENCE, self.child.wait()).await.context("it does not stop")??)
    }
}

/// An MQTT client of the server.
pub(crate) struct Connection {
    client: AsyncClient,
    events: EventLoop,
}

impl Connection {
    async fn until(&mut self, wanted: impl Fn(&Packet) -> bool) -> anyhow::Result<()> {
        let come = async {
            loop {
                if let Event::Incoming(packet) = self.events.poll().await?
                    && wanted(&packet)
                {
                    return anyhow::Ok(());
                }
            }
        };
        timeout(PATIENCE, come).await?
    }

    /// Waits until the server has closed it.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<()> {
        let closed = async { while self.events.poll().await.is_ok() {} };
        timeout(PATIENCE, closed).await.context("the connection stays open")
    }
}

fn lines<T: AsyncRead + Unpin>(pipe: Option<T>) -> anyhow::Result<Lines<BufReader<T>>> {
    Ok(BufReader::new(pipe.context("no pipe")?).lines())
}

async fn wait_for<T: AsyncRead + Unpin, F>(
    lines: &mut Lines<BufReader<T>>,
    found: impl Fn(&str) -> Option<F>,
) -> anyhow::Result<F> {
    let mut heard = String::new();
    let search = async {
        while let Some(line) = lines.next_line().await? {
            if let Some(found) = found(&line) {
                return Ok(found);
            }
            heard.push_str(&line);
            heard.push('\n');
        }
        bail!("it ended, having said: {heard}")
    };
    timeout(PATIENCE, search).await?
}
