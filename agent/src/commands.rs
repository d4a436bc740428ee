//! What the program does besides running: listing interfaces and checking.

mod check;
mod interfaces;

pub use check::check;
pub use interfaces::{interfaces, table};
