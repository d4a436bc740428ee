//! The API: handlers that read parameters, ask, and answer JSON.

pub(crate) mod health;
pub(crate) mod traffic;
