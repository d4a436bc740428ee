//! The router's own topics and filters: a fixed set, whatever clients ask for.
//!
//! rumqttd keeps a log for every filter it has ever seen and a map entry for
//! every topic, for ever. So a message's real topic travels inside its
//! envelope, and the router sees traffic in [`PARTS`] parts (by service), and
//! status, and notices. A subscriber of all services takes the feed of all
//! parts; one of a single service takes its part and drops the rest itself.

use bytes::Bytes;
use komandorr_wire::ServiceId;

/// The kinds of topics of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Traffic = 0,
    Status = 1,
    /// What the server itself tells.
    Notice = 2,
}

/// Something about each kind, in their order.
pub(crate) type ByKind<T> = [T; 3];

/// In how many parts traffic is divided: what a subscriber of one service has
/// to look through, against one log each.
pub(crate) const PARTS: u8 = 8;

/// The router's topic for each part.
const PART_TOPICS: [&str; PARTS as usize] =
    ["t/0", "t/1", "t/2", "t/3", "t/4", "t/5", "t/6", "t/7"];

/// What a link can subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Feed {
    AllTraffic,
    Part(u8),
    Status,
    Notices,
    /// The supervisor's own.
    Probe,
}

impl Feed {
    /// The feed of one service's traffic.
    pub(crate) fn of(service: &ServiceId) -> Self {
        let sum = service.as_str().bytes().fold(0_u8, |sum, b| sum.wrapping_mul(31) ^ b);
        Self::Part(sum % PARTS)
    }

    /// The filter that the router knows it by.
    pub(super) fn filter(self) -> &'static str {
        match self {
            Self::AllTraffic => "t/+",
            Self::Part(n) => PART_TOPICS.get(usize::from(n)).copied().unwrap_or("t/0"),
            Self::Status => "s",
            Self::Notices => "n",
            Self::Probe => "p",
        }
    }

    /// The topic under which messages are given to it.
    pub(super) fn topic(self) -> Bytes {
        Bytes::from_static(self.filter().as_bytes())
    }
}
