//! A real broker: what an agent looks like to it, over every transport, and
//! what happens when it goes away.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use anyhow::{Context, Result};
use komandorr_agent::{Token, commands};
use komandorr_config::Secret;

use crate::support::{Agent, Counters, Process, Store, config, sh, until};

/// mosquitto, in a folder of its own.
pub(crate) struct Mosquitto {
    process: Process,
    pub(crate) port: u16,
}

impl Mosquitto {
    /// Starts it with these lines of configuration (`PORT` is its port) on a
    /// free port; mosquitto cannot choose one itself, so another one is tried
    /// when somebody else was faster.
    pub(crate) async fn start(dir: &Path, lines: &str) -> Result<Self> {
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            if let Ok(started) = Self::on(port, dir, lines).await {
                return Ok(started);
            }
        }
        anyhow::bail!("no free port for mosquitto")
    }

    async fn on(port: u16, dir: &Path, lines: &str) -> Result<Self> {
        let file = dir.join("mosquitto.conf");
        let location = dir.display();
        let text = format!(
            "{}\npersistence true\npersistence_location {location}/\nuser root\nmax_queued_messages 0\n",
            lines.replace("PORT", &port.to_string())
        );
        fs::write(&file, text)?;
        let mut command = Command::new("/usr/sbin/mosquitto");
        let log = fs::File::create(dir.join("mosquitto.log"))?;
        let command = command.arg("-c").arg(&file).stderr(log).stdout(Stdio::null());
        let mut process = Process::start(command)?;
        loop {
            // A process that has ended may leave the port to somebody else.
            let answers = std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
            let ended = process.0.try_wait()?.is_some();
            if answers && !ended {
                return Ok(Self { process, port });
            }
            if ended {
                anyhow::bail!(
                    "mosquitto ended: {}",
                    fs::read_to_string(dir.join("mosquitto.log"))?
                );
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }
}

/// Topic and payload.
type Message = (String, Vec<u8>);

/// An independent client that stays subscribed over restarts of the broker.
pub(crate) struct Subscriber {
    _process: Process,
    seen: Arc<Mutex<Vec<Message>>>,
}

impl Subscriber {
    async fn start(port: u16) -> Result<Self> {
        Self::through(&format!("-p {port}")).await
    }

    /// Connects as these options of mosquitto's own clients say.
    pub(crate) async fn through(way: &str) -> Result<Self> {
        let mut command = Command::new("mosquitto_sub");
        command.args(way.split(' ')).args(["-t", "komandorr/#", "-q", "1", "-c", "-i", "t"]);
        let mut process = Process::start(
            command.args(["-F", "%t %x"]).stdout(Stdio::piped()).stderr(Stdio::null()),
        )?;
        let out = process.0.stdout.take().context("no output")?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&seen);
        // Ends with the process whose output it reads.
        drop(std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let (topic, hex) = line.split_once(' ').unwrap_or((&line, ""));
                if let (Some(bytes), Ok(mut list)) = (unhex(hex), list.lock()) {
                    list.push((topic.to_owned(), bytes));
                }
            }
        }));
        let subscriber = Self { _process: process, seen };
        let probe = format!("mosquitto_pub {way} -t komandorr/probe -m x -q 1");
        until("the subscription", || {
            sh(&probe).is_ok() && !subscriber.topic("komandorr/probe").is_empty()
        })
        .await?;
        Ok(subscriber)
    }

    fn topic(&self, topic: &str) -> Vec<Vec<u8>> {
        let seen = self.seen.lock().map(|seen| seen.clone()).unwrap_or_default();
        seen.into_iter().filter(|(name, _)| name == topic).map(|(_, bytes)| bytes).collect()
    }

    fn statuses(&self) -> Vec<String> {
        let texts = self.topic("komandorr/status/web-1").into_iter();
        texts.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
    }

    fn store(&self) -> Store {
        let mut store = Store::default();
        for payload in self.topic("komandorr/traffic/web-1") {
            store.add(komandorr_wire::decode(&payload).unwrap_or_default());
        }
        store
    }
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

