//! The codec against the contract: what is written is read again, any bytes
//! are read or refused, and other languages understand it.

use komandorr_wire::{
    AgentSeq, DecodeError, Interface, MAX_INTERVAL_MS, Sample, decode, encode, encode_one,
};
use proptest::{collection::vec, option, prelude::*};

const MAX: u64 = i64::MAX as u64;

fn text() -> impl Strategy<Value = Box<str>> {
    "[a-zA-Z0-9äß_.-]{1,32}".prop_map(Into::into)
}

fn interface() -> impl Strategy<Value = Interface> {
    (text(), text(), 0..=MAX, 0..=MAX, option::of(0..=MAX), option::of(0..=MAX), any::<bool>())
        .prop_map(|(name, role, up, down, up_total, down_total, counted)| Interface {
            name,
            role,
            up,
            down,
            up_total,
            down_total,
            counted,
        })
}

prop_compose! {
    fn agent()(agent in text(), seq in option::of(1..=MAX)) -> AgentSeq {
        AgentSeq { agent, seq }
    }
}

prop_compose! {
    fn sample()(
        (up, down, interval_ms) in (0..=MAX, 0..=MAX, 1..=MAX_INTERVAL_MS),
        (ended_ms, agent, boot) in (option::of(any::<i64>()), option::of(agent()), option::of(text())),
        (up_total, down_total) in (option::of(0..=MAX), option::of(0..=MAX)),
        capacity in option::of(1..=MAX),
        (cpu_percent, memory_percent) in (option::of(0.0..=100.0_f32), option::of(0.0..=100.0_f32)),
        gap in any::<bool>(),
        interfaces in vec(interface(), 0..4),
    ) -> Sample {
        Sample {
            up, down, interval_ms, ended_ms, agent, boot, up_total, down_total, capacity,
            cpu_percent, memory_percent, gap, interfaces,
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(samples in vec(sample(), 1..20)) {
        prop_assert_eq!(decode(&encode(&samples)), Ok(samples.clone()));
        prop_assert_eq!(decode(&encode_one(&samples[0])), Ok(vec![samples[0].clone()]));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..600)) {
        if let Err(error) = decode(&bytes) {
            prop_assert!(DecodeError::REASONS.contains(&error.reason()));
        }
    }

    #[test]
    fn damage_to_a_sample_never_panics(sample in sample(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = encode_one(&sample);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        drop((decode(&bytes), decode(&bytes[..at])));
    }

    #[test]
    fn a_sample_that_is_cut_off_is_refused(sample in sample(), at in any::<prop::sample::Index>()) {
        let bytes = encode_one(&sample);
        prop_assert!(decode(&bytes[..at.index(bytes.len())]).is_err());
    }
}

/// A map of the required keys, whose `up` is the given MessagePack integer.
fn with_up(up: &[u8]) -> Vec<u8> {
    [b"\x84\xa1v\x01\xa2up", up, b"\xa4down\x02\xa2dt\xcd\x13\x88"].concat()
}

#[test]
fn integers_are_taken_in_every_width() {
    let widths: [(&[u8], u64); 9] = [
        (b"\x07", 7),
        (b"\xcc\x07", 7),
        (b"\xcd\x00\x07", 7),
        (b"\xce\x00\x00\x00\x07", 7),
        (b"\xcf\x00\x00\x00\x00\x00\x00\x00\x07", 7),
        (b"\xd0\x07", 7),
        (b"\xd1\x00\x07", 7),
        (b"\xd2\x00\x00\x00\x07", 7),
        (b"\xd3\x00\x00\x00\x00\x00\x00\x00\x07", 7),
    ];
    for (bytes, up) in widths {
        let expected = Sample { up, down: 2, interval_ms: 5000, ..Sample::default() };
        assert_eq!(decode(&with_up(bytes)), Ok(vec![expected]), "{bytes:x?}");
    }
}

#[test]
fn wrong_types_are_refused_and_name_the_key() {
    for bytes in
        [b"\xff".as_slice(), b"\xd0\xff", b"\xa11", b"\xc0", b"\xcb\0\0\0\0\0\0\0\0", b"\x90"]
    {
        let error = decode(&with_up(bytes)).unwrap_err();
        assert_eq!(error.reason(), "malformed", "{bytes:x?}: {error}");
        assert!(error.to_string().contains("`up`"), "{error}");
    }
}

#[test]
fn unknown_keys_are_ignored_and_doubled_ones_refused() {
    let plain = with_up(b"\x07");
    let mut unknown =
        b"\x86\xa3new\x93\xc0\x81\xa1a\xc3\xcb\0\0\0\0\0\0\0\0\xa4more\xc4\x01\0".to_vec();
    unknown.extend(&plain[1..]);
    assert_eq!(decode(&unknown), decode(&plain));
    let mut doubled = b"\x85\xa2up\x01".to_vec();
    doubled.extend(&plain[1..]);
    assert!(decode(&doubled).unwrap_err().to_string().contains("`up` stands twice"));
}

#[test]
fn a_positional_array_is_no_sample() {
    assert_eq!(decode(b"\x91\x94\x01\x02\x03\x04").unwrap_err().reason(), "malformed");
}

#[test]
fn bounds_are_kept() {
    let valid = Sample { up: 1, down: 2, interval_ms: 1000, ..Sample::default() };
    let refused = |change: fn(&mut Sample)| {
        let mut sample = valid.clone();
        change(&mut sample);
        decode(&encode_one(&sample)).unwrap_err().to_string()
    };
    assert!(refused(|s| s.interval_ms = 0).starts_with("`dt` must be"));
    assert!(refused(|s| s.interval_ms = MAX_INTERVAL_MS + 1).starts_with("`dt` must be"));
    assert!(refused(|s| s.up = MAX + 1).starts_with("`up` must be"));
    assert!(refused(|s| s.capacity = Some(0)).starts_with("`cap` must be"));
    assert!(refused(|s| s.cpu_percent = Some(f32::NAN)).starts_with("`cpu` must be"));
    assert!(refused(|s| s.memory_percent = Some(-1.0)).starts_with("`mem` must be"));
    assert!(refused(|s| s.boot = Some("".into())).starts_with("`boot` must be"));
    let agent = |agent: &str, seq| Some(AgentSeq { agent: agent.into(), seq: Some(seq) });
    let mut long = valid.clone();
    long.agent = agent(&"x".repeat(65), 1);
    assert!(decode(&encode_one(&long)).is_err());
    long.agent = agent("x", 0);
    assert!(decode(&encode_one(&long)).is_err());
}

#[test]
fn each_refusal_has_its_reason() {
    let reason = |bytes: &[u8]| decode(bytes).unwrap_err().reason();
    let one = with_up(b"\x07");
    assert_eq!(reason(b""), "empty");
    assert_eq!(reason(b"\xc1"), "not_a_sample");
    assert_eq!(reason(b"{\"up\":1}"), "not_a_sample");
    assert_eq!(reason(b"\x80"), "missing_key");
    assert_eq!(reason(b"\x90"), "sample_count");
    assert_eq!(reason(b"\x81\xa1v\x02"), "unknown_version");
    assert_eq!(reason(&[one.as_slice(), b"\0"].concat()), "trailing_bytes");
    let thousand_and_one = vec![Sample { interval_ms: 1, ..Sample::default() }; 1001];
    assert_eq!(decode(&encode(&thousand_and_one)), Err(DecodeError::Count(1001)));
    assert_eq!(decode(&encode(&thousand_and_one[..1000])).map(|list| list.len()), Ok(1000));
    // A length that promises four milliards of samples allocates nothing.
    assert_eq!(reason(b"\xdd\xff\xff\xff\xff"), "malformed");
    // Nesting that would exhaust a stack.
    assert_eq!(
        reason(&[b"\x81\xa1x".as_slice(), &vec![0x91; 100_000], b"\xc0"].concat()),
        "malformed"
    );
}

/// What Python's `msgpack` 1.1 makes of the dictionary of the contract:
/// `msgpack.packb({"v":1,"up":123456789,"down":9876543210,"dt":5000,...})`,
/// and that library's reading of what we write (`tests/python.py`).
#[test]
fn what_python_writes_is_read() {
    let bytes = include_bytes!("python.msgpack");
    let sample = Sample {
        up: 123_456_789,
        down: 9_876_543_210,
        interval_ms: 5000,
        ended_ms: Some(1_795_436_400_123),
        agent: Some(AgentSeq { agent: "b2c4".into(), seq: Some(42) }),
        boot: Some("7f1e".into()),
        up_total: Some(1_000_000_000_000),
        down_total: Some(2_000_000_000_000),
        capacity: Some(125_000_000),
        cpu_percent: Some(12.5),
        memory_percent: Some(50.25),
        gap: true,
        interfaces: vec![Interface {
            name: "eth0".into(),
            role: "physical".into(),
            up: 123_456_789,
            down: 9_876_543_210,
            up_total: Some(1_000_000_000_000),
            down_total: Some(2_000_000_000_000),
            counted: true,
        }],
    };
    assert_eq!(decode(bytes), Ok(vec![sample.clone()]));
    assert_eq!(encode_one(&sample), include_bytes!("rust.msgpack"), "what python.py reads");
}

/// What a fuzzer found worth keeping: every file of the corpus is read.
#[test]
fn the_fuzzer_s_corpus_is_read_without_a_panic() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/samples");
    let mut files = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        if let Ok(samples) = decode(&bytes) {
            assert_eq!(decode(&encode(&samples)), Ok(samples));
        }
        files += 1;
    }
    assert!(files >= 8, "the corpus in {corpus} is gone");
}
