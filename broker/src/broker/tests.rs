//! The router's death as clients see it: publishers not at all, subscribers
//! at most as a gap. Over an in-memory stream, which is one more door.

use std::{net::IpAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::timeout,
};

use parking_lot::Mutex;

use super::*;
use crate::{fanout::tests::no_slot_is_left_behind, gate::Denied};

struct Open;

impl Gatekeeper for Open {
    fn authenticate(
        &self,
        _door: Door,
        _peer: IpAddr,
        _username: Option<&str>,
        _password: Option<&[u8]>,
    ) -> Result<Identity, Denied> {
        Ok(Identity::Local)
    }

    fn admit(&self, _identity: &Identity, _service: &ServiceId) -> bool {
        true
    }
}

const DOOR: Door = Door { transport: Transport::WebSocket, trusted: true };

struct Client(DuplexStream);

impl Client {
    async fn connect(broker: &Broker, tasks: &TaskTracker, id: u8) -> Self {
        let (ours, theirs) = duplex(64 * 1024);
        let broker = broker.clone();
        let peer = ([127, 0, 0, 1], 1).into();
        tasks.spawn(async move { broker.serve_stream(theirs, peer, DOOR).await });
        let mut client = Self(ours);
        client.send(&[b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01", [id].as_slice()].concat()).await;
        assert_eq!(client.packet().await, [0x20, 2, 0, 0]);
        client
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    async fn packet(&mut self) -> Vec<u8> {
        let read = async {
            let mut packet = vec![self.0.read_u8().await.unwrap(), self.0.read_u8().await.unwrap()];
            packet.resize(2 + usize::from(packet[1]), 0);
            self.0.read_exact(&mut packet[2..]).await.unwrap();
            packet
        };
        timeout(Duration::from_secs(5), read).await.expect("no packet")
    }

    async fn status(&mut self, state: &str) {
        let body = [b"\0\x12komandorr/status/a\0\x01".as_slice(), state.as_bytes()].concat();
        self.send(&[&[0x33, u8::try_from(body.len()).unwrap()], &body[..]].concat()).await;
        assert_eq!(self.packet().await, [0x40, 2, 0, 1]);
    }

    async fn hears(&mut self, state: &str) -> bool {
        let packet = self.packet().await;
        packet[0] & 0xf0 == 0x30 && packet.ends_with(state.as_bytes())
    }
}

/// The errors in the log of this process.
#[derive(Clone, Default)]
struct Errors(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Errors {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::ERROR
    }

    fn new_span(&self, _span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _span: &tracing::span::Id, _values: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _span: &tracing::span::Id, _follows: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = String::new();
        event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            text.push_str(&[field.name(), &format!("={value:?} ")].concat());
        });
        self.0.lock().push(text);
    }

    fn enter(&self, _span: &tracing::span::Id) {}

    fn exit(&self, _span: &tracing::span::Id) {}
}

/// Clients live on while their router is harmed again and again: what is said
/// meanwhile is heard, and who comes afterwards finds everything.
async fn outlive(harm: impl AsyncFn(&Fanout)) {
    let (deliveries, _store) = mpsc::channel(8);
    let stop = CancellationToken::new();
    let config = Config { discovery_prefix: Some("ha".to_owned()), ..Config::default() };
    let broker = Broker::start(config, Arc::new(Open), deliveries, stop.clone()).unwrap();
    broker.set_notices(BTreeMap::from([("ha/x".to_owned(), Bytes::from_static(b"notice"))]));
    let tasks = TaskTracker::new();
    let mut publisher = Client::connect(&broker, &tasks, b'p').await;
    let mut subscriber = Client::connect(&broker, &tasks, b's').await;
    subscriber.send(b"\x82\x17\0\x09\0\x12komandorr/status/+\0").await;
    assert_eq!(subscriber.packet().await, [0x90, 3, 0, 9, 0]);
    publisher.status("online").await;
    assert!(subscriber.hears("online").await);
    for round in 0..3 {
        harm(&broker.core.fanout).await;
        // Said while no router lives, it is heard all the same.
        publisher.status("offline").await;
        while !subscriber.hears("offline").await {}
        let restarted = async {
            let mut look = tokio::time::interval(Duration::from_millis(5));
            while broker.metrics().router_restarts <= round {
                look.tick().await;
            }
        };
        timeout(Duration::from_secs(7), restarted).await.expect("the router is not replaced");
        publisher.status("online").await;
        while !subscriber.hears("online").await {}
        let mut late = Client::connect(&broker, &tasks, b'l').await;
        late.send(b"\x82\x17\0\x09\0\x12komandorr/status/a\0").await;
        assert_eq!(late.packet().await, [0x90, 3, 0, 9, 0]);
        assert!(late.hears("online").await);
        late.send(b"\x82\x09\0\x09\0\x04ha/+\0").await;
        assert_eq!(late.packet().await, [0x90, 3, 0, 9, 0]);
        assert!(late.hears("notice").await);
    }
    assert!(broker.is_healthy());
    stop.cancel();
    broker.closed().await;
}

#[tokio::test]
async fn clients_that_leave_before_their_suback_leave_no_slot_behind() {
    let (deliveries, _store) = mpsc::channel(8);
    let stop = CancellationToken::new();
    let broker =
        Broker::start(Config::default(), Arc::new(Open), deliveries, stop.clone()).unwrap();
    let tasks = TaskTracker::new();
    let fanout = &broker.core.fanout;
    no_slot_is_left_behind(fanout).await;
    for _ in 0..200 {
        let mut client = Client::connect(&broker, &tasks, b'c').await;
        client.send(b"\x82\x17\0\x09\0\x12komandorr/status/+\0").await;
        // Until the broker has asked for a link. This count comes after it: the
        // link is on its way, and nobody but this task has run since.
        while fanout.slots() == 2 {
            tokio::task::yield_now().await;
        }
        drop(client);
        no_slot_is_left_behind(fanout).await;
    }
    assert_eq!(broker.metrics().router_restarts, 0);
    stop.cancel();
    broker.closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_and_publishers_outlive_their_router() {
    outlive(async |fanout| fanout.kill_router()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_and_publishers_outlive_a_hung_router_and_the_log_tells() {
    let errors = Errors::default();
    // Another test of this program may have been first; then it has the log.
    let ours = tracing::subscriber::set_global_default(errors.clone()).is_ok();
    // Longer than the test waits: a busy machine's router is judged late.
    outlive(async |fanout| fanout.hang_router(Duration::from_secs(8)).await).await;
    let told = errors.0.lock().iter().filter(|line| line.contains("the router is hung")).count();
    assert!(!ours || told >= 3, "{told} lines tell of it");
}
