//! Why connections end, and what is said about it.

use crate::{
    metrics::Refused,
    protocol::{Violation, reason},
    sessions::Dismissal,
};

/// The end of a connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("the client left")]
    Left,
    #[error("the client left and wants its will published")]
    LeftWithWill,
    #[error("the client closed without DISCONNECT")]
    Closed,
    #[error("the connection broke: {0}")]
    Broken(#[from] std::io::Error),
    #[error("{0}")]
    Violation(#[from] Violation),
    #[error("publish to \"{0}\" refused: not this client's topic")]
    PublishRefused(String),
    #[error("publish for \"{0}\" refused: this service is not registered")]
    Unregistered(String),
    #[error("nothing came for one and a half times the keep alive")]
    KeepAlive,
    #[error("a large packet stands halfway: the rest did not come in time")]
    Halfway,
    #[error("the client took nothing for as long as a write may take")]
    WriteTimeout,
    #[error("another connection has the same client id")]
    TakenOver,
    #[error("ended by the operator")]
    Administrative,
    #[error("the store is gone and has left messages unacknowledged")]
    StoreGone,
    #[error("the broker stops")]
    Stopping,
}

impl End {
    pub(super) fn dismissed(why: Option<Dismissal>) -> Self {
        match why {
            Some(Dismissal::TakenOver) => Self::TakenOver,
            Some(Dismissal::Administrative) => Self::Administrative,
            None => Self::Stopping,
        }
    }

    /// The reason that a client of MQTT 5 is given.
    pub(super) fn reason(&self) -> Option<u8> {
        Some(match self {
            // Nobody listens, or (write timeout) nobody takes anything.
            Self::Left
            | Self::LeftWithWill
            | Self::Closed
            | Self::Broken(_)
            | Self::WriteTimeout => return None,
            Self::Violation(violation) => violation.reason(),
            Self::PublishRefused(_) | Self::Unregistered(_) => reason::NOT_AUTHORIZED,
            Self::KeepAlive | Self::Halfway => reason::KEEP_ALIVE_TIMEOUT,
            Self::TakenOver => reason::SESSION_TAKEN_OVER,
            Self::Administrative => reason::ADMINISTRATIVE_ACTION,
            Self::StoreGone => reason::SERVER_UNAVAILABLE,
            Self::Stopping => reason::SERVER_SHUTTING_DOWN,
        })
    }

    /// What is counted.
    pub(super) fn refused(&self) -> Option<Refused> {
        Some(match self {
            Self::Violation(violation) => refused(*violation),
            Self::PublishRefused(_) => Refused::Publish,
            Self::Unregistered(_) => Refused::Unregistered,
            Self::KeepAlive | Self::Halfway => Refused::KeepAlive,
            Self::WriteTimeout => Refused::WriteTimeout,
            Self::TakenOver => Refused::TakenOver,
            Self::Administrative => Refused::Administrative,
            Self::StoreGone => Refused::StoreGone,
            Self::Left | Self::LeftWithWill | Self::Closed | Self::Broken(_) | Self::Stopping => {
                return None;
            }
        })
    }

    /// Whether the client did what it must not: worth a warning.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Violation(_) | Self::PublishRefused(_) | Self::Unregistered(_) | Self::StoreGone
        )
    }

    /// Whether messages that were accepted before still go to the store.
    pub(super) fn leaves_messages(&self) -> bool {
        !matches!(self, Self::StoreGone | Self::Stopping)
    }

    /// Whether the last will is published. Not when the broker itself stops:
    /// nobody is left to hear it, and nothing of it would be kept.
    pub(super) fn leaves_will(&self) -> bool {
        !matches!(self, Self::Left | Self::Stopping)
    }
}

/// Under which reason a violation is counted.
pub(super) fn refused(violation: Violation) -> Refused {
    match violation {
        Violation::Malformed(_) => Refused::Malformed,
        Violation::Protocol(_) | Violation::TopicAlias | Violation::SubscriptionId => {
            Refused::ProtocolError
        }
        Violation::TooLarge => Refused::PacketSize,
        Violation::Version => Refused::ProtocolVersion,
        Violation::Qos => Refused::Qos,
    }
}
