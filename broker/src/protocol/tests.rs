//! Framing and packets: any bytes give a packet or a violation, and what we
//! write others read.

use bytes::BytesMut;
use proptest::{collection::vec, prelude::*};
use rumqttc::v5::mqttbytes::v5::Packet as Fifth;
use rumqttd::protocol::{Packet as Theirs, Protocol, v4::V4, v5::V5};

use super::*;

const LIMIT: usize = 1 << 20;

/// One of each that a client may send, for both versions.
fn valid() -> Vec<(Option<Version>, Vec<u8>)> {
    let (v3, v5) = (Some(Version::V311), Some(Version::V5));
    vec![
        (None, b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a".to_vec()),
        (None, b"\x10\x20\0\x04MQTT\x05\xee\0\x3c\x05\x11\0\0\0\x09\0\x01a\0\0\x01t\0\x01w\0\x01u\0\x01p".to_vec()),
        (v3, b"\x32\x08\0\x03t/x\0\x07p".to_vec()),
        (v5, b"\x33\x0e\0\x03t/x\0\x07\x05\x02\0\0\0\x09p".to_vec()),
        (v3, b"\x40\x02\0\x07".to_vec()),
        (v5, b"\x40\x04\0\x07\0\0".to_vec()),
        (v3, b"\x82\x08\0\x07\0\x03t/#\x01".to_vec()),
        (v5, b"\x82\x09\0\x07\0\0\x03t/#\x2d".to_vec()),
        (v5, b"\xa2\x08\0\x07\0\0\x03t/#".to_vec()),
        (v3, b"\xa2\x07\0\x07\0\x03t/#".to_vec()),
        (v3, b"\xc0\0".to_vec()),
        (v5, b"\xe0\x02\x04\0".to_vec()),
        (v3, b"\xe0\0".to_vec()),
    ]
}

fn read(bytes: &[u8], version: Option<Version>) -> Result<Packet<'_>, Violation> {
    match frame(bytes, LIMIT)? {
        Some(frame) => decode(&frame, version),
        None => Err(Violation::Malformed("incomplete")),
    }
}

#[test]
fn every_packet_of_a_client_is_read() {
    for (version, bytes) in valid() {
        read(&bytes, version).unwrap_or_else(|why| panic!("{why}: {bytes:02x?}"));
    }
}

#[test]
fn what_clients_must_not_send_is_a_violation() {
    let (v3, v5) = (Version::V311, Version::V5);
    let table: [(Version, &[u8], u8); 22] = [
        (v3, b"\x34\x06\0\x01t\0\x07p", 0x9b),              // QoS 2
        (v3, b"\x36\x06\0\x01t\0\x07p", 0x81),              // QoS 3
        (v3, b"\x38\x04\0\x01tp", 0x81),                    // duplicate of QoS 0
        (v3, b"\x32\x05\0\x01t\0\0", 0x81),                 // packet id 0
        (v3, b"\x30\x04\0\x02\xc3\x28", 0x81),              // not UTF-8
        (v3, b"\x30\x04\0\x02a\0", 0x81),                   // U+0000
        (v3, b"\x30\x03\0\x09t", 0x81),                     // topic longer than the packet
        (v5, b"\x30\x07\0\x01t\x03\x23\0\x01", 0x94),       // topic alias
        (v5, b"\x30\x06\0\x01t\x02\x0b\x01", 0x82),         // subscription identifier
        (v5, b"\x30\x09\0\x01t\x05\x02\0\0\0", 0x81),       // property cut off
        (v5, b"\x30\x06\0\x01t\x02\x01\x02", 0x82),         // payload format 2
        (v5, b"\x30\x08\0\x01t\x04\x01\x01\x01\x01", 0x82), // property twice
        (v5, b"\x30\x06\0\x01t\x02\x7f\0", 0x81),           // unknown property
        (v3, b"\x80\x06\0\x07\0\x01t\0", 0x81),             // reserved flags
        (v3, b"\x82\x02\0\x07", 0x82),                      // no filter
        (v3, b"\x82\x06\0\x07\0\x01t\x03", 0x81),           // QoS 3
        (v5, b"\x82\x09\0\x07\x02\x0b\x01\0\x01t\0", 0xa1), // subscription identifier
        (v5, b"\x20\x03\0\0\0", 0x82),                      // CONNACK from a client
        (v5, b"\xf0\x02\0\0", 0x81),                        // AUTH
        (v3, b"\x62\x02\0\x07", 0x82),                      // PUBREL
        (v3, b"\xc0\x01\0", 0x81),                          // PINGREQ with a body
        (v5, b"\xe0\x03\0\0\0", 0x81),                      // bytes after the end
    ];
    for (version, bytes, code) in table {
        let verdict = read(bytes, Some(version));
        assert_eq!(verdict.map_err(Violation::reason), Err(code), "{bytes:02x?}");
    }
}

