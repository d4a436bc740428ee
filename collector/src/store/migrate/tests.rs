//! From every earlier version the schema comes out the same, with its data.

use sha2::{Digest, Sha256};

use super::*;

/// SHA-256 of each migration that has shipped: none may ever change. A new one
/// is added here when it ships.
const SHIPPED: [&str; 12] = [
    "51112492d1efb3ba68e4bb76d688e2db2761b7cecd393532bb184bfae2b991b1",
    "7ee0100fd9de33c79349c82465dd692cf9ae05f123a14ecc497bae07bb541e7b",
    "cce31b1e585c56f3ee8ba516bca94b651bb1060a1a98813e53066c298649a860",
    "b69c5841673dacb7abfab3aa75eb6b2222dbb3376f493396dc671016a54c1d80",
    "0b6d8ed469076daea57bdfb782eb13f0456e3b4dc9b252eade84eb985c0fc856",
    "ca2538fc0c28e77f089a94e5b9316ad163e76bb12a25a3742313830dbbf2d5b8",
    "96d28d41713c54487197d5859495e06a30a768b6916772fc579767839fb7a3df",
    "8a7e087323354aa9535cb2b1e201083f89870d8ab7de83aa7f87ea95e6c1ed80",
    "7a311ab928592ddd8a170a6c90a943bda89f0075f34cb29d7cc4f72cf3ca30ee",
    "dae7f39ea5d0985540839af58cf8f3410a4650bc53faa5dcb13cf5b19bc809a6",
    "1b68769355594c03c85e563f82b6b34a4315b48c8cc26d7b178d71b21a3fc231",
    "1fe6396a7bb4fae77ba1ece501867744976c417ebd38b9b7af778c8e1bf15150",
];

/// A database as the program that knew only `version` migrations left it, with
/// a sample in it.
fn of_version(version: usize) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    assert_eq!(bring_to(&connection, &MIGRATIONS[..version]).unwrap(), Migrated::Current);
    if version > 0 {
        connection
            .execute_batch(
                "INSERT INTO service (service_no, id, name, created_at)
                 VALUES (nextval('service_no'), 'web-1', 'Web', TIMESTAMP '2026-11-01 00:00:00');
                 INSERT INTO sample
                     (service_no, agent_no, ended_at, interval_ms, up_bytes, down_bytes,
                      capacity_bytes_per_second, cpu_percent, memory_percent, gap, clock_corrected)
                 VALUES
                     (1, NULL, TIMESTAMP '2026-11-20 10:07:00', 60000, 6000, 60,
                      NULL, 12.34, 3, false, false);
                 INSERT INTO recent_volume VALUES
                     (1, TIMESTAMP '2026-11-20 10:05:00', 6000, 60, 60000, 100, 1, 1);
                 INSERT INTO five_minute_volume VALUES
                     (1, TIMESTAMP '2026-11-20 10:00:00', 3000, 30, 30000, 100, 1, 1);
                 INSERT INTO hour_volume VALUES
                     (1, TIMESTAMP '2026-11-20 10:00:00', 3000, 30, 30000, 100, 1, 1);",
            )
            .unwrap();
    }
    connection
}

fn number(length: usize) -> i64 {
    i64::try_from(length).unwrap()
}

/// Everything that makes up a schema, as text.
fn schema(connection: &Connection) -> Vec<String> {
    let lists = [
        "SELECT concat_ws('|', table_name, column_name, column_index, data_type, is_nullable,
                          column_default, comment)
         FROM duckdb_columns() WHERE NOT internal ORDER BY ALL",
        "SELECT concat_ws('|', table_name, comment) FROM duckdb_tables() ORDER BY ALL",
        "SELECT concat_ws('|', view_name, sql, comment)
         FROM duckdb_views() WHERE NOT internal ORDER BY ALL",
        "SELECT sequence_name FROM duckdb_sequences() ORDER BY ALL",
    ];
    lists.iter().flat_map(|sql| texts(connection, sql)).collect()
}

fn texts(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<duckdb::Result<_>>().unwrap()
}

#[test]
fn every_earlier_version_becomes_the_newest_and_keeps_its_data() {
    let newest = Connection::open_in_memory().unwrap();
    assert_eq!(migrate(&newest).unwrap(), Migrated::Current);
    for version in 0..=MIGRATIONS.len() {
        let connection = of_version(version);
        assert_eq!(current_version(&connection).unwrap(), Some(number(version)));
        assert_eq!(migrate(&connection).unwrap(), Migrated::Current);
        assert_eq!(current_version(&connection).unwrap(), Some(number(MIGRATIONS.len())));
        assert_eq!(schema(&connection), schema(&newest), "from version {version}");
        if version > 0 {
            let hours =
                "SELECT service || ' ' || up_bytes || ' ' || covered_ms FROM traffic_by_hour";
            assert_eq!(texts(&connection, hours), ["web-1 9000 90000"], "from {version}");
            let samples = "SELECT service || ' ' || up_bytes_per_second FROM latest_samples";
            assert_eq!(texts(&connection, samples), ["web-1 100"], "from {version}");
            let loads = "SELECT concat_ws(' ', cpu_percent, memory_percent) FROM sample";
            assert_eq!(texts(&connection, loads), ["12.3 3.0"], "from {version}");
        }
        // Once more changes nothing.
        assert_eq!(migrate(&connection).unwrap(), Migrated::Current);
        assert_eq!(schema(&connection), schema(&newest));
    }
}

