//! Who a client is, by its CONNECT, and whether it may come in.

use std::{net::SocketAddr, time::Instant};

use komandorr_config::guesses::Address;
use komandorr_wire::topic::Topic;
use tokio::time::sleep_until;

use super::session::LastWill;
use crate::{
    core::Core,
    gate::{Denied, Door, Identity},
    metrics::Refused,
    protocol::{Connect, Version, reason},
    retained::Presence,
    rules::Target,
};

/// Longest time that the refusal of a wrong password is held back behind others
/// from the same address; beyond it the client is sent away at once, so that
/// few of them hold a place.
const LONGEST_TURN: std::time::Duration = std::time::Duration::from_secs(10);

/// What is kept of a CONNECT.
pub(super) struct Hello {
    pub(super) version: Version,
    clean: bool,
    pub(super) keep_alive: u16,
    pub(super) client_id: String,
    will: Option<(String, Vec<u8>, u8, bool)>,
    username: Option<String>,
    password: Option<Vec<u8>>,
    pub(super) receive_maximum: u16,
    pub(super) maximum_packet_size: u32,
    pub(super) session_expiry: u32,
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
pub(super) struct Rejection {
    pub(super) why: Refused,
    pub(super) v311: u8,
    pub(super) v5: u8,
}

pub(super) fn reject(why: Refused, v311: u8, v5: u8) -> Rejection {
    Rejection { why, v311, v5 }
}

/// Who is it, and may it be?
pub(super) async fn identify(
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
    let known = {
        // Taken, so that a password does not outlive its check.
        let (username, password) = (hello.username.take(), hello.password.take());
        core.gatekeeper.authenticate(door, peer.ip(), username.as_deref(), password.as_deref())
    };
    let identity = match known {
        Ok(identity) => identity,
        Err(denied) => {
            if denied == Denied::WrongCredentials {
                // Only now: a right one waits for nobody behind its address.
                hold_back(core, Address::from(peer.ip())).await?;
            }
            return Err(match denied {
                Denied::CredentialsRequired | Denied::WrongCredentials => {
                    reject(Refused::Credentials, 5, reason::BAD_USER_NAME_OR_PASSWORD)
                }
                Denied::Unavailable => reject(Refused::Unavailable, 3, reason::SERVER_UNAVAILABLE),
            });
        }
    };
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

/// Counts a wrong password, and waits for the turn of its refusal.
async fn hold_back(core: &Core, address: Address) -> Result<(), Rejection> {
    let now = Instant::now();
    let turn = core.slow_down.turn(address, now);
    if turn - now > LONGEST_TURN {
        core.slow_down.give_back(address, turn);
        return Err(reject(Refused::SlowedDown, 3, reason::CONNECTION_RATE_EXCEEDED));
    }
    // Counted at its turn, but before it: those that come meanwhile wait longer.
    core.slow_down.wrong(address, turn);
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
