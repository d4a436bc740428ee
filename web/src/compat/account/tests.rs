use jiff::Timestamp;

use super::*;

const GIB: u64 = 1 << 30;
const NOON_MS: i64 = 1_795_435_200_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap()
}

/// A sample of two seconds whose source had counted so many GiB by then.
fn sample(origin: Origin, ended_ms: i64, gib: u64) -> RecentSample {
    RecentSample {
        ended_at: at(ended_ms),
        arrived_at: at(ended_ms),
        interval_ms: 2000,
        up_bytes: 0,
        down_bytes: 0,
        capacity_bytes_per_second: None,
        cpu_percent: None,
        memory_percent: None,
        gap: false,
        up_total: Some(gib * GIB),
        down_total: Some(gib * GIB),
        origin,
    }
}

fn original(ended_ms: i64, gib: u64) -> ImportProgress {
    let total = Some(gib * GIB);
    ImportProgress { seq: 1, ended_at: at(ended_ms), up_total: total, down_total: total }
}

/// The MiB sent of a first report an hour after noon, of 1500 GiB and 1 MiB/s.
fn stored(recent: &[RecentSample], imported: Option<ImportProgress>) -> u64 {
    let report = Report {
        service_id: "web-1".into(),
        bandwidth: Pair { up: 1.0, down: 0.0 },
        total: Pair { up: 1500.0, down: 1500.0 },
        max_bandwidth: None,
        cpu_percent: None,
        memory_percent: None,
    };
    let arrival = Arrival { at: Instant::now(), ms: NOON_MS + 3_600_000 };
    let account = Account::restored(recent, imported, at(arrival.ms));
    let step = account.step(&report, arrival, Identity::Plain("http:test"));
    let bytes: u64 = step.samples.iter().map(|sample| sample.up).sum();
    (bytes + (1 << 19)) >> 20
}

#[test]
fn totals_of_other_sources_are_not_the_agent_s() {
    let of_vnstat = [sample(Origin::Import, NOON_MS, 50)];
    assert!(Account::may_follow_import(&of_vnstat));
    assert_eq!(stored(&of_vnstat, None), 2);
    assert_eq!(stored(&of_vnstat, Some(original(NOON_MS - 60_000, 1490))), 10 * 1024);
    let both = [sample(Origin::Http, NOON_MS - 60_000, 1499), sample(Origin::Import, NOON_MS, 50)];
    assert_eq!(stored(&both, None), 1024);
}

/// A clock without a battery shows an earlier time after a power cut, until it is set.
#[test]
fn what_was_counted_before_the_clock_fell_back_is_not_counted_again() {
    let hour_ms = 3_600_000;
    let before = sample(Origin::Http, NOON_MS + hour_ms - 2000, 1400);
    let later = sample(Origin::Http, NOON_MS + 2 * hour_ms, 1499);
    // Or it was ahead then, and what is of now came later.
    let ahead = sample(Origin::Http, NOON_MS + 9000 * hour_ms, 1400);
    let since = sample(Origin::Http, NOON_MS + hour_ms - 2000, 1499);
    let counted = stored(&[since], None);
    assert!((1023..=1024).contains(&counted), "{counted}");
    assert_eq!(stored(&[since, later], None), counted);
    assert_eq!(stored(&[since, ahead], None), counted);
    assert!(stored(&[before, later], None) <= counted);
}

#[test]
fn the_newest_of_its_own_totals_counts() {
    let posted = [sample(Origin::Import, NOON_MS, 50), sample(Origin::Http, NOON_MS + 1, 1499)];
    assert!(!Account::may_follow_import(&posted));
    assert_eq!(stored(&posted, None), 1024);
    assert_eq!(stored(&posted, Some(original(NOON_MS, 1490))), 1024);
    assert_eq!(stored(&posted, Some(original(NOON_MS + 1, 1490))), 1024);
    assert_eq!(stored(&posted, Some(original(NOON_MS + 2, 1490))), 10 * 1024);
    assert!(!Account::may_follow_import(&[sample(Origin::Agent, NOON_MS, 7)]));
    assert_eq!(stored(&[sample(Origin::Agent, NOON_MS, 7)], None), 2);
}
