//! What a client sends, once it has been let in.

use std::{
    mem,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Instant, SystemTime},
};

use bytes::{Buf, Bytes, BytesMut};
use komandorr_wire::{
    Message, ServiceId,
    topic::{self, Topic},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc::error::TrySendError,
};

use super::{
    end::End,
    session::{Session, Waiting},
};
use crate::{
    fanout::{Envelope, feed::Kind},
    metrics::{Held, Refused},
    protocol::{self, Packet, Publish, reason},
    rules::Target,
};

/// A delivery is handed over at the latest with this many messages or bytes.
const BATCH_MESSAGES: usize = 1_000;
const BATCH_BYTES: usize = 256 * 1024;

/// So many payloads of one length share an allocation.
const SHARED: usize = 8;

/// What became of a packet.
enum Taken {
    Yes,
    /// It stays in the buffer until the store has room.
    NotYet,
}

/// Moments that all packets of one read share.
struct Arrival {
    now: Instant,
    unix_ms: i64,
    copies: Vec<Envelope>,
    /// How much has been read, bytes: the payloads in it take no more.
    input: usize,
    /// Room for the payloads, which share it: one allocation and not one each.
    payloads: BytesMut,
}

impl Arrival {
    fn copy(&mut self, payload: &[u8]) -> Bytes {
        if self.payloads.capacity() < payload.len() {
            // Bounded by what the payload counts for: it may keep all of it.
            let room = self.input.min(payload.len().saturating_mul(SHARED));
            self.payloads = BytesMut::with_capacity(room);
        }
        self.payloads.extend_from_slice(payload);
        self.payloads.split().freeze()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Takes apart what has been read.
    pub(super) fn take_packets(&mut self) -> Result<(), End> {
        self.more = false;
        if self.io.input.is_empty() {
            return Ok(());
        }
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let unix_ms = since_1970.map_or(0, |t| i64::try_from(t.as_millis()).unwrap_or(i64::MAX));
        let mut arrival = Arrival {
            now: Instant::now(),
            unix_ms,
            copies: Vec::new(),
            input: self.io.input.len(),
            payloads: BytesMut::new(),
        };
        // Taken out, so that packets can borrow from it while the session acts.
        let mut input = mem::take(&mut self.io.input);
        let mut used = 0;
        let result = self.take_from(&input, &mut used, &mut arrival);
        input.advance(used);
        self.io.input = input;
        if !arrival.copies.is_empty() {
            self.core.fanout.publish(arrival.copies);
        }
        result
    }

    fn take_from(
        &mut self,
        input: &[u8],
        used: &mut usize,
        arrival: &mut Arrival,
    ) -> Result<(), End> {
        let limit = self.core.config.packet_limit();
        while self.has_window() {
            self.more = self.window.batched() >= BATCH_MESSAGES
                || self.window.batched_bytes() >= BATCH_BYTES;
            if self.more {
                break;
            }
            let Some(frame) = protocol::frame(input.get(*used..).unwrap_or_default(), limit)?
            else {
                break;
            };
            let packet = protocol::decode(&frame, Some(self.version))?;
            if let Taken::NotYet = self.take(packet, arrival)? {
                break;
            }
            *used += frame.len;
            self.last_packet = tokio::time::Instant::from_std(arrival.now);
        }
        Ok(())
    }

    fn take(&mut self, packet: Packet<'_>, arrival: &mut Arrival) -> Result<Taken, End> {
        match packet {
            Packet::Publish(publish) => return self.publish(&publish, arrival),
            Packet::PubAck { packet_id } => {
                // One that we do not know is none of the router's business
                // and does no harm.
                self.inflight.ids.remove(&packet_id);
            }
            Packet::Subscribe { packet_id, filters } => self.subscribe(packet_id, &filters),
            Packet::Unsubscribe { packet_id, filters } => self.unsubscribe(packet_id, &filters),
            Packet::PingReq => protocol::pingresp(&mut self.io.output),
            Packet::Disconnect { with_will: false } => return Err(End::Left),
            Packet::Disconnect { with_will: true } => return Err(End::LeftWithWill),
            Packet::Connect(_) => {
                return Err(protocol::Violation::Protocol("a second CONNECT").into());
            }
        }
        Ok(Taken::Yes)
    }

    fn publish(&mut self, publish: &Publish<'_>, arrival: &mut Arrival) -> Result<Taken, End> {
        // Mostly to the same topic as before: then it is not taken apart again.
        let id = publish.topic.strip_prefix(topic::ALL_TRAFFIC.trim_end_matches('+'));
        if let Some(service) = self.usual.clone().filter(|usual| id == Some(usual.as_str())) {
            return self.traffic(service, publish, arrival);
        }
        let target = self.core.rules.publish(self.seat.live.identity(), publish.topic);
        match target.map_err(|_refusal| End::PublishRefused(shown(publish.topic)))? {
            Target::Service(Topic::Traffic(service)) => {
                self.usual = Some(service.clone());
                return self.traffic(service, publish, arrival);
            }
            Target::Service(Topic::Status(service)) => self.status(&service, publish, arrival)?,
            Target::Greeting => self.greeting(publish, arrival),
        }
        Ok(Taken::Yes)
    }

    fn traffic(
        &mut self,
        service: ServiceId,
        publish: &Publish<'_>,
        arrival: &mut Arrival,
    ) -> Result<Taken, End> {
        let core = &self.core;
        let cost = core.intake.cost(publish.payload.len());
        let Some(bytes) = self
            .credit
            .take()
            .or_else(|| Arc::clone(&core.intake.budget).try_acquire_many_owned(cost).ok())
        else {
            core.counters.hold(Held::Bytes);
            let budget = Arc::clone(&core.intake.budget);
            let permit = async move { budget.acquire_many_owned(cost).await.ok() };
            self.waiting = Waiting::Budget(Box::pin(permit));
            return Ok(Taken::NotYet);
        };
        if !core.gatekeeper.admit(self.seat.live.identity(), &service) {
            return Err(End::Unregistered(service.to_string()));
        }
        core.counters.publishes.fetch_add(1, Relaxed);
        let payload = if core.fanout.is_wanted(Kind::Traffic) {
            let flags = (publish.qos == 1, false);
            let from = (self.seat.live.number, 0);
            let copy = Envelope::new(Kind::Traffic, &service, publish.payload, flags, from);
            let payload = copy.payload();
            arrival.copies.push(copy);
            payload
        } else {
            arrival.copy(publish.payload)
        };
        let message = Message { service, payload, arrived_ms: arrival.unix_ms };
        let packet_id = (publish.qos == 1).then_some(publish.packet_id);
        self.window.take(message, bytes, packet_id, arrival.now);
        Ok(Taken::Yes)
    }

    fn status(
        &mut self,
        service: &ServiceId,
        publish: &Publish<'_>,
        arrival: &mut Arrival,
    ) -> Result<(), End> {
        if !self.core.is_registered(self.seat.live.identity(), service) {
            return Err(End::Unregistered(service.to_string()));
        }
        self.core.counters.publishes.fetch_add(1, Relaxed);
        let flags = (publish.qos == 1, publish.retain);
        let number = self.seat.live.number;
        let code = match self.core.set_status(service, publish.payload, flags, number) {
            Ok(copy) => {
                arrival.copies.extend(copy);
                reason::SUCCESS
            }
            Err(why) => {
                self.core.counters.refuse(why);
                match why {
                    Refused::Retained => reason::QUOTA_EXCEEDED,
                    _ => reason::PAYLOAD_FORMAT_INVALID,
                }
            }
        };
        self.answer(publish, code, arrival);
        Ok(())
    }

    fn greeting(&mut self, publish: &Publish<'_>, arrival: &mut Arrival) {
        self.core.counters.publishes.fetch_add(1, Relaxed);
        let number = self.seat.live.number;
        arrival.copies.extend(self.core.greet(publish.payload, publish.qos == 1, number));
        self.answer(publish, reason::SUCCESS, arrival);
    }

    /// Acknowledges what does not go to the store, in its turn.
    fn answer(&mut self, publish: &Publish<'_>, code: u8, arrival: &Arrival) {
        if publish.qos == 1 {
            self.window.answer(publish.packet_id, code, arrival.now);
        }
        // Its turn may be now.
        self.window.slot.wake.notify_one();
    }

    /// Hands what has been taken to the store, or begins to wait for a place.
    pub(super) fn hand_over(&mut self) -> Result<(), End> {
        let waits = self.draining || matches!(self.waiting, Waiting::Store(_));
        if self.window.batched() == 0 || waits {
            return Ok(());
        }
        match self.core.intake.deliveries.clone().try_reserve_owned() {
            Ok(place) => {
                self.core.intake.hand_over(place, &mut self.window);
                if !self.io.input.is_empty() {
                    // There may be more in the buffer than one delivery takes.
                    self.window.slot.wake.notify_one();
                }
            }
            Err(TrySendError::Full(deliveries)) => {
                self.core.counters.hold(Held::Store);
                // Waiting for budget meanwhile makes no sense: what waits in
                // the batch holds some of it.
                let place = async move { deliveries.reserve_owned().await.ok() };
                self.waiting = Waiting::Store(Box::pin(place));
            }
            Err(TrySendError::Closed(_)) => return Err(End::StoreGone),
        }
        Ok(())
    }
}

/// A name from outside, cut for the log.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(100).collect()
}
