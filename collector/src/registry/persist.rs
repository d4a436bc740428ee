//! The registry's tables.

use duckdb::{Connection, Row, params};
use jiff::Timestamp;
use komandorr_wire::ServiceId;

use super::{Credential, Role, Service, ServiceDetails, Session, now};
use crate::{level::Level, store::transaction};

/// Kind of a service whose kind nobody named.
const DEFAULT_KIND: &str = "server";

const SELECT_SERVICES: &str = "
    SELECT service_no, id, name, \"group\", kind, url, description, icon,
           capacity_bytes_per_second, epoch_ms(created_at),
           coalesce(max_bandwidth_undoubled, false)
    FROM service ORDER BY service_no";

pub(super) fn services(connection: &Connection) -> duckdb::Result<Vec<Service>> {
    let mut statement = connection.prepare(SELECT_SERVICES)?;
    let rows = statement.query_map([], service)?;
    // An id that this version would not take cannot be addressed: leave it out.
    rows.filter_map(Result::transpose).collect()
}

fn service(row: &Row<'_>) -> duckdb::Result<Option<Service>> {
    let Ok(id) = ServiceId::new(&row.get::<_, String>(1)?) else { return Ok(None) };
    Ok(Some(Service {
        number: row.get(0)?,
        id,
        name: row.get(2)?,
        group: row.get(3)?,
        kind: row.get(4)?,
        url: row.get(5)?,
        description: row.get(6)?,
        icon: row.get(7)?,
        capacity_bytes_per_second: row.get(8)?,
        created_at: timestamp(row.get(9)?),
        max_bandwidth_undoubled: row.get(10)?,
    }))
}

pub(super) fn insert(
    connection: &Connection,
    id: &ServiceId,
    details: ServiceDetails,
) -> duckdb::Result<Service> {
    // A commit that failed in its last step may be there all the same.
    connection.execute("DELETE FROM service WHERE id = ?", [id.as_str()])?;
    let number = connection.query_row("SELECT nextval('service_no')::INTEGER", [], |r| r.get(0))?;
    let service = described(number, id, details, now());
    write(connection, &service)?;
    Ok(service)
}

/// Inserts services of which nothing is known but their ids: all or none.
pub(super) fn insert_all(
    connection: &Connection,
    ids: &[&ServiceId],
) -> duckdb::Result<Vec<Service>> {
    transaction(connection, |connection| {
        ids.iter().map(|id| insert(connection, id, ServiceDetails::default())).collect()
    })
}

pub(super) fn update(
    connection: &Connection,
    old: &Service,
    details: ServiceDetails,
) -> duckdb::Result<Service> {
    let service = described(old.number, &old.id, details, old.created_at);
    transaction(connection, |connection| {
        connection.execute("DELETE FROM service WHERE service_no = ?", [service.number])?;
        write(connection, &service)
    })?;
    Ok(service)
}

fn described(
    number: i32,
    id: &ServiceId,
    details: ServiceDetails,
    created_at: Timestamp,
) -> Service {
    let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
    Service {
        number,
        id: id.clone(),
        name: or(details.name, id.as_str()),
        group: details.group.filter(|group| !group.is_empty()),
        kind: or(details.kind, DEFAULT_KIND),
        url: details.url,
        description: details.description,
        icon: details.icon,
        capacity_bytes_per_second: details.capacity_bytes_per_second,
        max_bandwidth_undoubled: details.max_bandwidth_undoubled,
        created_at,
    }
}

fn write(connection: &Connection, s: &Service) -> duckdb::Result<()> {
    connection
        .execute(
            "INSERT INTO service VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, make_timestamp_ms(?), ?)",
            params![
                s.number,
                s.id.as_str(),
                s.name,
                s.group,
                s.kind,
                s.url,
                s.description,
                s.icon,
                s.capacity_bytes_per_second,
                s.created_at.as_millisecond(),
                s.max_bandwidth_undoubled
            ],
        )
        .map(drop)
}

/// Tables that hold something of a service beside the levels of roll-up.
const TABLES_OF_A_SERVICE: [&str; 9] = [
    "agent",
    "credential",
    "sample",
    "recent_volume",
    "interface_volume",
    "import_mark",
    "own_traffic",
    "forgotten_volume",
    "service",
];

pub(super) fn remove(connection: &Connection, number: i32) -> duckdb::Result<()> {
    let this = format!("service_no = {number}");
    let levels = Level::ALL.iter().map(|level| level.without(&this));
    let ranges = format!(
        "DELETE FROM stored_range WHERE agent_no IN (SELECT agent_no FROM agent WHERE {this});"
    );
    let tables = TABLES_OF_A_SERVICE.iter().map(|t| format!("DELETE FROM {t} WHERE {this};"));
    let all: Vec<String> = levels.chain([ranges]).chain(tables).collect();
    transaction(connection, |connection| connection.execute_batch(&all.concat()))
}

