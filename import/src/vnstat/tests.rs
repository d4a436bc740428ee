use super::*;

const REAL: &[u8] = include_bytes!("../../tests/vnstat-2.10.json");

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

fn read(text: &[u8]) -> Vec<(String, History)> {
    read_vnstat(text, "vnstat.json", &berlin()).unwrap()
}

fn sum_between(history: &History, from_ms: i64, to_ms: i64) -> Bytes {
    let inside = |piece: &&Piece| from_ms <= piece.from_ms && piece.to_ms <= to_ms;
    history.pieces.iter().filter(inside).fold(Bytes::default(), |sum, piece| sum.plus(piece.bytes))
}

/// Every row of every level, from the document itself.
fn rows(level: &str) -> Vec<(i64, i64, Bytes)> {
    let document: serde_json::Value = serde_json::from_slice(REAL).unwrap();
    let rows = document["interfaces"][0]["traffic"][level].as_array().unwrap().clone();
    let updated = document["interfaces"][0]["updated"]["timestamp"].as_i64().unwrap();
    let end = |begin: i64| {
        let span = match level {
            "fiveminute" => 5.minutes(),
            "hour" => 1.hour(),
            "day" => 1.day(),
            "month" => 1.month(),
            _ => 1.year(),
        };
        let zoned = Timestamp::from_second(begin).unwrap().to_zoned_datetime(berlin());
        zoned.checked_add(span).unwrap().timestamp().as_second().min(updated)
    };
    let row = |row: &serde_json::Value| {
        let begin = row["timestamp"].as_i64().unwrap();
        let bytes = Bytes { up: row["tx"].as_u64().unwrap(), down: row["rx"].as_u64().unwrap() };
        (begin * 1000, end(begin) * 1000, bytes)
    };
    rows.iter().map(row).collect()
}

#[test]
fn every_row_of_every_level_has_its_bytes_in_its_own_time() {
    let histories = read(REAL);
    let (name, history) = &histories[0];
    assert_eq!((name.as_str(), histories.len()), ("eth0", 1));
    for level in ["fiveminute", "hour", "day", "month", "year"] {
        for (from, to, bytes) in rows(level) {
            assert_eq!(sum_between(history, from, to), bytes, "{level} from {from}");
        }
    }
    assert_eq!(history.sum(), history.total, "all that was ever counted");
    assert!(history.skipped.is_empty());
    for pair in history.pieces.windows(2) {
        assert!(pair[0].to_ms <= pair[1].from_ms, "they overlap");
    }
    assert_eq!(history.until_ms, 1_750_774_500_000);
    assert!(history.pieces.iter().all(|piece| piece.to_ms <= history.until_ms));
    assert_eq!(history.pieces[0].from_ms, 1_710_920_400_000, "not before it was made");
}

#[test]
fn without_utc_times_are_read_on_the_clock_of_the_host() {
    let mut document: serde_json::Value = serde_json::from_slice(REAL).unwrap();
    strip(&mut document);
    let local = read(&serde_json::to_vec(&document).unwrap());
    let utc = read(REAL);
    let ends = |history: &History| history.pieces.iter().map(|p| p.to_ms).collect::<Vec<_>>();
    assert_eq!(ends(&local[0].1), ends(&utc[0].1), "summer and winter time too");
}

fn strip(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            fields.remove("timestamp");
            fields.values_mut().for_each(strip);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

#[test]
fn what_is_damaged_is_named() {
    let refused = |text: &[u8]| read_vnstat(text, "a.json", &berlin()).unwrap_err().to_string();
    for (text, word) in [
        (&b""[..], "EOF"),
        (b"vnstat: nothing", "expected value"),
        (b"{\"jsonversion\":\"1\",\"interfaces\":[]}", "jsonversion"),
        (b"{\"jsonversion\":\"2\"}", "interfaces"),
        (&REAL[..REAL.len() / 2], "EOF"),
    ] {
        let message = refused(text);
        assert!(message.contains(word) && message.contains("nothing was imported"), "{message}");
        assert_eq!(message.lines().count(), 1);
    }
    let wrong = String::from_utf8_lossy(REAL).replace("\"month\":6", "\"month\":31");
    let wrong = wrong.replace("\"timestamp\"", "\"stamp\"");
    assert!(refused(wrong.as_bytes()).contains("eth0"), "a date that does not exist");
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(at in 0..REAL.len(), byte: u8) {
        let mut text = REAL.to_vec();
        text[at] = byte;
        drop(read_vnstat(&text, "a", &berlin()));
    }
}