const OPEN: &str = "listener PORT 127.0.0.1\nallow_anonymous true";

#[tokio::test]
async fn an_agent_says_hello_publishes_every_byte_and_says_goodbye() -> Result<()> {
    let (dir, state) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let broker = Mosquitto::start(dir.path(), OPEN).await?;
    let subscriber = Subscriber::start(broker.port).await?;
    let counters = Counters::default();
    counters.add(1 << 40, 1 << 40);
    let agent = Agent::start(config(&broker.url(), state.path())?, &counters);
    until("online", || subscriber.statuses() == ["online"]).await?;
    until("the baseline", || counters.reads() >= 1).await?;
    counters.add(12_345, 67);
    until("a sample", || subscriber.store().len() >= 1).await?;
    counters.add(1000, 1);
    agent.stop().await?;
    until("offline", || subscriber.statuses() == ["online", "offline"]).await?;
    let store = subscriber.store();
    assert_eq!(store.sums(), (13_345, 68), "since the first reading, and no byte before it");
    assert!(store.is_whole());
    let sample = store.samples().next().cloned().unwrap_or_default();
    assert_eq!(sample.capacity, Some(125_000_000));
    assert!(sample.boot.is_some() && sample.ended_ms.is_some() && !sample.gap);
    assert_eq!(sample.interfaces.len(), 1);
    assert!(sample.interfaces.iter().all(|i| i.counted && &*i.role == "physical"));
    Ok(())
}