#[test]
fn a_hostile_connect_is_a_violation() {
    let table: [&[u8]; 9] = [
        b"\x30\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a",
        b"\x10\x0d\0\x04MQTX\x04\x02\0\x3c\0\x01a",
        b"\x10\x0d\0\x04MQTT\x04\x03\0\x3c\0\x01a", // reserved flag
        b"\x10\x0d\0\x04MQTT\x04\x22\0\x3c\0\x01a", // will retain without will
        b"\x10\x0d\0\x04MQTT\x04\x1e\0\x3c\0\x01a", // will of QoS 3
        b"\x10\x0d\0\x04MQTT\x04\x42\0\x3c\0\x01a", // password without user
        b"\x10\x0e\0\x04MQTT\x04\x02\0\x3c\0\x01ax", // trailing byte
        b"\x10\x11\0\x04MQTT\x05\x02\0\x3c\x03\x21\0\0\0\x01a", // receive maximum 0
        b"\x10\x0f\0\x04MQTT\x05\x02\0\x3c\x01\x23\0\x01a", // property cut off
    ];
    for bytes in table {
        assert!(read(bytes, None).is_err(), "{bytes:02x?}");
    }
    for level in [3, 6] {
        let bytes = [b"\x10\x0d\0\x04MQTT".as_slice(), &[level], b"\x02\0\x3c\0\x01a"].concat();
        assert_eq!(read(&bytes, None), Err(Violation::Version));
    }
}

#[test]
fn a_frame_is_refused_for_its_announced_size_before_it_is_there() {
    assert_eq!(frame(b"\x30\x80\x80\x80\x01", 1000), Err(Violation::TooLarge));
    assert_eq!(frame(b"\x30\xff\xff\xff\x7f", LIMIT), Err(Violation::TooLarge));
    assert!(matches!(frame(b"\x30\xff\xff\xff\xff\x01", LIMIT), Err(Violation::Malformed(_))));
    assert_eq!(frame(b"\x30\x80", LIMIT), Ok(None));
    assert_eq!(frame(b"", LIMIT), Ok(None));
    assert!(frame(b"\x00\x00", LIMIT).is_err());
    assert!(frame(b"\xf0\x00", LIMIT).is_err());
}

/// What a fuzzer found worth keeping: every file of the corpus is read.
#[test]
fn the_fuzzer_s_corpus_is_read_without_a_panic() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/frames");
    let mut files = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        fuzz(&std::fs::read(entry.unwrap().path()).unwrap());
        files += 1;
    }
    assert!(files >= 20, "the corpus in {corpus} is gone");
}

proptest! {
    #[test]
    fn any_bytes_give_packets_or_a_violation(bytes in vec(any::<u8>(), 0..200)) {
        fuzz(&bytes);
    }

    #[test]
    fn a_damaged_packet_gives_a_packet_or_a_violation(
        which in any::<prop::sample::Index>(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let all = valid();
        let (version, mut bytes) = which.get(&all).clone();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(Some(frame)) = frame(&bytes, LIMIT) {
            prop_assert!(frame.len <= bytes.len());
            drop(decode(&frame, version));
        }
    }

    #[test]
    fn a_packet_cut_off_waits_for_the_rest(
        which in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>(),
    ) {
        let all = valid();
        let (_, bytes) = which.get(&all);
        let cut = cut.index(bytes.len());
        prop_assert_eq!(frame(&bytes[..cut], LIMIT), Ok(None));
    }

    #[test]
    fn another_codec_reads_what_we_publish(
        topic in "[a-z/]{1,40}", payload in vec(any::<u8>(), 0..300), qos1: bool, retain: bool,
    ) {
        let packet_id = qos1.then_some(7);
        let message = Delivered { topic: ("k/", &topic), payload: &payload, packet_id, retain };
        for version in [Version::V311, Version::V5] {
            let mut out = BytesMut::new();
            let len = publish(&mut out, version, &message);
            prop_assert_eq!(len, out.len());
            let theirs = match version {
                Version::V311 => V4.read_mut(&mut out, LIMIT),
                Version::V5 => V5.read_mut(&mut out, LIMIT),
            };
            let Ok(Theirs::Publish(theirs, _)) = theirs else { panic!("{theirs:?}") };
            let whole = format!("k/{topic}");
            prop_assert_eq!(&theirs.topic[..], whole.as_bytes());
            prop_assert_eq!((&theirs.payload[..], theirs.retain), (&payload[..], retain));
        }
    }
}

#[test]
fn another_codec_reads_our_welcome() {
    let ack = ConnAck {
        receive_maximum: 1000,
        maximum_packet_size: 1 << 20,
        server_keep_alive: Some(60),
        assigned_client_id: Some("komandorr-1"),
        session_not_kept: true,
    };
    let mut out = BytesMut::new();
    connack(&mut out, Version::V5, &ack);
    let Fifth::ConnAck(theirs) = Fifth::read(&mut out, None).unwrap() else { panic!() };
    let theirs = theirs.properties.unwrap();
    assert_eq!(theirs.receive_max, Some(1000));
    assert_eq!(theirs.max_qos, Some(1));
    assert_eq!(theirs.server_keep_alive, Some(60));
    assert_eq!(theirs.assigned_client_identifier.as_deref(), Some("komandorr-1"));
    assert_eq!(theirs.session_expiry_interval, Some(0));
    assert_eq!(theirs.shared_subscription_available, Some(0));
    assert!(out.is_empty());
}
