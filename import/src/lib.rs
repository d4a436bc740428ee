//! History from elsewhere: read from the original's database or from vnStat,
//! and turned into samples that are stored once, however often they are sent.
//! Knows no server: whoever sends them says how far an import has come.

mod agent_state;
mod history;
mod original;
mod samples;
mod vnstat;

pub use agent_state::{AgentState, read_agent_states};
pub use history::{Bytes, History, Piece, Skipped};
pub use original::{Original, OriginalService, read_original};
pub use samples::{Last, batches, samples};
pub use vnstat::read_vnstat;

/// Why a source cannot be imported. One line.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The system does not let us read it.
    #[error("cannot read {place}: {reason}")]
    Unreadable {
        /// The file.
        place: String,
        /// What the system says.
        reason: String,
    },
    /// It is not what it should be.
    #[error("{place} is not {kind}: {reason}; nothing was imported")]
    Damaged {
        /// The file.
        place: String,
        /// What it should be.
        kind: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}
