//! Live streams: Server-Sent Events of what changed, at most one a second to
//! each reader. A reader that cannot keep up skips frames; nothing piles up.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::response::sse::Event;
use futures_util::{Stream, stream::unfold};
use jiff::Timestamp;
use komandorr_wire::ServiceId;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::Frame;
use crate::{
    access::Pass,
    pages::{dashboard, service},
    site::Shared,
};

/// A reader gets at most one frame in this time.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// After this much silence a reader is told that the stream still lives.
const ALIVE_EVERY: Duration = Duration::from_secs(10);

/// What a reader follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum View {
    /// All services, or one, as `/api/traffic/current` gives them.
    Current(Option<ServiceId>),
    /// A dashboard that shows these rows.
    Dashboard(Vec<ServiceId>),
    /// A service's own page.
    Service(ServiceId),
    /// A page on which only the clock is live.
    Clock,
}

/// The parts of a page that changed: by element, as HTML.
#[derive(Debug, Default, Serialize)]
struct Patch {
    /// Time of the frame on the site's clock.
    at: String,
    /// The server's clock, Unix milliseconds.
    now: i64,
    #[serde(skip_serializing_if = "Map::is_empty")]
    parts: Map<String, Value>,
    /// Rows or names are not what they were: ask for the page again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reload: bool,
}

struct Reader {
    site: Shared,
    pass: Pass,
    frames: watch::Receiver<Arc<Frame>>,
    view: View,
    /// Number of the last frame that the reader knows.
    known: u64,
    /// When the last event went out; `None`: none yet.
    sent: Option<Instant>,
}

/// Events of a view, everything after the frame that the reader knows, for as
/// long as the reader may see it.
pub(crate) fn stream(
    site: Shared,
    pass: Pass,
    view: View,
    known: u64,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let frames = site.hub.subscribe();
    let reader = Reader { site, pass, frames, view, known, sent: None };
    unfold(reader, |mut reader| async move {
        let stop = reader.site.stop.clone();
        let event = stop.run_until_cancelled(reader.next()).await??;
        reader.pass.holds(&reader.site).then_some((Ok(event), reader))
    })
}

impl Reader {
    /// `None` when nothing will come any more.
    async fn next(&mut self) -> Option<Event> {
        let Some(sent) = self.sent else {
            let frame = self.site.hub.fresh();
            // A number from the future is of a clock that was set back since.
            self.known = if self.known > frame.number { 0 } else { self.known };
            let event = self.event(&frame, true);
            return Some(self.sent(&frame, event.unwrap_or_else(alive)));
        };
        // Frames that tell this reader nothing do not put that off.
        let due = sent + ALIVE_EVERY;
        loop {
            tokio::select! {
                changed = self.frames.changed() => changed.ok()?,
                () = sleep_until(due) => {
                    self.sent = Some(Instant::now());
                    return Some(alive());
                }
            }
            sleep_until(sent + AT_MOST_EVERY).await;
            self.catch_up().await;
            let frame = self.frames.borrow_and_update().clone();
            if let Some(event) = self.event(&frame, false) {
                return Some(self.sent(&frame, event));
            }
            self.known = frame.number;
            // Whoever is told nothing is sent away just as soon.
            if !self.pass.holds(&self.site) {
                return None;
            }
        }
    }

    /// Where something happened since the newest frame, the next one is a
    /// moment away: an event tells nothing older than it has to.
    async fn catch_up(&mut self) {
        self.frames.mark_unchanged();
        if self.site.hub.is_behind() {
            // Too late is no harm: the newest frame is there already.
            drop(timeout(super::AT_MOST_EVERY, self.frames.changed()).await);
        }
    }

    fn sent(&mut self, frame: &Frame, event: Event) -> Event {
        self.known = frame.number;
        self.sent = Some(Instant::now());
        event.id(frame.number.to_string())
    }

    /// What changed since the last frame that the reader knows.
    fn event(&self, frame: &Frame, first: bool) -> Option<Event> {
        if let View::Current(service) = &self.view {
            let changed = match service {
                Some(id) => frame.item(id)?.changed,
                None => frame.data,
            };
            if !first && changed <= self.known {
                return None;
            }
            let json = match service {
                Some(id) => frame.json_of(id)?,
                None => frame.json().to_owned(),
            };
            return Some(Event::default().event("traffic").data(json));
        }
        let mut patch = Patch {
            at: self.site.clock.time(frame.at),
            now: Timestamp::now().as_millisecond(),
            ..Patch::default()
        };
        match &self.view {
            View::Dashboard(rows) => {
                patch.reload = frame.roster > self.known;
                patch.parts = dashboard::changes(&self.site, frame, rows, self.known);
            }
            View::Service(id) => {
                // It was removed: the page says so.
                patch.reload = frame.roster > self.known && frame.item(id).is_none();
                patch.parts = service::changes(&self.site, frame, id, self.known);
            }
            View::Current(_) | View::Clock => {}
        }
        let data = serde_json::to_string(&patch).unwrap_or_default();
        Some(Event::default().event("page").data(data))
    }
}

fn alive() -> Event {
    Event::default().event("alive").data("")
}
