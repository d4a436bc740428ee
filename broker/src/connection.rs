//! One connection from its first byte to its last, over any byte stream.

mod end;
mod handshake;
mod identify;
mod inbound;
mod io;
mod large;
mod outbound;
mod retained;
mod session;
mod subscribing;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::{admission::Place, core::Core, gate::Door, protocol};
use end::End;
use io::Io;
pub(crate) use large::PLACES as LARGE_PACKETS;

/// How long a client gets to take the last words and to close first: unread
/// input at close makes the kernel reset the connection, which can destroy
/// what was just written.
const LAST_WORDS: Duration = Duration::from_millis(400);

/// Serves one client until the connection ends.
pub(crate) async fn serve<S>(core: Arc<Core>, stream: S, door: Door, peer: SocketAddr, place: Place)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let io = Io::new(stream, Arc::clone(&core.counters));
    let Some(mut session) = handshake::handshake(&core, io, door, peer, place).await else {
        return;
    };
    let end = session.run().await;
    if let Some(why) = end.refused() {
        core.counters.refuse(why);
    }
    log(&core, &end, peer, &session);
    let (mut io, version) = session.leave(&end).await;
    if let Some(reason) = end.reason() {
        protocol::disconnect(&mut io.output, version, reason);
    }
    io.close(LAST_WORDS).await;
}

fn log<S>(core: &Core, end: &End, peer: SocketAddr, session: &session::Session<S>) {
    let client = session.name();
    if end.is_refusal() && core.counters.lines.allow() {
        tracing::warn!(%peer, client, "connection ended: {end}");
    } else {
        tracing::debug!(%peer, client, "connection ended: {end}");
    }
}
