//! `cargo +nightly fuzz run frames` in `broker/`: the bytes of a client.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| komandorr_broker::protocol::fuzz(bytes));
