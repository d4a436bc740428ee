//! `GET /api/traffic/ws`: the summary at once, and again when it has changed,
//! at most once a second. A reader that takes nothing for ten seconds is let go.

use std::time::Duration;

use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, Utf8Bytes, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    http::StatusCode,
    response::Response,
};
use futures_util::{SinkExt, StreamExt, stream::SplitSink};
use tokio::time::{Instant, sleep_until, timeout};

use super::read::Summary;
use crate::{
    access::{Pass, Visitor},
    error::Failure,
    site::Shared,
};

/// A reader gets at most one frame in this time.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// A reader has this long to take a frame.
const PATIENCE: Duration = Duration::from_secs(10);
/// After this much silence a reader is asked whether it is still there.
const ALIVE_EVERY: Duration = Duration::from_secs(20);
/// What clients send is ignored, and need not be long.
const LONGEST_MESSAGE: usize = 64 * 1024;

/// The summary, live, over a WebSocket.
#[utoipa::path(
    get, path = "/api/traffic/ws", tag = "Original", operation_id = "originalSocket",
    responses(
        (status = 101, description = "The socket opens"),
        (status = "4XX", description = "Refused: `detail` says why", body = serde_json::Value),
        (status = "5XX", description = "Not now: `detail` says why", body = serde_json::Value),
    )
)]
pub(crate) async fn upgrade(
    State(site): State<Shared>,
    (visitor, pass): (Visitor, Pass),
    socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    let socket = socket.map_err(|rejection| {
        tracing::debug!(%rejection, "no WebSocket at /api/traffic/ws");
        let message = "this address is a WebSocket; /api/traffic/summary answers once";
        Failure::new(StatusCode::UPGRADE_REQUIRED, "websocket_only", message)
    })?;
    let tasks = site.tasks.clone();
    let socket = socket.max_message_size(LONGEST_MESSAGE);
    Ok(socket.on_upgrade(move |socket| tasks.track_future(serve(site, (visitor, pass), socket))))
}

async fn serve(site: Shared, (visitor, pass): (Visitor, Pass), socket: WebSocket) {
    let (mut out, mut incoming) = socket.split();
    // Reading answers pings and sees the end; what it says is ignored.
    let reading = async { while let Some(Ok(_)) = incoming.next().await {} };
    tokio::select! {
        () = reading => {}
        () = site.stop.cancelled() => {}
        () = tell(&site, &visitor, &pass, &mut out) => {}
    }
    // Nobody may be there to hear it.
    drop(timeout(AT_MOST_EVERY, out.send(Message::Close(None))).await);
}

/// Sends what is new until the reader is gone, too slow, or may not see it any more.
async fn tell(
    site: &Shared,
    visitor: &Visitor,
    pass: &Pass,
    out: &mut SplitSink<WebSocket, Message>,
) {
    let mut frames = site.hub.subscribe();
    let mut known = site.hub.fresh().data;
    if !send(out, summary(site, visitor)).await {
        return;
    }
    let mut sent = Instant::now();
    loop {
        tokio::select! {
            changed = frames.changed() => if changed.is_err() { return },
            () = sleep_until(sent + ALIVE_EVERY) => {
                if !pass.holds(site) || !send(out, Message::Ping(bytes::Bytes::new())).await {
                    return;
                }
                sent = Instant::now();
                continue;
            }
        }
        sleep_until(sent + AT_MOST_EVERY).await;
        if !pass.holds(site) {
            return;
        }
        let data = frames.borrow_and_update().data;
        if data > known {
            known = data;
            sent = Instant::now();
            if !send(out, summary(site, visitor)).await {
                return;
            }
        }
    }
}

fn summary(site: &Shared, visitor: &Visitor) -> Message {
    // Plain numbers and texts: this cannot fail.
    let text = serde_json::to_string(&Summary::of(site, visitor)).unwrap_or_default();
    Message::Text(Utf8Bytes::from(text))
}

/// `false` when the reader is gone, or does not take it in time.
async fn send(out: &mut SplitSink<WebSocket, Message>, message: Message) -> bool {
    matches!(timeout(PATIENCE, out.send(message)).await, Ok(Ok(())))
}
