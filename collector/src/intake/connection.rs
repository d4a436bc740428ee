//! One connection to the broker, from its beginning to its end.

use std::{future::pending, sync::Arc, time::Duration};

use jiff::Timestamp;
use komandorr_wire::{Delivery, Message, topic};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Intake,
    access::WINDOW,
    dialect::{self, Client, Event, EventLoop, Incoming, Version},
    explain::{Ended, Ending},
    receipt::{Receipt, Settled},
};

/// What the servers of one broker share: each message goes to one of them.
const SHARED: &str = "$share/komandorr/";
/// Acknowledgements and orders that wait to be written.
const REQUESTS: usize = WINDOW as usize + 8;
/// A poll that takes longer hangs in a write to a dead peer: pings alone end
/// one earlier.
pub(super) const STUCK: Duration = Duration::from_secs(45);
/// Time for the last acknowledgements when the server stops.
const FAREWELL: Duration = Duration::from_secs(1);

impl Intake {
    /// Connects and hands on what comes, until `stop` (`Ok`) or until the
    /// connection ends, with the reason.
    pub(super) async fn connection(
        &self,
        version: Version,
        deliveries: &mpsc::Sender<Delivery>,
        stop: &CancellationToken,
    ) -> Result<(), Ended> {
        let (client, eventloop) = dialect::open(&self.access, version, REQUESTS);
        let (back, settled) = mpsc::unbounded_channel();
        let (filter, answered) = (String::new(), false);
        let orders = client.clone();
        let inward =
            Inward { intake: self, client: orders, filter, deliveries, back, answered, strange: 0 };
        // Two loops that are never interrupted: an interrupted poll may have
        // taken an acknowledgement and not written it.
        tokio::select! {
            ended = inward.run(eventloop, stop) => ended,
            Err(trouble) = acknowledge(client, settled, deliveries, stop) => Err(trouble.into()),
            () = overdue(self, stop) => Ok(()),
        }
    }
}

/// Ends what does not end by itself after `stop`.
async fn overdue(intake: &Intake, stop: &CancellationToken) {
    stop.cancelled().await;
    if intake.is_connected() {
        sleep(FAREWELL).await;
    }
}

/// Acknowledges what is settled; after `stop` says farewell.
async fn acknowledge(
    client: Client,
    mut settled: mpsc::UnboundedReceiver<Settled>,
    deliveries: &mpsc::Sender<Delivery>,
    stop: &CancellationToken,
) -> Result<(), String> {
    loop {
        let next = tokio::select! {
            biased;
            next = settled.recv() => next,
            () = stop.cancelled() => None,
        };
        match next {
            Some(Settled::Acknowledge(0)) => {}
            Some(Settled::Acknowledge(packet)) => client.acknowledge(packet).await,
            // While the server stops, what is not stored stays at the broker.
            Some(Settled::Dropped) if deliveries.is_closed() => {}
            Some(Settled::Dropped) => {
                return Err("a message could not be stored and has to come again".to_owned());
            }
            None => {
                client.disconnect().await;
                return pending().await;
            }
        }
    }
}

/// Reads one connection.
struct Inward<'a> {
    intake: &'a Intake,
    client: Client,
    /// What it has subscribed to.
    filter: String,
    deliveries: &'a mpsc::Sender<Delivery>,
    back: mpsc::UnboundedSender<Settled>,
    /// The broker has let us in.
    answered: bool,
    /// Messages on topics that name no service.
    strange: u64,
}

impl Inward<'_> {
    async fn run(
        mut self,
        mut eventloop: EventLoop,
        stop: &CancellationToken,
    ) -> Result<(), Ended> {
        loop {
            let polled = timeout(STUCK, eventloop.poll()).await;
            let event = polled.map_err(|_elapsed| Ended::from("it has fallen silent"))?;
            match event.map_err(|ended| self.ended(ended))? {
                Event::Connected { shares } => self.subscribe(shares)?,
                Event::Subscribed(quality) => {
                    self.granted(quality)?;
                    self.intake.connected();
                }
                Event::Message(message) => self.deliver(message, stop).await,
                Event::Farewell => return Ok(()),
                Event::Other => {}
            }
        }
    }

    /// Once the broker has answered, its end tells nothing of its version.
    fn ended(&self, ended: Ended) -> Ended {
        if self.answered { Ended { ending: Ending::Other, ..ended } } else { ended }
    }

    /// Subscribes anew on every connection: a broker that lost the session, or
    /// its shared subscriptions, has it again.
    fn subscribe(&mut self, shares: bool) -> Result<(), String> {
        self.answered = true;
        let group = if shares { SHARED } else { "" };
        if !shares {
            tracing::warn!(broker = %self.intake.url(), "the broker has no shared subscriptions: only one server may be its client, or each stores everything");
        }
        self.filter = format!("{group}{}", topic::ALL_TRAFFIC);
        self.client.subscribe(self.filter.clone())
    }

    /// Whether the subscription is there, at the quality that it needs.
    fn granted(&self, quality: Result<u8, String>) -> Result<(), String> {
        match quality {
            Ok(0) => Err("it grants only QoS 0, which loses samples; allow QoS 1 there".to_owned()),
            Ok(_) => Ok(()),
            Err(code) => Err(format!(
                "it refuses the subscription to {} ({code}); allow it there",
                self.filter
            )),
        }
    }

    /// Hands a message on. Waits when the store takes no more, which at QoS 1
    /// the broker's window prevents. Messages that come when the collector
    /// has stopped are left to the broker.
    async fn deliver(&mut self, message: Incoming, stop: &CancellationToken) {
        let parsed = std::str::from_utf8(&message.topic).ok().and_then(topic::Topic::parse);
        let Some(topic::Topic::Traffic(service)) = parsed else {
            return self.strange(&message);
        };
        let delivery = Delivery {
            messages: vec![Message {
                service,
                payload: message.payload,
                arrived_ms: Timestamp::now().as_millisecond(),
            }],
            settle: Arc::new(Receipt::new(message.packet, self.back.clone())),
        };
        tokio::select! {
            sent = self.deliveries.send(delivery) => drop(sent),
            () = stop.cancelled() => {}
        }
    }

    /// Acknowledges a message that belongs to no service: nobody can ever
    /// store it. In the log when their number doubles.
    fn strange(&mut self, message: &Incoming) {
        self.strange += 1;
        if self.strange.is_power_of_two() {
            let topic: String = String::from_utf8_lossy(&message.topic).chars().take(200).collect();
            tracing::warn!(
                topic,
                count = self.strange,
                "not stored: the topic names no valid service id"
            );
        }
        drop(self.back.send(Settled::Acknowledge(message.packet)));
    }
}
