//! The programs as a user runs them: real processes, real MQTT, a real file.

mod chaos;
mod other_broker;
mod start;
mod support;
mod whole_path;
