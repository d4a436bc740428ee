//! Prepared payloads: encoded once, then only numbers in them change, so that
//! making a sample costs a copy and four stores.

use komandorr_wire::{AgentSeq, Interface, Sample, encode_one};

use crate::cli::SampleKind;

/// Numbers that MessagePack writes with all of their bytes; each stands once
/// in the prepared sample and marks the place of what changes.
const UP: u64 = 0xAABB_CC01;
const DOWN: u64 = 0xAABB_CC02;
const SEQ: u64 = 0xAABB_CC03;
const ENDED: i64 = 0x0AAB_BCC4_0AAB_BCC5;

/// The interval that a sample covers, milliseconds.
pub(crate) const INTERVAL_MS: u64 = 1000;

/// One agent's payload, ready to be filled.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    /// Array header, where there is one, and the samples.
    bytes: Vec<u8>,
    header: usize,
    sample: usize,
    up: usize,
    down: usize,
    seq: usize,
    ended: usize,
}

/// Bytes that an agent's sample reports as sent and received: different ones,
/// so that a sample that is missing or doubled shows in the sums.
pub(crate) fn volumes(seq: u64) -> (u32, u32) {
    let part = |modulus: u64, scale: u32| u32::try_from(seq % modulus).unwrap_or(0) * scale;
    (1_000 + part(977, 1_009), 50_000 + part(881, 100_003))
}

/// What an agent's first `count` samples report together.
pub(crate) fn sums(count: u64) -> (u64, u64) {
    (1..=count)
        .map(volumes)
        .fold((0, 0), |(up, down), (u, d)| (up + u64::from(u), down + u64::from(d)))
}

impl Template {
    /// Payloads of `array` samples of an agent.
    pub(crate) fn new(agent: &str, kind: SampleKind, array: u16) -> Self {
        let one = encode_one(&sample(agent, kind));
        let find = |number: &[u8]| {
            one.windows(number.len()).position(|part| part == number).unwrap_or_default()
        };
        let place = |number: u64| find(&u32::try_from(number).unwrap_or_default().to_be_bytes());
        let header: Vec<u8> = match array {
            1 => Vec::new(),
            n => [&[0xdc][..], &n.to_be_bytes()].concat(),
        };
        let (up, down, seq) = (place(UP), place(DOWN), place(SEQ));
        let ended = find(&ENDED.to_be_bytes());
        let bytes = [header.clone(), one.repeat(usize::from(array))].concat();
        Self { bytes, header: header.len(), sample: one.len(), up, down, seq, ended }
    }

    /// Length of every payload in bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends a payload whose samples are numbered from `first` on and end at
    /// `now_ms`.
    pub(crate) fn write(&self, out: &mut Vec<u8>, first: u64, now_ms: i64) {
        let begin = out.len();
        out.extend_from_slice(&self.bytes);
        let samples = out.get_mut(begin + self.header..).unwrap_or_default();
        for (seq, sample) in (first..).zip(samples.chunks_exact_mut(self.sample)) {
            let (up, down) = volumes(seq);
            put(sample, self.up, &up.to_be_bytes());
            put(sample, self.down, &down.to_be_bytes());
            // Four bytes of number are hours at full speed.
            put(sample, self.seq, &u32::try_from(seq).unwrap_or(u32::MAX).to_be_bytes());
            put(sample, self.ended, &now_ms.to_be_bytes());
        }
    }
}

fn put(sample: &mut [u8], at: usize, number: &[u8]) {
    if let Some(place) = sample.get_mut(at..at + number.len()) {
        place.copy_from_slice(number);
    }
}

fn sample(agent: &str, kind: SampleKind) -> Sample {
    let lean = Sample {
        up: UP,
        down: DOWN,
        interval_ms: INTERVAL_MS,
        ended_ms: Some(ENDED),
        agent: Some(AgentSeq { agent: agent.into(), seq: Some(SEQ) }),
        capacity: Some(125_000_000),
        cpu_percent: Some(12.5),
        memory_percent: Some(41.5),
        ..Sample::default()
    };
    if kind == SampleKind::Lean {
        return lean;
    }
    let interface = |name: &str, role: &str, counted| Interface {
        name: name.into(),
        role: role.into(),
        up: 1_234_567,
        down: 7_654_321,
        up_total: Some(123_456_789_012),
        down_total: Some(987_654_321_098),
        counted,
    };
    Sample {
        boot: Some("b3a1c5d2-8c1e-4a7f-9b60-52d1f0c3a9e4".into()),
        up_total: Some(123_456_789_012),
        down_total: Some(987_654_321_098),
        interfaces: vec![interface("eth0", "physical", true), interface("br0", "bridge", false)],
        ..lean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_is_what_the_server_decodes() {
        for kind in [SampleKind::Lean, SampleKind::Full] {
            for array in [1_u16, 3] {
                let template = Template::new("agent-7", kind, array);
                let mut out = b"before".to_vec();
                template.write(&mut out, 41, 1_795_435_200_123);
                let payload = out.strip_prefix(b"before").unwrap();
                assert_eq!(payload.len(), template.len());
                let samples = komandorr_wire::decode(payload).unwrap();
                assert_eq!(samples.len(), usize::from(array));
                for (seq, sample) in (41..).zip(&samples) {
                    let agent = AgentSeq { agent: "agent-7".into(), seq: Some(seq) };
                    assert_eq!(sample.agent, Some(agent));
                    let (up, down) = volumes(seq);
                    assert_eq!((sample.up, sample.down), (up.into(), down.into()));
                    assert_eq!(sample.ended_ms, Some(1_795_435_200_123));
                    assert_eq!(
                        sample.interfaces.len(),
                        if kind == SampleKind::Full { 2 } else { 0 }
                    );
                }
            }
        }
    }

    #[test]
    fn sums_are_those_of_the_samples() {
        let (up, down) = sums(3);
        let each: Vec<_> = (1..=3).map(volumes).collect();
        assert_eq!(up, each.iter().map(|v| u64::from(v.0)).sum::<u64>());
        assert_eq!(down, each.iter().map(|v| u64::from(v.1)).sum::<u64>());
        assert_eq!(sums(0), (0, 0));
    }
}
