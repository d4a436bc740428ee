//! The other source of deliveries: a client of somebody else's MQTT broker.
//!
//! The session is persistent and the subscription shared, so that several
//! servers divide the samples among them; each message is acknowledged only
//! after its commit. A broker that speaks only MQTT 3.1.1 gets a plain
//! subscription, and can have one server only.

mod access;
mod connection;
mod dialect;
mod explain;
mod herald;
mod outward;
mod receipt;
mod url;
mod version;

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use komandorr_config::Backoff;
use komandorr_wire::{Delivery, ServiceId};
use parking_lot::Mutex;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

pub use access::IntakeError;
pub use herald::Herald;
pub use outward::Sent;
pub use url::{BrokerUrl, InvalidBrokerUrl};

use access::Access;
use outward::Outward;
use version::Spoken;

/// The pauses between attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A connection that held this long was a good one: the pauses begin anew.
const STEADY: Duration = Duration::from_secs(30);

/// A client of another broker. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Intake {
    access: Arc<Access>,
    /// Why there is no connection; `None` while there is one.
    trouble: Arc<Mutex<Option<String>>>,
    outward: Outward,
}

impl Intake {
    /// A client of the broker at `url`. Its identity there is kept in a file
    /// beside the database: the broker holds this server's messages under it.
    pub fn new(url: BrokerUrl, database: &Path) -> Result<Self, IntakeError> {
        let access = Arc::new(Access::new(url, database)?);
        let trouble = Arc::new(Mutex::new(Some("not connected yet".to_owned())));
        Ok(Self { access, trouble, outward: Outward::new() })
    }

    /// Whether samples can come in: connected, let in and subscribed.
    pub fn is_connected(&self) -> bool {
        self.trouble.lock().is_none()
    }

    /// Why samples cannot come in, in one line.
    pub fn problem(&self) -> Option<String> {
        let trouble = self.trouble.lock().clone()?;
        Some(format!("no connection to {}: {trouble}", self.access.url))
    }

    /// Where the broker is, without the credential.
    pub fn url(&self) -> &BrokerUrl {
        &self.access.url
    }

    /// Publishes a payload to a service's topic; returns when the broker has
    /// answered, however long that takes. What it has taken may come twice.
    pub async fn publish(&self, service: &ServiceId, payload: Bytes) -> Sent {
        // What comes back has to find us there.
        match self.problem() {
            Some(problem) => Sent::NotTaken(problem),
            None => self.outward.publish(service, payload).await,
        }
    }

    /// Connects, again and again, and hands on what comes, until `stop`. What
    /// is settled by then is still acknowledged; the rest stays at the broker.
    pub async fn run(self, deliveries: mpsc::Sender<Delivery>, stop: CancellationToken) {
        tokio::join!(
            self.outward.run(&self.access, stop.clone()),
            self.receive(deliveries, stop.clone()),
        );
    }

    async fn receive(&self, deliveries: mpsc::Sender<Delivery>, stop: CancellationToken) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut spoken = Spoken::default();
        loop {
            let begun = Instant::now();
            let ended = match self.connection(spoken.version(), &deliveries, &stop).await {
                Ok(()) => return,
                Err(ended) => ended,
            };
            let learning = stop.run_until_cancelled(spoken.learn(&ended, &self.access));
            match Box::pin(learning).await {
                None => return,
                Some(true) => continue,
                Some(false) => self.lost(&ended.reason, &deliveries),
            }
            if begun.elapsed() >= STEADY {
                backoff.reset();
            }
            tokio::select! {
                () = sleep(backoff.jittered()) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    fn connected(&self) {
        *self.trouble.lock() = None;
        tracing::info!(broker = %self.access.url, "connected to the broker");
    }

    /// Notes the end of a connection, or a failed attempt. An outage is one
    /// line in the log, and another when its reason becomes a different one.
    fn lost(&self, trouble: &str, deliveries: &mpsc::Sender<Delivery>) {
        let before = self.trouble.lock().replace(trouble.to_owned());
        // While the server stops, what was not stored goes back as it should.
        if before.as_deref() != Some(trouble) && !deliveries.is_closed() {
            tracing::warn!(broker = %self.access.url, reason = trouble, "no connection to the broker: samples wait there, and it is tried again until it works");
        }
    }
}
