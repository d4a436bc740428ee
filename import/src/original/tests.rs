use super::*;

/// A database as the original makes it.
fn database(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("komandorr.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            r#"CREATE TABLE services (id TEXT PRIMARY KEY, name TEXT, url TEXT, type TEXT,
                 "group" TEXT, bandwidth_up REAL, bandwidth_down REAL, total_up REAL,
                 total_down REAL, max_bandwidth REAL, traffic_last_updated TEXT);
               CREATE TABLE traffic_history (id INTEGER PRIMARY KEY, service_id TEXT,
                 timestamp TEXT, bandwidth_up REAL, bandwidth_down REAL, total_up REAL,
                 total_down REAL);
               INSERT INTO services VALUES
                 ('web-1', 'Web', 'https://web', 'website', 'Edge', 1, 2, 100.02, 50.004, 250,
                  '2026-11-22 10:00:20.000000'),
                 ('b 2', 'No id of ours', '', 'app', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
                 ('new', 'New', '', 'app', NULL, 0, 0, 0, 0, NULL, NULL),
                 ('old', 'Total alone', '', 'app', NULL, 0, 0, 7, 8, NULL, '2026-11-20 00:00:00');"#,
        )
        .unwrap();
    for n in 0..10 {
        connection
            .execute(
                "INSERT INTO traffic_history VALUES (NULL, 'web-1', ?1, 1.0, 0.2, ?2, ?3)",
                (
                    format!("2026-11-22T10:00:{:02}.500000", n * 2),
                    100.0 + f64::from(n) * 0.002,
                    50.0 + (f64::from(n) * 0.0004 * 1000.0).round() / 1000.0,
                ),
            )
            .unwrap();
    }
    path
}

const NOW_MS: i64 = 1_795_500_000_000;

#[test]
fn services_and_their_traffic_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let original = read_original(&database(folder.path())).unwrap();
    assert_eq!(original.unusable, ["b 2"]);
    let ids: Vec<_> = original.services.iter().map(|service| service.id.as_str()).collect();
    assert_eq!(ids, ["web-1", "new", "old"]);
    let web = &original.services[0];
    assert_eq!((web.name.as_str(), web.kind.as_str()), ("Web", "website"));
    assert_eq!((web.group.as_deref(), web.points()), (Some("Edge"), 11));
    let history = web.history(None, NOW_MS);
    let gib = |gib: f64| Tally::begin(gib).counted;
    assert!(history.total.up.abs_diff(gib(100.02)) < 600_000);
    assert!(history.total.down.abs_diff(gib(50.004)) < 600_000);
    // What grew between the first and the last point, and the first interval.
    let grown = gib(0.02) + 2 * 1_048_576;
    assert!(history.sum().up.abs_diff(grown) < 600_000, "{:?}", history.sum());
    assert_eq!(history.until_ms, 1_795_341_620_000);
    assert_eq!(original.services[1].history(None, NOW_MS), History::default());
    let total_alone = original.services[2].history(None, NOW_MS);
    assert_eq!(total_alone.total, Bytes { up: gib(7.0), down: gib(8.0) });
    assert!(total_alone.sum().is_nothing());
}

#[test]
fn the_agent_s_state_adds_what_came_after_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let original = read_original(&database(folder.path())).unwrap();
    let web = &original.services[0];
    let newer = AgentState { ended_ms: 1_795_341_620_000 + 60_000, sent: 100.52, received: 50.004 };
    let (before, after) = (web.history(None, NOW_MS), web.history(Some(newer), NOW_MS));
    let grown = after.sum().minus(before.sum()).up;
    assert!(grown.abs_diff(536_870_912) < 600_000, "half a GiB: {grown}");
    assert_eq!(after.until_ms, newer.ended_ms);
    let older = AgentState { ended_ms: 1, ..newer };
    let less = AgentState { sent: 3.0, ..newer };
    for state in [older, less] {
        let history = web.history(Some(state), NOW_MS);
        assert_eq!((history.sum(), history.skipped.len()), (before.sum(), 1));
    }
    let new = &original.services[1];
    assert_eq!(new.history(Some(newer), NOW_MS).total.up, Tally::begin(100.52).counted);
}

#[test]
fn what_lies_in_the_future_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let original = read_original(&database(folder.path())).unwrap();
    let history = original.services[0].history(None, 1_795_341_605_000);
    assert!(history.until_ms <= 1_795_341_605_000);
    assert!(history.skipped[0].reason.starts_with('8'), "{:?}", history.skipped);
}

#[test]
fn a_damaged_database_is_named_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = database(folder.path());
    let whole = std::fs::read(&path).unwrap();
    let mut torn = whole.clone();
    torn[4096..8192].fill(0xff);
    for (content, word) in [
        (b"not a database at all".to_vec(), "not a database"),
        (torn, "it is damaged"),
        (Vec::new(), "services"),
    ] {
        std::fs::write(&path, &content).unwrap();
        let error = read_original(&path).unwrap_err().to_string();
        assert!(error.contains(word) && error.contains("nothing was imported"), "{error}");
        assert_eq!(error.lines().count(), 1);
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
    let missing = read_original(&folder.path().join("none.db")).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read"), "{missing}");
    assert!(!folder.path().join("none.db").exists());
}

#[test]
fn times_are_utc_with_and_without_saying_so() {
    for text in
        ["2026-11-22 23:56:51.909765", "2026-11-22T23:56:51.909765Z", "2026-11-22T23:56:51.909"]
    {
        assert_eq!(utc(text), Some(1_795_391_811_909), "{text}");
    }
    assert_eq!((utc(""), utc("yesterday"), utc("0001-01-01 00:00:00")), (None, None, None));
}
