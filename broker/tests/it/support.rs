//! A broker on port 0 with a registry and a store for tests, and a client
//! that speaks bytes.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use komandorr_broker::{Broker, Config, Denied, Door, Gatekeeper, Identity, Transport};
use komandorr_wire::{Delivery, Message, Outcome, ServiceId};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Nothing in these tests takes this long unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) const TRUSTED: Door = Door { transport: Transport::Tcp, trusted: true };
pub(crate) const GUARDED: Door = Door { transport: Transport::Tcp, trusted: false };

/// Every service `web-N` is registered with the token `token-of-<id>`; readers
/// are `reader`, and `one` for `web-1` only; `admin` is the operator.
#[derive(Clone, Default)]
pub(crate) struct Registry {
    /// Services that were removed.
    pub(crate) removed: Arc<Mutex<BTreeSet<ServiceId>>>,
    /// Happens as soon as the next login has been found right.
    pub(crate) then: Arc<Mutex<Option<Then>>>,
}

pub(crate) type Then = Box<dyn FnOnce() + Send>;

impl Gatekeeper for Registry {
    fn authenticate(
        &self,
        door: Door,
        _peer: IpAddr,
        username: Option<&str>,
        password: Option<&[u8]>,
    ) -> Result<Identity, Denied> {
        let Some(user) = username else {
            return if door.trusted {
                Ok(Identity::Local)
            } else {
                Err(Denied::CredentialsRequired)
            };
        };
        if password != Some(format!("token-of-{user}").as_bytes()) {
            return Err(Denied::WrongCredentials);
        }
        let then = self.then.lock().take();
        if let Some(then) = then {
            then();
        }
        let web_1 = ServiceId::new("web-1").map_err(|_form| Denied::Unavailable)?;
        Ok(match user {
            "reader" => Identity::Reader { name: "reader".into(), service: None },
            "one" => Identity::Reader { name: "one".into(), service: Some(web_1) },
            "admin" => Identity::Operator,
            id => Identity::Service(ServiceId::new(id).map_err(|_form| Denied::WrongCredentials)?),
        })
    }

    fn admit(&self, _identity: &Identity, service: &ServiceId) -> bool {
        !service.as_str().starts_with("unknown") && !self.removed.lock().contains(service)
    }
}

/// What the store does with deliveries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Store {
    /// Settles at once; payloads that begin with `bad` are refused.
    Settles,
    /// Takes nothing from the channel.
    Stands,
}

/// A running broker.
pub(crate) struct Server {
    pub(crate) broker: Broker,
    pub(crate) registry: Registry,
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) store: watch::Sender<Store>,
    /// What the store has settled as stored.
    pub(crate) stored: mpsc::UnboundedReceiver<Message>,
    pub(crate) tasks: JoinSet<()>,
}

pub(crate) async fn start() -> Result<Server> {
    start_with(Config::default(), TRUSTED).await
}

pub(crate) async fn start_with(config: Config, door: Door) -> Result<Server> {
    let stop = CancellationToken::new();
    let (deliveries, rx) = mpsc::channel(64);
    let (settled, stored) = mpsc::unbounded_channel();
    let (store, mode) = watch::channel(Store::Settles);
    let registry = Registry::default();
    let gate = Arc::new(registry.clone());
    let broker = Broker::start(config, gate, deliveries, stop.clone())?;
    let mut tasks = JoinSet::new();
    tasks.spawn(run_store(rx, mode, settled));
    let mut server = Server {
        broker,
        registry,
        address: ([127, 0, 0, 1], 0).into(),
        stop,
        store,
        stored,
        tasks,
    };
    server.address = server.listen(door).await?;
    Ok(server)
}

impl Server {
    /// Opens another door.
    pub(crate) async fn listen(&mut self, door: Door) -> Result<SocketAddr> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let broker = self.broker.clone();
        self.tasks.spawn(async move { broker.serve_tcp(listener, door).await });
        Ok(address)
    }

    pub(crate) async fn next_stored(&mut self) -> Result<Message> {
        let next = timeout(PATIENCE, self.stored.recv()).await.context("nothing was stored")?;
        next.context("the store is gone")
    }

    /// Waits until the figures show something.
    pub(crate) async fn until(
        &self,
        what: impl Fn(&komandorr_broker::Metrics) -> bool,
    ) -> Result<()> {
        let wait = async {
            while !what(&self.broker.metrics()) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, wait).await.context("the figures never showed it")
    }
}

