//! The router's death as clients see it: publishers not at all, subscribers
//! at most as a gap. Over an in-memory stream, which is one more door.

use std::{net::IpAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::timeout,
};

use super::*;
use crate::gate::Denied;

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

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_and_publishers_outlive_their_router() {
    let (deliveries, _store) = mpsc::channel(8);
    let stop = CancellationToken::new();
    let config = Config::default();
    let broker = Broker::start(config, Arc::new(Open), deliveries, stop.clone()).unwrap();
    let tasks = TaskTracker::new();
    let mut publisher = Client::connect(&broker, &tasks, b'p').await;
    let mut subscriber = Client::connect(&broker, &tasks, b's').await;
    subscriber.send(b"\x82\x17\0\x09\0\x12komandorr/status/+\0").await;
    assert_eq!(subscriber.packet().await, [0x90, 3, 0, 9, 0]);
    publisher.status("online").await;
    assert!(subscriber.hears("online").await);
    for round in 0..3 {
        broker.core.fanout.kill_router();
        // Said while no router lives, it is heard all the same.
        publisher.status("offline").await;
        while !subscriber.hears("offline").await {}
        let restarted = async {
            while broker.metrics().router_restarts <= round {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(1), restarted).await.expect("the router stays dead");
        publisher.status("online").await;
        while !subscriber.hears("online").await {}
        let mut late = Client::connect(&broker, &tasks, b'l').await;
        late.send(b"\x82\x17\0\x09\0\x12komandorr/status/a\0").await;
        assert_eq!(late.packet().await, [0x90, 3, 0, 9, 0]);
        assert!(late.hears("online").await);
    }
    assert!(broker.is_healthy());
    stop.cancel();
    broker.closed().await;
}