#[test]
fn days_are_made_of_the_hours_that_are_there() {
    let connection = of_version(7);
    connection
        .execute_batch(
            "INSERT INTO hour_volume VALUES
                 (1, TIMESTAMP '2026-11-20 23:00:00', 7, 70, 1000, 9, 2, 3),
                 (1, TIMESTAMP '2026-11-21 00:00:00', 5, 50, 1000, 4, 5, 6)",
        )
        .unwrap();
    migrate(&connection).unwrap();
    let days = "SELECT concat_ws(' ', bucket, up_bytes, down_bytes, covered_ms, up_peak, samples)
                FROM day_volume ORDER BY bucket";
    assert_eq!(
        texts(&connection, days),
        ["2026-11-20 00:00:00 3007 100 31000 100 4", "2026-11-21 00:00:00 5 50 1000 4 6"]
    );
}

#[test]
fn what_earlier_versions_forgot_is_known() {
    let connection = of_version(6);
    let hour =
        "INSERT INTO hour_volume VALUES (1, TIMESTAMP '2026-11-19 10:00:00', 1, 1, 1, 1, 1, 1)";
    connection.execute_batch(hour).unwrap();
    migrate(&connection).unwrap();
    let until = "SELECT until::VARCHAR FROM forgotten_five_minutes";
    assert_eq!(texts(&connection, until), ["2026-11-20 10:00:00"]);
    let whole = of_version(6);
    migrate(&whole).unwrap();
    assert_eq!(texts(&whole, until), Vec::<String>::new());
}

#[test]
fn from_when_services_report_is_guessed_as_before() {
    let connection = of_version(10);
    connection
        .execute_batch(
            "INSERT INTO service (service_no, id, name, created_at)
             SELECT nextval('service_no'), 'host-' || n, '', TIMESTAMP '2026-11-10 00:00:00'
             FROM range(2, 6) AS t (n);
             INSERT INTO agent (agent_no, identity, service_no) VALUES
                 (1, 'spooled', 2), (2, 'import:a', 3), (3, 'import:b', 4), (4, 'http:x', 4);
             INSERT INTO sample
                 (service_no, agent_no, ended_at, interval_ms, up_bytes, down_bytes, gap,
                  clock_corrected)
             SELECT service_no, agent_no, ended, 60000, 1, 1, false, false
             FROM (VALUES
                 (2, 1, TIMESTAMP '2026-11-09 23:30:00'),
                 (3, 2, TIMESTAMP '2020-01-01 00:00:00'),
                 (4, 3, TIMESTAMP '2020-01-01 00:00:00')
             ) AS more (service_no, agent_no, ended)",
        )
        .unwrap();
    migrate(&connection).unwrap();
    let own = "SELECT concat_ws(' ', service_no, since) FROM own_traffic ORDER BY ALL";
    assert_eq!(
        texts(&connection, own),
        ["1 2026-11-01 00:00:00", "2 2026-11-09 23:29:00", "4 2026-11-10 00:00:00"]
    );
}

#[test]
fn a_newer_version_is_refused_and_left_as_it_is() {
    let connection = of_version(MIGRATIONS.len());
    connection
        .execute_batch("INSERT INTO komandorr_schema VALUES (99, TIMESTAMP '2030-01-01')")
        .unwrap();
    let before = schema(&connection);
    let known = number(MIGRATIONS.len());
    assert_eq!(migrate(&connection).unwrap(), Migrated::Newer { found: 99, known });
    assert_eq!(schema(&connection), before);
    assert_eq!(texts(&connection, "SELECT id FROM service"), ["web-1"]);
}

#[test]
fn a_migration_that_fails_has_not_happened() {
    let connection = of_version(1);
    let before = schema(&connection);
    let broken = [MIGRATIONS[0], "CREATE TABLE half (a INTEGER); SELECT no_such_column FROM half;"];
    assert!(bring_to(&connection, &broken).is_err());
    assert_eq!(current_version(&connection).unwrap(), Some(1));
    assert_eq!(schema(&connection), before);
    // The next start tries again, and goes on with what is right.
    assert_eq!(migrate(&connection).unwrap(), Migrated::Current);
}

#[test]
fn whoever_opens_it_in_a_shell_finds_everything_explained() {
    let connection = of_version(MIGRATIONS.len());
    assert_eq!(migrate(&connection).unwrap(), Migrated::Current);
    let unexplained = "
        SELECT table_name || '.' || column_name FROM duckdb_columns()
        WHERE NOT internal AND coalesce(comment, '') = ''
        UNION ALL
        SELECT table_name FROM duckdb_tables() WHERE coalesce(comment, '') = ''
        UNION ALL
        SELECT view_name FROM duckdb_views() WHERE NOT internal AND coalesce(comment, '') = ''";
    assert_eq!(texts(&connection, unexplained), Vec::<String>::new());
    // Every view answers.
    let views = "SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY view_name";
    let views = texts(&connection, views);
    assert!(views.len() >= 7, "{views:?}");
    for view in views {
        let count: i64 = connection
            .query_row(&format!("SELECT count(*) FROM {view}"), [], |row| row.get(0))
            .unwrap();
        assert_eq!(count > 0, view != "traffic_by_interface", "{view}");
    }
}

#[test]
fn no_migration_that_has_shipped_was_edited() {
    for (sql, shipped) in MIGRATIONS.iter().zip(SHIPPED) {
        let sum: Vec<String> =
            Sha256::digest(sql).iter().map(|byte| format!("{byte:02x}")).collect();
        let sum = sum.concat();
        assert_eq!(sum, shipped, "{}", sql.lines().take(3).collect::<String>());
    }
    assert_eq!(MIGRATIONS.len(), SHIPPED.len(), "each migration is listed here");
}
