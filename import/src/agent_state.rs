//! The state files of the original's agents, `.traffic_state_<id>.json`: their
//! totals, and when they were written.

use std::{collections::BTreeMap, fs, path::Path};

use jiff::{civil::DateTime, tz::TimeZone};
use komandorr_wire::ServiceId;
use serde::Deserialize;

use crate::ImportError;

/// What an agent remembers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AgentState {
    /// When it was written, Unix milliseconds.
    pub ended_ms: i64,
    /// Sent, GiB.
    pub sent: f64,
    /// Received, GiB.
    pub received: f64,
}

#[derive(Debug, Deserialize)]
struct File {
    total_sent_gb: f64,
    total_recv_gb: f64,
    last_updated: DateTime,
}

/// Reads all state files of a folder. Their times are local, of `zone`.
pub fn read_agent_states(
    folder: &Path,
    zone: &TimeZone,
) -> Result<BTreeMap<ServiceId, AgentState>, ImportError> {
    let unreadable = |place: &Path, reason: String| ImportError::Unreadable {
        place: place.display().to_string(),
        reason,
    };
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, error.to_string()))?;
    let mut states = BTreeMap::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, error.to_string()))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let id = name.strip_prefix(".traffic_state_").and_then(|rest| rest.strip_suffix(".json"));
        let Some(Ok(id)) = id.map(ServiceId::new) else { continue };
        let text = fs::read(&path).map_err(|error| unreadable(&path, error.to_string()))?;
        let state = read(&text, zone).map_err(|reason| ImportError::Damaged {
            place: path.display().to_string(),
            kind: "the state of an agent",
            reason,
        })?;
        states.insert(id, state);
    }
    Ok(states)
}

fn read(text: &[u8], zone: &TimeZone) -> Result<AgentState, String> {
    let file: File = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let written =
        file.last_updated.to_zoned_datetime(zone.clone()).map_err(|error| error.to_string())?;
    Ok(AgentState {
        ended_ms: written.timestamp().as_millisecond(),
        sent: file.total_sent_gb,
        received: file.total_recv_gb,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_files_are_read_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write(
            ".traffic_state_web-1.json",
            r#"{"total_sent_gb": 12.5, "total_recv_gb": 3.25, "last_updated": "2026-11-22T23:56:51.909765", "x": 1}"#,
        );
        write("other.json", "{");
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let states = read_agent_states(folder.path(), &zone).unwrap();
        assert_eq!(states.len(), 1);
        let state = states["web-1"];
        assert_eq!((state.sent, state.received), (12.5, 3.25));
        assert_eq!(state.ended_ms, 1_795_388_211_909);
        write(".traffic_state_web-2.json", "{\"total_sent_gb\": 1");
        let error = read_agent_states(folder.path(), &zone).unwrap_err().to_string();
        assert!(error.contains("web-2") && error.contains("nothing was imported"), "{error}");
    }
}
