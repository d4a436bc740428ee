//! From the first byte to CONNACK: what the client speaks, who it is, and
//! whether it may come in.

use std::{net::SocketAddr, sync::Arc, time::SystemTime};

use bytes::Buf;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::{
    LAST_WORDS,
    end::{self, End},
    identify::{Hello, Rejection, identify, reject},
    io::{Io, Progress},
    session::Session,
};
use crate::{
    admission::Place,
    core::Core,
    gate::{Door, Identity},
    metrics::{Client, Refused},
    protocol::{self, ConnAck, Packet, Version, Violation, reason},
};

/// Lets a client in; `None` when it has been sent away.
pub(super) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    core: &Arc<Core>,
    mut io: Io<S>,
    door: Door,
    peer: SocketAddr,
    mut place: Place,
) -> Option<Session<S>> {
    let mut hello = match read_connect(core, &mut io).await {
        Ok(hello) => hello,
        Err(silence) => {
            turn_away(core, io, peer, silence).await;
            return None;
        }
    };
    let dismissals = core.sessions.dismissals();
    let verdict = core.stop.run_until_cancelled(identify(core, &mut hello, door, peer)).await?;
    let (identity, will) = match verdict {
        Ok(known) => known,
        Err(no) => {
            refuse(core, io, peer, &hello, no).await;
            return None;
        }
    };
    let number = core.sessions.number();
    let assigned = hello.client_id.is_empty().then(|| format!("komandorr-{number}"));
    let client = Client {
        client_id: assigned.clone().unwrap_or_else(|| hello.client_id.clone()),
        identity: identity.to_string(),
        service: match &identity {
            Identity::Service(id) => Some(id.clone()),
            _ => None,
        },
        peer,
        transport: door.transport,
        version: hello.version,
        since: SystemTime::now(),
    };
    let entered = core.sessions.enter(number, dismissals, identity, client, &core.stop).await;
    let Some(seat) = entered else {
        // Somebody was dismissed since it was checked, perhaps this very one:
        // it comes again and is checked again.
        let again = reject(Refused::Unavailable, 3, reason::SERVER_UNAVAILABLE);
        refuse(core, io, peer, &hello, again).await;
        return None;
    };
    place.seated();
    let keep_alive = core.config.keep_alive_seconds(hello.keep_alive);
    let ack = ConnAck {
        receive_maximum: core.config.unacknowledged_per_client,
        maximum_packet_size: u32::try_from(core.config.packet_size).unwrap_or(u32::MAX),
        server_keep_alive: (keep_alive != hello.keep_alive).then_some(keep_alive),
        assigned_client_id: assigned.as_deref(),
        session_not_kept: hello.session_expiry > 0,
    };
    protocol::connack(&mut io.output, hello.version, &ack);
    let limits = (hello.receive_maximum, hello.maximum_packet_size);
    Some(Session::new(core, io, hello.version, door, (seat, place), will, keep_alive, limits))
}

/// A connection that ends before it said who it is.
enum Silence {
    Timeout,
    Violation(Violation),
    Closed,
}

async fn read_connect<S: AsyncRead + AsyncWrite + Unpin>(
    core: &Core,
    io: &mut Io<S>,
) -> Result<Hello, Silence> {
    let limit = core.config.connect_limit();
    let read = async {
        loop {
            if let Some(frame) = protocol::frame(&io.input, limit).map_err(Silence::Violation)? {
                let packet = protocol::decode(&frame, None).map_err(Silence::Violation)?;
                let Packet::Connect(connect) = packet else { return Err(Silence::Closed) };
                let (hello, len) = (Hello::from(connect), frame.len);
                io.input.advance(len);
                return Ok(hello);
            }
            // Not even the beginning of a CONNECT: do not wait for the rest.
            if io.input.first().is_some_and(|first| *first != 0x10) {
                return Err(Silence::Violation(Violation::Protocol("no CONNECT")));
            }
            match io.progress(true).await {
                Ok(Progress::End) | Err(_) => return Err(Silence::Closed),
                Ok(Progress::Read | Progress::Wrote) => {}
            }
        }
    };
    let read = timeout(core.config.handshake_timeout, read);
    match core.stop.run_until_cancelled(read).await {
        Some(Ok(result)) => result,
        Some(Err(_elapsed)) => Err(Silence::Timeout),
        None => Err(Silence::Closed),
    }
}

async fn turn_away<S: AsyncRead + AsyncWrite + Unpin>(
    core: &Core,
    mut io: Io<S>,
    peer: SocketAddr,
    silence: Silence,
) {
    match silence {
        Silence::Closed => {}
        Silence::Timeout => {
            core.counters.refuse(Refused::HandshakeTimeout);
            tracing::debug!(%peer, "no CONNECT in time");
        }
        Silence::Violation(violation) => {
            core.counters.refuse(end::refused(violation));
            if core.counters.lines.allow() {
                tracing::warn!(%peer, "refused before CONNECT: {}", End::from(violation));
            }
            if violation == Violation::Version {
                protocol::connack_refused(&mut io.output, Version::V311, 1, 0);
                io.close(LAST_WORDS).await;
            }
        }
    }
}

/// Says no to a CONNECT.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(
    core: &Core,
    mut io: Io<S>,
    peer: SocketAddr,
    hello: &Hello,
    no: Rejection,
) {
    core.counters.refuse(no.why);
    if core.counters.lines.allow() {
        tracing::warn!(%peer, client = hello.client_id, "refused: {}", no.why.as_str());
    }
    protocol::connack_refused(&mut io.output, hello.version, no.v311, no.v5);
    io.close(LAST_WORDS).await;
}
