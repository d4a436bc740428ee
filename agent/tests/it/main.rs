//! The agent against real parts: mosquitto, network namespaces, processes,
//! and a small server that acknowledges like Komandorr's own.

mod broker;
mod interfaces;
mod killed;
mod mosquitto;
mod outage;
mod program;
mod support;
mod tls;
