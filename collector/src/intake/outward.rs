//! What the server itself publishes to another broker: one message after the
//! other, each until the broker has acknowledged it. From there it comes back
//! like any other.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use komandorr_wire::{ServiceId, topic};
use rumqttc::{AsyncClient, Event, EventLoop, Packet, QoS};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{access::Access, connection::STUCK, explain::explain_311};

/// Messages that may wait for the broker.
const WAITING: usize = 64;
/// Pause before the next attempt to connect.
const PAUSE: Duration = Duration::from_secs(1);

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The broker has it, for a server that subscribes.
    Taken,
    /// It is not there, and why; it may be sent again later.
    NotTaken(String),
}

/// A message on its way.
#[derive(Debug)]
struct Order {
    topic: String,
    payload: Bytes,
    told: oneshot::Sender<Sent>,
}

/// The way out. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Outward {
    orders: mpsc::Sender<Order>,
    waiting: Arc<Mutex<mpsc::Receiver<Order>>>,
}

impl Outward {
    pub(super) fn new() -> Self {
        let (orders, waiting) = mpsc::channel(WAITING);
        Self { orders, waiting: Arc::new(Mutex::new(waiting)) }
    }

    /// Returns when the broker has answered, however long that takes.
    pub(super) async fn publish(&self, service: &ServiceId, payload: Bytes) -> Sent {
        let stopped = || Sent::NotTaken("the server stops".to_owned());
        let (told, answer) = oneshot::channel();
        let order = Order { topic: topic::traffic(service), payload, told };
        if self.orders.send(order).await.is_err() {
            return stopped();
        }
        answer.await.unwrap_or_else(|_| stopped())
    }

    /// Sends what is ordered, until `stop`. Connects when there is something
    /// to send.
    pub(super) async fn run(&self, access: &Access, stop: CancellationToken) {
        let mut orders = self.waiting.lock().await;
        let mut next = None;
        let work = async {
            loop {
                if next.is_none() {
                    next = orders.recv().await;
                }
                let (client, mut eventloop) = AsyncClient::new(access.fleeting("out"), WAITING);
                eventloop.set_network_options(Access::network());
                let connection = Box::pin(connection(client, eventloop, &mut orders, &mut next));
                let trouble = connection.await;
                // Without a message that waits, nobody misses the connection.
                if next.is_none() {
                    continue;
                }
                tracing::warn!(broker = %access.url, reason = trouble, "what was posted here does not reach the broker; it is tried again");
                sleep(PAUSE).await;
            }
        };
        stop.run_until_cancelled(work).await;
        orders.close();
    }
}

/// Sends over one connection until it ends; says why it did. The message that
/// was not acknowledged stays in `next`.
async fn connection(
    client: AsyncClient,
    mut eventloop: EventLoop,
    orders: &mut mpsc::Receiver<Order>,
    next: &mut Option<Order>,
) -> String {
    let (acknowledged, mut acknowledgements) = mpsc::unbounded_channel();
    let reading = async {
        loop {
            match timeout(STUCK, eventloop.poll()).await {
                Ok(Ok(Event::Incoming(Packet::PubAck(_)))) => drop(acknowledged.send(())),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return explain_311(&error).reason,
                Err(_elapsed) => return "it has fallen silent".to_owned(),
            }
        }
    };
    let sending = async {
        loop {
            if next.is_none() {
                *next = orders.recv().await;
            }
            let Some(order) = next.as_ref() else { return "the server stops".to_owned() };
            let (topic, payload) = (order.topic.clone(), order.payload.to_vec());
            if let Err(error) = client.publish(topic, QoS::AtLeastOnce, false, payload).await {
                return error.to_string();
            }
            if acknowledgements.recv().await.is_none() {
                return "it does not acknowledge".to_owned();
            }
            if let Some(order) = next.take() {
                // Whoever ordered it may have gone.
                drop(order.told.send(Sent::Taken));
            }
        }
    };
    tokio::select! {
        trouble = reading => trouble,
        trouble = sending => trouble,
    }
}
