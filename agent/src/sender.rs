//! The sender: which stored samples go out next, and what became of them.
//!
//! Two lanes share a connection. A new sample goes out at once on the live
//! lane; what an outage has left follows in arrays on the other one, the
//! oldest first. So the newest state is seen first, and neither lane starves.

use std::{collections::HashMap, io};

use komandorr_wire::{MAX_SAMPLES_PER_PAYLOAD, topic};

use crate::{
    spool::{Cursor, Newest, Ranges, Room, Spool},
    uplink::{Link, MessageId},
};

/// Live samples under way at once. With more the server is behind, and the
/// rest follows in arrays.
const LIVE: usize = 6;
/// Arrays under way at once: one on the way while the other is stored.
const ARRAYS: usize = 2;
/// Bytes of an array: catching up must not need much memory on either side.
const ARRAY_BYTES: usize = 192 << 10;
/// What arrays are cut down to at the least where connections break under them.
const LEAST_ARRAY_BYTES: usize = 4 << 10;

/// What a message carried.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sent {
    Live(u64),
    Array(Vec<(u64, u64)>),
    Status,
}

/// Publishes what the spool holds.
#[derive(Debug, Default)]
pub(crate) struct Sender {
    link: Option<Link>,
    sent: HashMap<MessageId, Sent>,
    under_way: Ranges,
    cursor: Cursor,
    /// How often arrays were halved.
    halvings: u32,
    /// The server has taken an array on this connection.
    takes_arrays: bool,
    newest: Option<Newest>,
    /// Samples up to this one are sent one by one: one of them was refused in
    /// an array.
    one_by_one: u64,
    refused: u64,
}

impl Sender {
    /// A connection: says so, then sends the newest sample before the rest.
    pub(crate) fn connected(&mut self, link: Link, spool: &mut Spool) -> io::Result<()> {
        self.lost();
        self.link = Some(link);
        self.status(topic::ONLINE);
        self.send(spool)
    }

    /// The connection is gone, and with it every answer that was still due.
    ///
    /// Where it breaks under the first array, that one may be the reason: brokers
    /// have limits that they do not tell, and slow lines none of them pass in
    /// time. So the next connection tries it with less.
    pub(crate) fn lost(&mut self) {
        if self.arrays() > 0 && !self.takes_arrays {
            self.halvings = self.halvings.saturating_add(1);
        }
        self.takes_arrays = false;
        self.link = None;
        self.sent.clear();
        self.under_way = Ranges::default();
        self.cursor = Cursor::default();
    }

    /// Whether there is a connection.
    pub(crate) fn is_connected(&self) -> bool {
        self.link.is_some()
    }

    /// Whether a message that is on its way carries samples.
    pub(crate) fn carries_samples(&self, id: MessageId) -> bool {
        self.sent.get(&id).is_some_and(|sent| *sent != Sent::Status)
    }

