//! The programs as a user runs them: real processes, real MQTT, a real file.

#![allow(clippy::indexing_slicing, reason = "a test that does not find what it looks for fails")]

mod certificates;
mod chaos;
mod doors;
mod home_assistant;
mod import;
mod metrics;
#[path = "../../../collector/tests/it/mosquitto.rs"]
mod mosquitto;
mod operator;
mod operator_files;
mod original;
mod other_broker;
#[path = "../../../collector/tests/it/rabbitmq.rs"]
mod rabbitmq;
mod readers;
mod recipes;
mod restore;
mod site_tls;
mod start;
mod support;
mod whole_path;
