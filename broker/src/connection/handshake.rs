//! From the first byte to CONNACK: what the client speaks, who it is, and
//! whether it may come in.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Instant, SystemTime},
};

use bytes::Buf;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{sleep_until, timeout},
};

use komandorr_config::guesses::Address;
use komandorr_wire::topic::Topic;

use super::{
    LAST_WORDS,
    end::{self, End},
    io::{Io, Progress},
    session::{LastWill, Session},
};
use crate::{
    admission::Place,
    core::Core,
    gate::{Denied, Door, Identity},
    metrics::{Client, Refused},
    protocol::{self, ConnAck, Connect, Packet, Version, Violation, reason},
    retained::Presence,
    rules::Target,
};

/// Longest time that an attempt waits for its turn behind wrong passwords from
/// the same address; beyond it the client is sent away to try later.
const LONGEST_TURN: std::time::Duration = std::time::Duration::from_secs(10);

/// What is kept of a CONNECT.
struct Hello {
    version: Version,
    clean: bool,
    keep_alive: u16,
    client_id: String,
    will: Option<(String, Vec<u8>, u8, bool)>,
    username: Option<String>,
    password: Option<Vec<u8>>,
    receive_maximum: u16,
    maximum_packet_size: u32,
    session_expiry: u32,
    extended_authentication: bool,
}

impl From<Connect<'_>> for Hello {
    fn from(c: Connect<'_>) -> Self {
        Self {
            version: c.version,
            clean: c.clean,
            keep_alive: c.keep_alive,
            client_id: c.client_id.to_owned(),
            will: c.will.map(|w| (w.topic.to_owned(), w.payload.to_vec(), w.qos, w.retain)),
            username: c.username.map(str::to_owned),
            password: c.password.map(<[u8]>::to_vec),
            receive_maximum: c.receive_maximum,
            maximum_packet_size: c.maximum_packet_size,
            session_expiry: c.session_expiry,
            extended_authentication: c.extended_authentication,
        }
    }
}

/// A client that is not let in: what is counted, and its CONNACK codes.
struct Rejection {
    why: Refused,
    v311: u8,
    v5: u8,
}

fn reject(why: Refused, v311: u8, v5: u8) -> Rejection {
    Rejection { why, v311, v5 }
}

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
    let verdict = core.stop.run_until_cancelled(identify(core, &mut hello, door, peer)).await?;
    let (identity, will) = match verdict {
        Ok(known) => known,
        Err(no) => {
            core.counters.refuse(no.why);
            if core.counters.lines.allow() {
                tracing::warn!(%peer, client = hello.client_id, "refused: {}", no.why.as_str());
            }
            protocol::connack_refused(&mut io.output, hello.version, no.v311, no.v5);
            io.close(LAST_WORDS).await;
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
    let seat = core.sessions.enter(number, identity, client, &core.stop).await;
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

/// Who is it, and may it be?
async fn identify(
    core: &Core,
    hello: &mut Hello,
    door: Door,
    peer: SocketAddr,
) -> Result<(Identity, Option<LastWill>), Rejection> {
    if hello.extended_authentication {
        let method = reason::BAD_AUTHENTICATION_METHOD;
        return Err(reject(Refused::AuthenticationMethod, 5, method));
    }
    check_client_id(core, hello)?;
    let address = Address::from(peer.ip());
    if hello.username.is_some() || hello.password.is_some() {
        wait_for_turn(core, address).await?;
    }
    // Taken, so that a password does not outlive its check.
    let (username, password) = (hello.username.take(), hello.password.take());
    let (username, password) = (username.as_deref(), password.as_deref());
    let known = core.gatekeeper.authenticate(door, peer.ip(), username, password);
    let identity = known.map_err(|denied| match denied {
        Denied::CredentialsRequired => {
            reject(Refused::Credentials, 5, reason::BAD_USER_NAME_OR_PASSWORD)
        }
        Denied::WrongCredentials => {
            core.slow_down.wrong(address, Instant::now());
            reject(Refused::Credentials, 5, reason::BAD_USER_NAME_OR_PASSWORD)
        }
        Denied::Unavailable => reject(Refused::Unavailable, 3, reason::SERVER_UNAVAILABLE),
    })?;
    let will =
        hello.will.take().map(|w| last_will(core, &identity, hello.version, w)).transpose()?;
    Ok((identity, will))
}

fn check_client_id(core: &Core, hello: &Hello) -> Result<(), Rejection> {
    let id = &hello.client_id;
    // An empty id asks for one; 3.1.1 allows that only for a clean session.
    let nameless = id.is_empty() && hello.version == Version::V311 && !hello.clean;
    let too_long = id.len() > core.config.client_id_length;
    if nameless || too_long || id.chars().any(char::is_control) {
        return Err(reject(Refused::ClientId, 2, reason::CLIENT_ID_NOT_VALID));
    }
    Ok(())
}

async fn wait_for_turn(core: &Core, address: Address) -> Result<(), Rejection> {
    let now = Instant::now();
    let turn = core.slow_down.turn(address, now);
    if turn - now > LONGEST_TURN {
        core.slow_down.give_back(address, turn);
        return Err(reject(Refused::SlowedDown, 3, reason::CONNECTION_RATE_EXCEEDED));
    }
    if turn > now {
        sleep_until(turn.into()).await;
    }
    Ok(())
}

fn last_will(
    core: &Core,
    identity: &Identity,
    version: Version,
    (topic, payload, qos, retain): (String, Vec<u8>, u8, bool),
) -> Result<LastWill, Rejection> {
    if qos == 2 && version == Version::V5 {
        return Err(reject(Refused::Qos, 5, reason::QOS_NOT_SUPPORTED));
    }
    let target = core
        .rules
        .publish(identity, &topic)
        .map_err(|_refusal| reject(Refused::Will, 5, reason::NOT_AUTHORIZED))?;
    if let Target::Service(topic) = &target
        && !core.is_registered(identity, topic.service())
    {
        return Err(reject(Refused::Unregistered, 5, reason::NOT_AUTHORIZED));
    }
    let speaks = payload.is_empty() || Presence::parse(&payload).is_some();
    if matches!(target, Target::Service(Topic::Status(_))) && !speaks {
        return Err(reject(Refused::StatusPayload, 5, reason::PAYLOAD_FORMAT_INVALID));
    }
    Ok(LastWill { target, payload, qos1: qos > 0, retain })
}
