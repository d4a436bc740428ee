//! The site's WebSocket door, led to the broker.

use std::{future::Future, net::SocketAddr, pin::Pin};

use komandorr_broker::{Broker, Door, Transport};
use komandorr_web::{ByteStream, MqttDoor};

/// Hands connections that the site upgraded to the broker.
#[derive(Debug)]
pub(crate) struct WebSocketDoor {
    pub(crate) broker: Broker,
    /// Bytes.
    pub(crate) longest_packet: usize,
}

impl MqttDoor for WebSocketDoor {
    fn longest_packet(&self) -> usize {
        self.longest_packet
    }

    fn serve(
        &self,
        stream: Box<dyn ByteStream>,
        peer: SocketAddr,
        trusted: bool,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let broker = self.broker.clone();
        let door = Door { transport: Transport::WebSocket, trusted };
        Box::pin(async move { broker.serve_stream(stream, peer, door).await })
    }
}
