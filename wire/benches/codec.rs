//! What a sample costs on its way in and out: `cargo bench -p komandorr-wire`.
#![allow(missing_docs, reason = "divan's macros make functions that nobody calls")]

use divan::{Bencher, counter::ItemsCount};
use komandorr_wire::{AgentSeq, Interface, Sample, decode_into, encode, encode_one};

fn main() {
    divan::main();
}

/// As an agent without interfaces sends it, and as komandorr-agent does.
fn sample(full: bool) -> Sample {
    let interface = |name: &str| Interface {
        name: name.into(),
        role: "physical".into(),
        up: 1_234_567,
        down: 7_654_321,
        up_total: Some(123_456_789_012),
        down_total: Some(987_654_321_098),
        counted: true,
    };
    let lean = Sample {
        up: 1_234_567,
        down: 7_654_321,
        interval_ms: 5000,
        ended_ms: Some(1_795_436_400_123),
        agent: Some(AgentSeq { agent: "0123456789abcdef".into(), seq: Some(123_456) }),
        capacity: Some(125_000_000),
        cpu_percent: Some(12.5),
        memory_percent: Some(41.5),
        ..Sample::default()
    };
    if !full {
        return lean;
    }
    Sample {
        boot: Some("b3a1c5d2-8c1e-4a7f-9b60-52d1f0c3a9e4".into()),
        up_total: Some(123_456_789_012),
        down_total: Some(987_654_321_098),
        interfaces: vec![interface("eth0"), interface("eth1")],
        ..lean
    }
}

#[divan::bench(args = [false, true])]
fn decode_one(bencher: Bencher<'_, '_>, full: bool) {
    let payload = encode_one(&sample(full));
    let mut samples = Vec::new();
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        samples.clear();
        decode_into(&payload, &mut samples)
    });
}

#[divan::bench(args = [false, true])]
fn decode_an_array_of_500(bencher: Bencher<'_, '_>, full: bool) {
    let payload = encode(&vec![sample(full); 500]);
    let mut samples = Vec::new();
    bencher.counter(ItemsCount::new(500_u32)).bench_local(|| {
        samples.clear();
        decode_into(&payload, &mut samples)
    });
}

#[divan::bench(args = [false, true])]
fn encode_an_array_of_500(bencher: Bencher<'_, '_>, full: bool) {
    let samples = vec![sample(full); 500];
    bencher.counter(ItemsCount::new(500_u32)).bench_local(|| encode(&samples));
}