    /// Whether an answer to a message is still due.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.sent.is_empty()
    }

    /// Publishes presence.
    pub(crate) fn status(&mut self, status: &'static str) {
        if let Some(id) = self.link.as_mut().and_then(|link| link.status(status)) {
            self.sent.insert(id, Sent::Status);
        }
    }

    /// Ends the connection in order.
    pub(crate) fn disconnect(&mut self) {
        if let Some(link) = &self.link {
            link.disconnect();
        }
    }

    /// A sample was stored: sends it.
    pub(crate) fn stored(&mut self, newest: Option<Newest>, spool: &mut Spool) -> io::Result<()> {
        self.newest = newest;
        self.send(spool)
    }

    /// The server has a message: the spool need not keep it any more.
    pub(crate) fn acknowledged(&mut self, id: MessageId, spool: &mut Spool) -> io::Result<()> {
        match self.settle(id) {
            Some(Sent::Live(number)) => spool.acknowledge(&[(number, number)]),
            Some(Sent::Array(numbers)) => {
                spool.acknowledge(&numbers);
                self.takes_arrays = true;
            }
            Some(Sent::Status) | None => {}
        }
        if spool.waiting().is_empty() {
            // The next outage finds another day.
            self.halvings = 0;
        }
        self.send(spool)
    }

    /// The server can never take a message. Of an array it may be one sample
    /// only, so they are tried one by one.
    pub(crate) fn refused(&mut self, id: MessageId, spool: &mut Spool) -> io::Result<()> {
        match self.settle(id) {
            Some(Sent::Live(number)) => self.give_up(&[(number, number)], spool),
            Some(Sent::Array(numbers)) => match numbers.as_slice() {
                [(first, last)] if first == last => self.give_up(&numbers, spool),
                many => {
                    self.one_by_one = many.last().map_or(0, |&(_, last)| last);
                    self.cursor = Cursor::default();
                }
            },
            Some(Sent::Status) | None => {}
        }
        self.send(spool)
    }

    fn give_up(&mut self, numbers: &[(u64, u64)], spool: &mut Spool) {
        self.refused += 1;
        tracing::error!(
            refused = self.refused,
            "the server refuses a sample as invalid; it is not sent again. Is the server older \
             than this agent?"
        );
        spool.acknowledge(numbers);
    }

    fn settle(&mut self, id: MessageId) -> Option<Sent> {
        let sent = self.sent.remove(&id)?;
        if let Some(link) = &mut self.link {
            link.settled();
        }
        match &sent {
            Sent::Live(number) => drop(self.under_way.remove(*number, *number)),
            Sent::Array(numbers) => {
                for &(first, last) in numbers {
                    self.under_way.remove(first, last);
                }
            }
            Sent::Status => {}
        }
        Some(sent)
    }

    /// Fills both lanes.
    fn send(&mut self, spool: &mut Spool) -> io::Result<()> {
        if self.link.is_none() {
            return Ok(());
        }
        self.send_newest(spool);
        while spool.waiting().len() > self.under_way.len() && self.arrays() < ARRAYS {
            let one = spool.waiting().first().is_some_and(|first| first <= self.one_by_one);
            let room = Room {
                samples: if one { 1 } else { MAX_SAMPLES_PER_PAYLOAD },
                bytes: self.array_bytes(),
            };
            let Some(batch) = spool.batch(&mut self.cursor, &self.under_way, room)? else { break };
            let Some(id) = self.link.as_mut().and_then(|link| link.samples(batch.payload)) else {
                // The connection is going down, which its event will say.
                break;
            };
            for &(first, last) in &batch.numbers {
                self.under_way.insert(first, last);
            }
            self.sent.insert(id, Sent::Array(batch.numbers));
        }
        Ok(())
    }

    fn send_newest(&mut self, spool: &Spool) {
        let live = self.sent.values().filter(|sent| matches!(sent, Sent::Live(_))).count();
        let Some(newest) = self.newest.take_if(|_| live < LIVE) else { return };
        if !spool.waiting().contains(newest.number) || self.under_way.contains(newest.number) {
            return;
        }
        let payload = spool.to_send(&newest);
        match self.link.as_mut().and_then(|link| link.samples(payload)) {
            Some(id) => {
                self.under_way.insert(newest.number, newest.number);
                self.sent.insert(id, Sent::Live(newest.number));
            }
            None => self.newest = Some(newest),
        }
    }

    /// Most bytes of an array: what is left of its size, and no more than the
    /// broker takes.
    fn array_bytes(&self) -> usize {
        let halved = ARRAY_BYTES.checked_shr(self.halvings).unwrap_or_default();
        halved.max(LEAST_ARRAY_BYTES).min(self.link.as_ref().map_or(0, Link::most_bytes))
    }

    fn arrays(&self) -> usize {
        self.sent.values().filter(|sent| matches!(sent, Sent::Array(_))).count()
    }
}
