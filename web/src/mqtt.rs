//! MQTT over WebSocket: `/mqtt` takes the upgrade and hands the broker a
//! stream of bytes, as it knows them from TCP.

use std::{future::Future, io, net::SocketAddr, pin::Pin};

use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    http::StatusCode,
    response::Response,
};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, future::ready};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};

use crate::{error::Failure, peer::Peer, site::Shared};

/// Name of MQTT among WebSocket subprotocols.
const SUBPROTOCOL: &str = "mqtt";

/// Bytes in both directions, whatever carries them.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for T {}

/// The broker's door for connections that the site took.
pub trait MqttDoor: Send + Sync + 'static {
    /// Length of the longest packet that it takes, bytes. No longer message of a
    /// WebSocket is gathered: the broker's own limits see it only when it is whole.
    fn longest_packet(&self) -> usize;

    /// Serves one connection to its end. `trusted`: it comes from this
    /// machine, and may do everything.
    fn serve(
        &self,
        stream: Box<dyn ByteStream>,
        peer: SocketAddr,
        trusted: bool,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// `GET /mqtt`
pub(crate) async fn upgrade(
    State(site): State<Shared>,
    peer: Peer,
    socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    let Some(door) = site.app.mqtt.clone() else {
        let message = "this server has no broker of its own: connect to the broker that it uses";
        return Err(Failure::new(StatusCode::NOT_FOUND, "no_broker", message));
    };
    let socket = socket.map_err(|rejection| {
        tracing::debug!(%rejection, "no WebSocket at /mqtt");
        let message = "this address speaks MQTT over WebSocket, subprotocol mqtt";
        Failure::new(StatusCode::UPGRADE_REQUIRED, "websocket_only", message)
    })?;
    let (tasks, stop) = (site.tasks.clone(), site.stop.clone());
    let most = door.longest_packet();
    let socket = socket.max_message_size(most).max_frame_size(most);
    Ok(socket.protocols([SUBPROTOCOL]).on_upgrade(move |socket| {
        let session = tasks.track_future(door.serve(as_bytes(socket), peer.address, peer.local));
        async move {
            // On its own end the broker says farewell; this is for a broker
            // that does not.
            stop.run_until_cancelled(session).await;
        }
    }))
}

/// Frames become a stream: MQTT packets need not keep to their borders.
fn as_bytes(socket: WebSocket) -> Box<dyn ByteStream> {
    let (sink, stream) = socket.split();
    let incoming = stream.filter_map(|frame| ready(payload(frame)));
    let outgoing = sink
        .with(|bytes: Bytes| ready(Ok::<_, axum::Error>(Message::Binary(bytes))))
        .sink_map_err(io::Error::other);
    let reader = StreamReader::new(Box::pin(incoming));
    let writer = SinkWriter::new(CopyToBytes::new(outgoing));
    Box::new(tokio::io::join(reader, writer))
}

fn payload(frame: Result<Message, axum::Error>) -> Option<io::Result<Bytes>> {
    match frame {
        Ok(Message::Binary(bytes)) => Some(Ok(bytes)),
        // The standard allows binary frames only.
        Ok(Message::Text(_)) => {
            let reason = "MQTT travels in binary frames";
            Some(Err(io::Error::new(io::ErrorKind::InvalidData, reason)))
        }
        Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => None,
        Err(error) => Some(Err(io::Error::other(error))),
    }
}
