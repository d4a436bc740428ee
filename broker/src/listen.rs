//! Accepting connections on a bound listener.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use crate::{admission::Place, connection, core::Core, gate::Door, metrics::Refused, tls::Tls};

/// Out of file descriptors `accept` fails at once, again and again: wait for
/// one to become free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until the broker drains or stops. Never waits for a client: its
/// handshake happens in its own task.
pub(crate) async fn accept(core: &Arc<Core>, listener: TcpListener, door: Door, tls: Option<Tls>) {
    let work = async {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => match core.admission.enter(peer.ip()) {
                    Ok(place) => {
                        let serve = serve(Arc::clone(core), stream, door, peer, place, tls.clone());
                        core.tasks.spawn(serve);
                    }
                    Err(why) => turn_away(core, peer, why),
                },
                Err(error) => {
                    if core.counters.lines.allow() {
                        tracing::warn!(%error, "a connection cannot be accepted");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    core.draining.run_until_cancelled(work).await;
}

/// Beyond a limit there is no answer, only the close: an answer would cost
/// what the limit saves.
pub(crate) fn turn_away(core: &Core, peer: SocketAddr, why: Refused) {
    core.counters.refuse(why);
    tracing::debug!(%peer, "turned away: {}", why.as_str());
}

async fn serve(
    core: Arc<Core>,
    stream: TcpStream,
    door: Door,
    peer: SocketAddr,
    place: Place,
    tls: Option<Tls>,
) {
    // Acknowledgements come late by nature: Nagle's algorithm would hold them
    // back further, behind the client's delayed ACK.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "TCP_NODELAY");
    }
    let Some(tls) = tls else { return connection::serve(core, stream, door, peer, place).await };
    let handshake = timeout(core.config.handshake_timeout, tls.acceptor().accept(stream));
    match core.stop.run_until_cancelled(handshake).await {
        Some(Ok(Ok(stream))) => {
            Box::pin(connection::serve(core, stream, door, peer, place)).await;
        }
        Some(Ok(Err(error))) => {
            core.counters.refuse(Refused::Tls);
            tracing::debug!(%peer, %error, "TLS handshake");
        }
        Some(Err(_elapsed)) => core.counters.refuse(Refused::HandshakeTimeout),
        None => {}
    }
}
