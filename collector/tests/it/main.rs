//! The collector as a whole: a real DuckDB file, deliveries in, answers out.

mod analytics;
mod faults;
mod intake;
mod mosquitto;
mod order;
mod rabbitmq;
mod storing;
mod support;
