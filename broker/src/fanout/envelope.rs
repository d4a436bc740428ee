//! A message inside the router: its real topic and flags with its payload, in
//! one allocation, which the delivery to the store shares.

use bytes::{BufMut, Bytes, BytesMut};
use komandorr_wire::ServiceId;

use super::feed::{Feed, Kind};

/// Flag bits of the first byte.
const STATUS: u8 = 1;
const QOS1: u8 = 2;
const RETAIN: u8 = 4;
const NOTICE: u8 = 8;

/// A message for subscribers. Its bytes are
/// `flags, origin (8), version (8), length of the name (2), name, payload`.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    pub(super) feed: Feed,
    pub(super) bytes: Bytes,
    head: usize,
}

/// What is in an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opened<'a> {
    pub(crate) kind: Kind,
    pub(crate) qos1: bool,
    pub(crate) retain: bool,
    /// The connection that published it.
    pub(crate) origin: u64,
    /// Of a retained message: which change it is; otherwise 0.
    pub(crate) version: u64,
    /// The service; of a notice the whole topic.
    pub(crate) name: &'a str,
    pub(crate) payload: &'a [u8],
}

/// A message's flags on the wire: `QoS` 1 and retain.
type Flags = (bool, bool);

impl Envelope {
    /// A message about a service.
    pub(crate) fn new(
        kind: Kind,
        service: &ServiceId,
        payload: &[u8],
        flags: Flags,
        from: (u64, u64),
    ) -> Self {
        let feed = if kind == Kind::Status { Feed::Status } else { Feed::of(service) };
        Self::pack(kind, feed, service.as_str(), payload, flags, from)
    }

    /// A notice of the server's, or a greeting.
    pub(crate) fn notice(topic: &str, payload: &[u8], flags: Flags, from: (u64, u64)) -> Self {
        Self::pack(Kind::Notice, Feed::Notices, topic, payload, flags, from)
    }

    fn pack(
        kind: Kind,
        feed: Feed,
        name: &str,
        payload: &[u8],
        (qos1, retain): Flags,
        (origin, version): (u64, u64),
    ) -> Self {
        let head = 19 + name.len();
        let mut bytes = BytesMut::with_capacity(head + payload.len());
        let kind = match kind {
            Kind::Traffic => 0,
            Kind::Status => STATUS,
            Kind::Notice => NOTICE,
        };
        bytes.put_u8(kind | if qos1 { QOS1 } else { 0 } | if retain { RETAIN } else { 0 });
        bytes.put_u64(origin);
        bytes.put_u64(version);
        // Topics come from packets whose own length of them has two bytes.
        bytes.put_u16(u16::try_from(name.len()).unwrap_or(u16::MAX));
        bytes.put_slice(name.as_bytes());
        bytes.put_slice(payload);
        Self { feed, bytes: bytes.freeze(), head }
    }

    /// The payload, sharing the envelope's allocation.
    pub(crate) fn payload(&self) -> Bytes {
        self.bytes.slice(self.head.min(self.bytes.len())..)
    }

    /// Reads what came back from the router.
    pub(crate) fn open(bytes: &[u8]) -> Option<Opened<'_>> {
        let (&flags, rest) = bytes.split_first()?;
        let (origin, rest) = rest.split_first_chunk::<8>()?;
        let (version, rest) = rest.split_first_chunk::<8>()?;
        let (len, rest) = rest.split_first_chunk::<2>()?;
        let (name, payload) = rest.split_at_checked(u16::from_be_bytes(*len).into())?;
        Some(Opened {
            kind: match flags & (STATUS | NOTICE) {
                0 => Kind::Traffic,
                STATUS => Kind::Status,
                _ => Kind::Notice,
            },
            qos1: flags & QOS1 != 0,
            retain: flags & RETAIN != 0,
            origin: u64::from_be_bytes(*origin),
            version: u64::from_be_bytes(*version),
            name: std::str::from_utf8(name).ok()?,
            payload,
        })
    }
}
