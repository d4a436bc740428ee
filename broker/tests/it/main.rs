//! The broker as its clients see it: real sockets, real clients, a store that
//! settles when the test says so.

mod clients;
mod hostile;
mod large;
mod limits;
mod notices;
mod publish;
mod retained;
mod rules;
mod support;
mod tls;
