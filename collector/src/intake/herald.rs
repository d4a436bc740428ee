//! Publishes notices, retained, at another broker: what is new or different,
//! and after every connection all of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use komandorr_wire::{ServiceId, topic};
use parking_lot::Mutex;
use rumqttc::{AsyncClient, ClientError, Event, EventLoop, Packet, Publish, QoS};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Intake, access::Access, connection::STUCK, explain::explain_311};

/// Notices that wait to be written.
const ORDERS: usize = 64;

/// Notices by topic; empty: to be cleared.
type Notices = BTreeMap<String, Bytes>;

/// Tells another broker, retained, what the server has to say. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Herald {
    access: Arc<Access>,
    wanted: Arc<watch::Sender<Notices>>,
    /// Services whose agents have said that they are there or gone.
    present: Arc<Mutex<BTreeSet<ServiceId>>>,
}

impl Intake {
    /// One that publishes at the same broker.
    pub fn herald(&self) -> Herald {
        let (access, wanted) = (Arc::clone(&self.access), Arc::default());
        Herald { access, wanted, present: Arc::default() }
    }
}

impl Herald {
    /// Puts these notices in the place of the ones before.
    pub fn set(&self, notices: &Notices) {
        self.wanted.send_if_modified(|wanted| {
            let gone = wanted.keys().filter(|topic| !notices.contains_key(*topic));
            // What is to be cleared stays, for a broker that is away just now.
            let cleared = gone.map(|topic| (topic.clone(), Bytes::new()));
            let next: Notices = cleared.chain(notices.clone()).collect();
            let modified = next != *wanted;
            *wanted = next;
            modified
        });
    }

    /// The services whose status is known there.
    pub fn with_status(&self) -> Vec<ServiceId> {
        self.present.lock().iter().cloned().collect()
    }

    /// Connects, again and again, until `stop`. What stands at the broker then
    /// stays there.
    pub async fn run(self, stop: CancellationToken) {
        let work = async {
            let mut last = String::new();
            loop {
                let trouble = self.connection().await;
                if trouble != last {
                    tracing::warn!(broker = %self.access.url, reason = trouble, "notices cannot be published: it is tried again until it works");
                }
                last = trouble;
                sleep(super::LONGEST_PAUSE.mul_f64(rand::random_range(0.1..=0.2))).await;
            }
        };
        Box::pin(stop.run_until_cancelled(work)).await;
    }

    /// One connection to its end; tells why it ended.
    async fn connection(&self) -> String {
        let (client, mut events) = AsyncClient::new(self.access.fleeting("notices"), ORDERS);
        events.set_network_options(Access::network());
        match timeout(STUCK, events.poll()).await {
            Ok(Ok(_connack)) => {}
            Ok(Err(error)) => return explain_311(&error).reason,
            Err(_elapsed) => return "no answer".to_owned(),
        }
        self.present.lock().clear();
        // Neither is interrupted before the connection ends.
        tokio::select! {
            trouble = self.listen(events) => trouble,
            Err(error) = self.tell(client) => error.to_string(),
        }
    }

    /// Keeps the connection going, and notes who is present.
    async fn listen(&self, mut events: EventLoop) -> String {
        loop {
            match timeout(STUCK, events.poll()).await {
                Ok(Ok(Event::Incoming(Packet::Publish(publish)))) => self.note(&publish),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return explain_311(&error).reason,
                Err(_elapsed) => return "it has fallen silent".to_owned(),
            }
        }
    }

    fn note(&self, publish: &Publish) {
        let Some(topic::Topic::Status(service)) = topic::Topic::parse(&publish.topic) else {
            return;
        };
        let mut present = self.present.lock();
        if publish.payload.is_empty() {
            present.remove(&service);
        } else {
            present.insert(service);
        }
    }

    /// Publishes what is different from what stands, again and again.
    async fn tell(&self, client: AsyncClient) -> Result<(), ClientError> {
        client.subscribe(topic::ALL_STATUS, QoS::AtLeastOnce).await?;
        let mut wanted = self.wanted.subscribe();
        let mut standing = Notices::new();
        loop {
            let next = wanted.borrow_and_update().clone();
            for (topic, payload) in &next {
                if standing.get(topic) != Some(payload) {
                    let payload = payload.to_vec();
                    client.publish(topic, QoS::AtLeastOnce, true, payload).await?;
                }
            }
            standing = next;
            if wanted.changed().await.is_err() {
                return Ok(());
            }
        }
    }
}
