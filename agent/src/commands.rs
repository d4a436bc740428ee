//! What the program does besides running: listing interfaces, checking,
//! and telling its health.

mod check;
mod health;
mod interfaces;

pub use check::check;
pub use health::health;
pub use interfaces::{interfaces, table};