/// Whether a service is there.
pub(super) fn holds(connection: &Connection, number: i32) -> duckdb::Result<bool> {
    let sql = "SELECT count(*) > 0 FROM service WHERE service_no = ?";
    connection.query_row(sql, [number], |row| row.get(0))
}

pub(super) fn credentials(connection: &Connection) -> duckdb::Result<Vec<Credential>> {
    let mut statement = connection.prepare(
        "SELECT name, role, service_no, hash, epoch_ms(created_at), epoch_ms(expires_at)
         FROM credential",
    )?;
    let rows = statement.query_map([], |row| {
        // A role that this version does not know allows nothing: leave it out.
        let Some(role) = Role::named(&row.get::<_, String>(1)?) else { return Ok(None) };
        Ok(Some(Credential {
            name: row.get(0)?,
            role,
            service_no: row.get(2)?,
            hash: row.get(3)?,
            created_at: timestamp(row.get(4)?),
            expires_at: row.get::<_, Option<i64>>(5)?.map(timestamp),
        }))
    })?;
    rows.filter_map(Result::transpose).collect()
}

pub(super) fn insert_credential(connection: &Connection, fresh: &Credential) -> duckdb::Result<()> {
    connection
        .execute(
            "INSERT INTO credential VALUES (?, ?, ?, ?, make_timestamp_ms(?), make_timestamp_ms(?))",
            params![
                fresh.name,
                fresh.role.as_str(),
                fresh.service_no,
                fresh.hash,
                fresh.created_at.as_millisecond(),
                fresh.expires_at.map(Timestamp::as_millisecond)
            ],
        )
        .map(drop)
}

/// Adds a credential; those of the same name and role end at `until`.
pub(super) fn replace_credential(
    connection: &Connection,
    fresh: &Credential,
    until: Timestamp,
) -> duckdb::Result<()> {
    let until_ms = until.as_millisecond();
    transaction(connection, |connection| {
        connection.execute(
            "UPDATE credential
             SET expires_at = least(coalesce(expires_at, make_timestamp_ms(?)), make_timestamp_ms(?))
             WHERE role = ? AND name = ?",
            params![until_ms, until_ms, fresh.role.as_str(), fresh.name],
        )?;
        connection.execute(
            "DELETE FROM credential WHERE expires_at <= make_timestamp_ms(?)",
            [Timestamp::now().as_millisecond()],
        )?;
        insert_credential(connection, fresh)
    })
}

pub(super) fn remove_credential(
    connection: &Connection,
    role: Role,
    name: &str,
) -> duckdb::Result<()> {
    connection
        .execute("DELETE FROM credential WHERE role = ? AND name = ?", params![role.as_str(), name])
        .map(drop)
}

pub(super) fn password_hash(
    connection: &Connection,
    account: &str,
) -> duckdb::Result<Option<String>> {
    let mut statement = connection.prepare("SELECT password_hash FROM account WHERE name = ?")?;
    let mut rows = statement.query_map([account], |row| row.get(0))?;
    rows.next().transpose()
}

/// Sets an account's password; its sessions end.
pub(super) fn set_password(
    connection: &Connection,
    account: &str,
    hash: &str,
    now: Timestamp,
) -> duckdb::Result<()> {
    transaction(connection, |connection| {
        connection.execute("DELETE FROM account WHERE name = ?", [account])?;
        connection.execute("DELETE FROM session WHERE account = ?", [account])?;
        connection
            .execute(
                "INSERT INTO account VALUES (?, ?, make_timestamp_ms(?))",
                params![account, hash, now.as_millisecond()],
            )
            .map(drop)
    })
}

pub(super) fn sessions(connection: &Connection) -> duckdb::Result<Vec<Session>> {
    let mut statement = connection.prepare(
        "SELECT hash, account, client, epoch_ms(created_at), epoch_ms(last_seen_at) FROM session",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Session {
            hash: row.get(0)?,
            account: row.get(1)?,
            client: row.get(2)?,
            created_at: timestamp(row.get(3)?),
            last_seen_at: timestamp(row.get(4)?),
        })
    })?;
    rows.collect()
}

/// Makes these the sessions; there are few.
pub(super) fn replace_sessions<'a>(
    connection: &Connection,
    mut sessions: impl Iterator<Item = &'a Session>,
) -> duckdb::Result<()> {
    transaction(connection, |connection| {
        connection.execute("DELETE FROM session", [])?;
        sessions.try_for_each(|session| {
            connection
                .execute(
                    "INSERT INTO session VALUES (?, ?, ?, make_timestamp_ms(?), make_timestamp_ms(?))",
                    params![
                        session.hash,
                        session.account,
                        session.client,
                        session.created_at.as_millisecond(),
                        session.last_seen_at.as_millisecond()
                    ],
                )
                .map(drop)
        })
    })
}

pub(super) fn touch_session(connection: &Connection, session: &Session) -> duckdb::Result<()> {
    connection
        .execute(
            "UPDATE session SET last_seen_at = make_timestamp_ms(?) WHERE hash = ?",
            params![session.last_seen_at.as_millisecond(), session.hash],
        )
        .map(drop)
}

fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or_default()
}
