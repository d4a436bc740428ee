//! One connection to the broker, from its beginning to its end.

use std::{future::pending, sync::Arc, time::Duration};

use jiff::Timestamp;
use komandorr_wire::{Delivery, Message, topic};
use rumqttc::{
    Outgoing,
    v5::{
        AsyncClient, Event, EventLoop, Incoming,
        mqttbytes::{
            QoS,
            v5::{ConnAck, Publish, SubAck, SubscribeReasonCode},
        },
    },
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Intake,
    access::WINDOW,
    explain::explain,
    receipt::{Receipt, Settled},
};

/// What the servers of one broker share: each message goes to one of them.
const SHARED: &str = "$share/komandorr/";
/// Acknowledgements and orders that wait to be written.
const REQUESTS: usize = WINDOW as usize + 8;
/// A poll that takes longer hangs in a write to a dead peer: pings alone end
/// one earlier.
const STUCK: Duration = Duration::from_secs(45);
/// Time for the last acknowledgements when the server stops.
const FAREWELL: Duration = Duration::from_secs(1);

impl Intake {
    /// Connects and hands on what comes, until `stop` (`Ok`) or until the
    /// connection ends, with the reason.
    pub(super) async fn connection(
        &self,
        deliveries: &mpsc::Sender<Delivery>,
        stop: &CancellationToken,
    ) -> Result<(), String> {
        let (client, eventloop) = AsyncClient::new(self.access.options(), REQUESTS);
        let (back, settled) = mpsc::unbounded_channel();
        let inward = Inward { intake: self, client: client.clone(), deliveries, back, strange: 0 };
        // Two loops that are never interrupted: an interrupted poll may have
        // taken an acknowledgement and not written it.
        tokio::select! {
            ended = inward.run(eventloop, stop) => ended,
            Err(trouble) = acknowledge(client, settled, deliveries, stop) => Err(trouble),
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
    client: AsyncClient,
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
            // Fails only when the connection is gone, which the other loop says.
            Some(Settled::Acknowledge(pkid)) => {
                let publish = Publish { pkid, qos: QoS::AtLeastOnce, ..Publish::default() };
                drop(client.ack(&publish).await);
            }
            // While the server stops, what is not stored stays at the broker.
            Some(Settled::Dropped) if deliveries.is_closed() => {}
            Some(Settled::Dropped) => {
                return Err("a message could not be stored and has to come again".to_owned());
            }
            None => {
                drop(client.disconnect().await);
                return pending().await;
            }
        }
    }
}

/// Reads one connection.
struct Inward<'a> {
    intake: &'a Intake,
    client: AsyncClient,
    deliveries: &'a mpsc::Sender<Delivery>,
    back: mpsc::UnboundedSender<Settled>,
    /// Messages on topics that name no service.
    strange: u64,
}

impl Inward<'_> {
    async fn run(
        mut self,
        mut eventloop: EventLoop,
        stop: &CancellationToken,
    ) -> Result<(), String> {
        loop {
            let polled = timeout(STUCK, eventloop.poll()).await;
            let event = polled.map_err(|_elapsed| "it has fallen silent".to_owned())?;
            match event.map_err(|error| explain(&error))? {
                Event::Incoming(Incoming::ConnAck(connack)) => self.subscribe(&connack)?,
                Event::Incoming(Incoming::SubAck(suback)) => {
                    granted(&suback)?;
                    self.intake.connected();
                }
                Event::Incoming(Incoming::Publish(publish)) => self.deliver(publish, stop).await,
                Event::Outgoing(Outgoing::Disconnect) => return Ok(()),
                Event::Incoming(_) | Event::Outgoing(_) => {}
            }
        }
    }

    /// Subscribes anew on every connection: a broker that lost the session, or
    /// its shared subscriptions, has it again.
    fn subscribe(&self, connack: &ConnAck) -> Result<(), String> {
        let shared = connack.properties.as_ref().and_then(|p| p.shared_subscription_available);
        let filter = if shared == Some(0) {
            tracing::warn!(broker = %self.intake.url(), "the broker has no shared subscriptions: only one server may be its client, or each stores everything");
            topic::ALL_TRAFFIC.to_owned()
        } else {
            format!("{SHARED}{}", topic::ALL_TRAFFIC)
        };
        let asked = self.client.try_subscribe(filter, QoS::AtLeastOnce);
        asked.map_err(|error| format!("cannot subscribe: {error}"))
    }

    /// Hands a message on. Waits when the store takes no more, which at QoS 1
    /// the broker's window prevents. Messages that come when the collector
    /// has stopped are left to the broker.
    async fn deliver(&mut self, publish: Publish, stop: &CancellationToken) {
        let parsed = std::str::from_utf8(&publish.topic).ok().and_then(topic::Topic::parse);
        let Some(topic::Topic::Traffic(service)) = parsed else {
            return self.strange(&publish);
        };
        let delivery = Delivery {
            messages: vec![Message {
                service,
                payload: publish.payload.clone(),
                arrived_ms: Timestamp::now().as_millisecond(),
            }],
            settle: Arc::new(Receipt::new(&publish, self.back.clone())),
        };
        tokio::select! {
            sent = self.deliveries.send(delivery) => drop(sent),
            () = stop.cancelled() => {}
        }
    }

    /// Acknowledges a message that belongs to no service: nobody can ever
    /// store it. In the log when their number doubles.
    fn strange(&mut self, publish: &Publish) {
        self.strange += 1;
        if self.strange.is_power_of_two() {
            let topic: String = String::from_utf8_lossy(&publish.topic).chars().take(200).collect();
            tracing::warn!(
                topic,
                count = self.strange,
                "not stored: the topic names no valid service id"
            );
        }
        drop(self.back.send(Settled::Acknowledge(publish.pkid)));
    }
}

/// Whether the subscription is there, at the quality that it needs.
fn granted(suback: &SubAck) -> Result<(), String> {
    match suback.return_codes.first() {
        Some(SubscribeReasonCode::Success(QoS::AtLeastOnce | QoS::ExactlyOnce)) => Ok(()),
        Some(SubscribeReasonCode::Success(QoS::AtMostOnce)) => {
            Err("it grants only QoS 0, which loses samples; allow QoS 1 there".to_owned())
        }
        code => Err(format!(
            "it refuses the subscription to {SHARED}{} ({code:?}); allow it there",
            topic::ALL_TRAFFIC
        )),
    }
}