async fn run_store(
    mut deliveries: mpsc::Receiver<Delivery>,
    mut mode: watch::Receiver<Store>,
    settled: mpsc::UnboundedSender<Message>,
) {
    loop {
        if mode.wait_for(|mode| *mode == Store::Settles).await.is_err() {
            return;
        }
        let Some(delivery) = deliveries.recv().await else { return };
        if mode.wait_for(|mode| *mode == Store::Settles).await.is_err() {
            return;
        }
        let outcome = |message: &Message| {
            if message.payload.starts_with(b"bad") {
                Outcome::Refused(komandorr_wire::DecodeError::NotASample)
            } else {
                Outcome::Stored
            }
        };
        let outcomes: Vec<_> = delivery.messages.iter().map(outcome).collect();
        delivery.settle.settle(&outcomes);
        for (message, outcome) in delivery.messages.into_iter().zip(outcomes) {
            if outcome == Outcome::Stored && settled.send(message).is_err() {
                return;
            }
        }
    }
}

/// A client that speaks bytes.
pub(crate) struct Raw<S = TcpStream> {
    pub(crate) stream: S,
}

impl Raw {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        Ok(Self { stream: TcpStream::connect(address).await? })
    }

    /// Connects with MQTT 3.1.1 (`4`) or 5 (`5`).
    pub(crate) async fn connect(address: SocketAddr, level: u8, id: &str) -> Result<Self> {
        let mut raw = Self::open(address).await?;
        raw.send(&connect(level, id, None)).await?;
        let ack = raw.packet().await?;
        ensure!(ack.first() == Some(&0x20) && ack.get(3) == Some(&0), "CONNACK {ack:02x?}");
        Ok(raw)
    }

    pub(crate) async fn connect_as(
        address: SocketAddr,
        level: u8,
        id: &str,
        user: &str,
    ) -> Result<Self> {
        let mut raw = Self::open(address).await?;
        let password = format!("token-of-{user}");
        raw.send(&connect(level, id, Some((user, &password)))).await?;
        let ack = raw.packet().await?;
        ensure!(ack.first() == Some(&0x20) && ack.get(3) == Some(&0), "CONNACK {ack:02x?}");
        Ok(raw)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        timeout(PATIENCE, self.stream.write_all(bytes)).await.context("sending")??;
        timeout(PATIENCE, self.stream.flush()).await.context("flushing")??;
        Ok(())
    }

    /// The next whole packet.
    pub(crate) async fn packet(&mut self) -> Result<Vec<u8>> {
        timeout(PATIENCE, self.read_packet()).await.context("no packet came")?
    }

    async fn read_packet(&mut self) -> Result<Vec<u8>> {
        let mut packet = vec![self.stream.read_u8().await.context("the connection is closed")?];
        let mut length = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.stream.read_u8().await?;
            packet.push(byte);
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let head = packet.len();
        packet.resize(head + length, 0);
        self.stream.read_exact(packet.get_mut(head..).unwrap_or_default()).await?;
        Ok(packet)
    }

    /// The next packet must be these bytes.
    pub(crate) async fn expect(&mut self, bytes: &[u8]) -> Result<()> {
        let packet = self.packet().await?;
        ensure!(packet == bytes, "expected {bytes:02x?}, got {packet:02x?}");
        Ok(())
    }

    /// Everything until the broker closes.
    pub(crate) async fn rest(&mut self) -> Result<Vec<u8>> {
        let mut rest = Vec::new();
        let read = self.stream.read_to_end(&mut rest);
        match timeout(PATIENCE, read).await {
            Ok(Ok(_)) => Ok(rest),
            // Reset is a close too.
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(rest),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => bail!("the broker does not close; it sent {rest:02x?}"),
        }
    }

    /// Pings, and takes the pong as the next packet.
    pub(crate) async fn ping(&mut self) -> Result<()> {
        self.send(&[0xc0, 0]).await?;
        self.expect(&[0xd0, 0]).await
    }
}

fn text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(text);
}

/// A packet with its length.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut length = body.len();
    loop {
        let low = length.to_le_bytes()[0] & 0x7f;
        length >>= 7;
        out.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    out.extend(body);
    out
}

/// CONNECT with a clean session and a keep alive of 60 seconds.
pub(crate) fn connect(level: u8, id: &str, login: Option<(&str, &str)>) -> Vec<u8> {
    connect_with(level, id, login, None, 60)
}