#[tokio::test]
async fn an_agent_that_dies_is_offline_by_its_will() -> Result<()> {
    let (dir, state) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let broker = Mosquitto::start(dir.path(), OPEN).await?;
    let subscriber = Subscriber::start(broker.port).await?;
    let agent = Agent::start(config(&broker.url(), state.path())?, &Counters::default());
    until("online", || subscriber.statuses() == ["online"]).await?;
    agent.kill().await;
    until("offline", || subscriber.statuses() == ["online", "offline"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_broker_that_goes_away_and_comes_back_costs_no_byte() -> Result<()> {
    let (dir, state) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let broker = Mosquitto::start(dir.path(), OPEN).await?;
    let (port, url) = (broker.port, broker.url());
    let subscriber = Subscriber::start(port).await?;
    let counters = Counters::default();
    let agent = Agent::start(config(&url, state.path())?, &counters);
    until("the baseline", || counters.reads() >= 1).await?;
    counters.add(1, 2);
    until("a sample", || subscriber.store().len() >= 1).await?;
    broker.process.stop("TERM")?;
    let before = counters.reads();
    until("samples without a broker", || {
        counters.add(10, 20);
        counters.reads() >= before + 3
    })
    .await?;
    let broker = Mosquitto::on(port, dir.path(), OPEN).await?;
    until("samples after the outage", || subscriber.store().len() >= 5).await?;
    agent.stop().await?;
    until("the last", || {
        let store = subscriber.store();
        let last = store.samples().last().and_then(|sample| sample.up_total);
        store.is_whole() && last == Some(store.sums().0) && subscriber.statuses().len() >= 3
    })
    .await?;
    drop(broker);
    Ok(())
}

/// A broker answers for samples that nobody takes, and throws them away.
#[tokio::test]
async fn samples_that_nobody_takes_are_kept_until_somebody_does() -> Result<()> {
    let (dir, state) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let broker = Mosquitto::start(dir.path(), OPEN).await?;
    let counters = Counters::default();
    let agent = Agent::start(config(&broker.url(), state.path())?, &counters);
    until("samples for nobody", || {
        counters.add(10, 20);
        counters.reads() >= 4
    })
    .await?;
    let subscriber = Subscriber::start(broker.port).await?;
    until("all of them", || {
        let store = subscriber.store();
        store.is_whole() && store.len() >= 3
    })
    .await?;
    agent.stop().await?;
    until("the last", || {
        let store = subscriber.store();
        let last = store.samples().last().and_then(|sample| sample.up_total);
        store.is_whole() && last == Some(store.sums().0)
    })
    .await
}

#[tokio::test]
async fn a_backlog_is_cut_to_what_the_broker_takes_whether_it_says_so_or_not() -> Result<()> {
    const NIGHT: usize = 1500;
    for limit in ["max_packet_size 20000", "message_size_limit 20000"] {
        let (dir, state) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let broker = Mosquitto::start(dir.path(), &format!("{OPEN}\n{limit}")).await?;
        let subscriber = Subscriber::start(broker.port).await?;
        let counters = Counters::default();
        let backlog = crate::support::backlog(state.path(), NIGHT)?;
        counters.add(backlog, 0);
        let agent = Agent::start(config(&broker.url(), state.path())?, &counters);
        until(limit, || subscriber.store().len() > NIGHT).await?;
        agent.stop().await?;
        let stored = subscriber.store();
        assert!(stored.is_whole(), "{limit}");
        assert_eq!(stored.sums().0, backlog, "{limit}");
        let payloads = subscriber.topic("komandorr/traffic/web-1");
        let longest = payloads.iter().map(Vec::len).max();
        assert!(longest > Some(2_000) && longest <= Some(20_000), "{limit}: {longest:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_refused_token_is_named_and_a_new_one_in_its_file_is_taken() -> Result<()> {
    let (dir, state) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let passwords = dir.path().join("passwords");
    sh(&format!("mosquitto_passwd -c -b {} web-1 right", passwords.display()))?;
    sh(&format!("mosquitto_passwd -b {} reader right", passwords.display()))?;
    let lines = format!(
        "listener PORT 127.0.0.1\nallow_anonymous false\npassword_file {}",
        passwords.display()
    );
    let broker = Mosquitto::start(dir.path(), &lines).await?;
    let way = format!("-p {} -u reader -P right", broker.port);
    let _subscriber = Subscriber::through(&way).await?;
    let token = dir.path().join("token");
    fs::write(&token, "wrong\n")?;
    let mut config = config(&broker.url(), state.path())?;
    config.token = Some(Token::File(token.clone()));
    let counters = Counters::default();
    let mut out = Vec::new();
    let mut source = counters.source();
    let error = commands::check(&config, &mut *source, &mut out).await.err();
    let error = error.map(|e| format!("{e:#}")).unwrap_or_default();
    assert!(error.contains("credential of service web-1 is refused"), "{error}");
    assert!(error.contains("(/add)") && error.contains("/web-1/token"), "{error}");
    assert!(String::from_utf8(out)?.contains("credential  failed"));

    let agent = Agent::start(config.clone(), &counters);
    until("samples that wait", || counters.reads() >= 2).await?;
    fs::write(&token, "right\n")?;
    let log = dir.path().join("mosquitto.log");
    until("the new token", || fs::read_to_string(&log).is_ok_and(|log| log.contains("u'web-1'")))
        .await?;
    agent.stop().await?;

    config.token = Some(Token::Value(Secret::new("right")));
    let mut out = Vec::new();
    commands::check(&config, &mut *source, &mut out).await?;
    let out = String::from_utf8(out)?;
    for step in ["interface", "name", "connection", "credential", "sample"] {
        assert!(out.lines().any(|l| l.starts_with(step) && l.contains(" ok ")), "{step}: {out}");
    }
    Ok(())
}

#[tokio::test]
async fn samples_travel_over_websocket_as_well() -> Result<()> {
    let (dir, state) = (tempfile::tempdir()?, tempfile::tempdir()?);
    // With a WebSocket listener alone, this mosquitto says it has none.
    let other = dir.path().join("socket");
    let lines = format!(
        "listener PORT\nprotocol websockets\nallow_anonymous true\nlistener 0 {}",
        other.display()
    );
    let broker = Mosquitto::start(dir.path(), &lines).await?;
    let _subscriber = Subscriber::through(&format!("--unix {}", other.display())).await?;
    let url = format!("http://127.0.0.1:{}", broker.port);
    let config = config(&url, state.path())?;
    let mut source = Counters::default().source();
    let mut out = Vec::new();
    commands::check(&config, &mut *source, &mut out).await?;
    assert!(String::from_utf8(out)?.contains("stored in"));
    Ok(())
}
