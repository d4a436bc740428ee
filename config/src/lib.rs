//! Settings (default < file < environment < flag), the units in which people
//! write them, secrets that cannot be printed and are slow to guess, pauses
//! between tries, and logging.

mod backoff;
pub mod guesses;
mod impossible;
#[cfg(feature = "load")]
mod load;
pub mod logging;
mod secret;
pub mod units;

pub use backoff::Backoff;
pub use impossible::Impossible;
#[cfg(feature = "load")]
pub use load::{DEFAULT_FILE, FILE_NAME, LoadError, Sources, load};
pub use secret::Secret;
pub use units::{duration, size};