pub(crate) fn connect_with(
    level: u8,
    id: &str,
    login: Option<(&str, &str)>,
    will: Option<(&str, &[u8])>,
    keep_alive: u16,
) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, b"MQTT");
    let flags = 2 | if login.is_some() { 0xc0 } else { 0 } | if will.is_some() { 0x2c } else { 0 };
    body.extend([level, flags]);
    body.extend(keep_alive.to_be_bytes());
    let v5 = level == 5;
    body.extend(vec![0; usize::from(v5)]);
    text(&mut body, id.as_bytes());
    if let Some((topic, payload)) = will {
        body.extend(vec![0; usize::from(v5)]);
        text(&mut body, topic.as_bytes());
        text(&mut body, payload);
    }
    if let Some((user, password)) = login {
        text(&mut body, user.as_bytes());
        text(&mut body, password.as_bytes());
    }
    packet(0x10, &body)
}

/// PUBLISH; `flags` are `QoS` and retain as on the wire.
pub(crate) fn publish(
    level: u8,
    flags: u8,
    topic: &str,
    packet_id: u16,
    payload: &[u8],
) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, topic.as_bytes());
    if flags & 6 != 0 {
        body.extend(packet_id.to_be_bytes());
    }
    body.extend(vec![0; usize::from(level == 5)]);
    body.extend(payload);
    packet(0x30 | flags, &body)
}

/// SUBSCRIBE to one filter.
pub(crate) fn subscribe(level: u8, packet_id: u16, filter: &str, options: u8) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    body.extend(vec![0; usize::from(level == 5)]);
    text(&mut body, filter.as_bytes());
    body.push(options);
    packet(0x82, &body)
}

/// SUBSCRIBE (`0x82`) or UNSUBSCRIBE (`0xa2`) with many filters.
pub(crate) fn filters(first: u8, level: u8, filters: &[&str]) -> Vec<u8> {
    let mut body = vec![0, 9];
    body.extend(vec![0; usize::from(level == 5)]);
    for filter in filters {
        text(&mut body, filter.as_bytes());
        body.extend(vec![0; usize::from(first == 0x82)]);
    }
    packet(first, &body)
}

/// The payload and the first byte of a PUBLISH.
pub(crate) fn read_publish(level: u8, packet: &[u8]) -> Result<(u8, String, Vec<u8>)> {
    let first = *packet.first().context("empty")?;
    ensure!(first >> 4 == 3, "not PUBLISH: {packet:02x?}");
    let length = packet.iter().skip(1).take_while(|b| **b & 0x80 != 0).count() + 1;
    let body = packet.get(1 + length..).context("short")?;
    let (len, body) = body.split_first_chunk::<2>().context("short")?;
    let (topic, body) =
        body.split_at_checked(u16::from_be_bytes(*len).into()).context("short topic")?;
    let skip = if first & 6 == 0 { 0 } else { 2 } + usize::from(level == 5);
    let payload = body.get(skip..).context("short payload")?;
    Ok((first, String::from_utf8(topic.to_vec())?, payload.to_vec()))
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    /// Subscribes, and takes the SUBACK that grants it.
    pub(crate) async fn subscribe(&mut self, level: u8, filter: &str, qos: u8) -> Result<()> {
        self.send(&subscribe(level, 77, filter, qos)).await?;
        let ack = self.packet().await?;
        ensure!(ack.first() == Some(&0x90) && ack.last() == Some(&qos), "SUBACK {ack:02x?}");
        Ok(())
    }

    /// Pings while messages come in between.
    pub(crate) async fn ping_between(&mut self) -> Result<()> {
        self.send(&[0xc0, 0]).await?;
        while self.packet().await? != [0xd0, 0] {}
        Ok(())
    }
}

/// A task whose failure is the test's, and which ends with it.
pub(crate) struct Spawned<T>(JoinSet<Result<T>>);

pub(crate) fn spawn<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Spawned<T> {
    let mut set = JoinSet::new();
    set.spawn(work);
    Spawned(set)
}

impl<T: 'static> IntoFuture for Spawned<T> {
    type Output = Result<T>;
    type IntoFuture = std::pin::Pin<Box<dyn Future<Output = Result<T>>>>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move { self.0.join_next().await.context("the task is gone")?? })
    }
}

/// The packet id of a short PUBLISH of `QoS` 1.
pub(crate) fn delivered_id(packet: &[u8]) -> Result<[u8; 2]> {
    let topic = packet.get(2..4).context("short")?;
    let at = 4 + usize::from(*topic.last().context("short")?);
    packet.get(at..at + 2).and_then(|id| id.try_into().ok()).context("no packet id")
}
