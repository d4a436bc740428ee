//! A message inside the router: its real topic and flags with its payload, in
//! one allocation, which the delivery to the store shares.

use bytes::{BufMut, Bytes, BytesMut};
use komandorr_wire::ServiceId;

use super::feed::{Feed, Kind};

/// Flag bits of the first byte.
const STATUS: u8 = 1;
const QOS1: u8 = 2;
const RETAIN: u8 = 4;

/// A message for subscribers. Its bytes are
/// `flags, origin (8), version (8), length of the service id (1), service id,
/// payload`.
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
    /// Of a retained status: which change it is; otherwise 0.
    pub(crate) version: u64,
    pub(crate) service: &'a str,
    pub(crate) payload: &'a [u8],
}

impl Envelope {
    pub(crate) fn new(
        kind: Kind,
        service: &ServiceId,
        payload: &[u8],
        (qos1, retain): (bool, bool),
        (origin, version): (u64, u64),
    ) -> Self {
        let id = service.as_str().as_bytes();
        let head = 18 + id.len();
        let mut bytes = BytesMut::with_capacity(head + payload.len());
        let (status, feed) = match kind {
            Kind::Traffic => (0, Feed::of(service)),
            Kind::Status => (STATUS, Feed::Status),
        };
        bytes.put_u8(status | if qos1 { QOS1 } else { 0 } | if retain { RETAIN } else { 0 });
        bytes.put_u64(origin);
        bytes.put_u64(version);
        bytes.put_u8(u8::try_from(id.len()).unwrap_or(u8::MAX));
        bytes.put_slice(id);
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
        let (&len, rest) = rest.split_first()?;
        let (service, payload) = rest.split_at_checked(usize::from(len))?;
        Some(Opened {
            kind: if flags & STATUS == 0 { Kind::Traffic } else { Kind::Status },
            qos1: flags & QOS1 != 0,
            retain: flags & RETAIN != 0,
            origin: u64::from_be_bytes(*origin),
            version: u64::from_be_bytes(*version),
            service: std::str::from_utf8(service).ok()?,
            payload,
        })
    }
}
