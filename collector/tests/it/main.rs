//! The collector as a whole: a real DuckDB file, deliveries in, answers out.

mod analytics;
mod backup;
mod export;
mod faults;
mod full_disk;
mod intake;
mod killed;
mod mosquitto;
mod order;
mod rabbitmq;
mod recompute;
mod retention;
mod slow;
mod storing;
mod support;
