//! Browsers that are logged in: kept in the store, so that a restart logs
//! nobody out, and answered from memory.

use std::time::Duration;

use jiff::Timestamp;

use super::{Registry, RegistryError, Token, credential, now, persist};

/// A session ends when its browser was not seen for this long.
const UNUSED: Duration = Duration::from_hours(14 * 24);
/// And this long after it began, whatever happens.
pub const LONGEST_SESSION: Duration = Duration::from_hours(90 * 24);
/// How exactly the store knows when a browser was last seen.
const SEEN_TO: Duration = Duration::from_hours(1);
/// Sessions at once; the one longest unseen makes room for a new one.
const MOST_SESSIONS: usize = 200;

/// A browser that is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the cookie's token, in hexadecimal digits.
    pub hash: String,
    /// Whose it is.
    pub account: String,
    /// Where and with what it was begun, for people.
    pub client: String,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When its browser was last seen, to the hour.
    pub last_seen_at: Timestamp,
}

impl Session {
    fn valid(&self, now: Timestamp) -> bool {
        within(self.last_seen_at, UNUSED, now) && within(self.created_at, LONGEST_SESSION, now)
    }

    /// Whether the store should hear that its browser was seen again.
    pub fn is_news(&self, now: Timestamp) -> bool {
        !within(self.last_seen_at, SEEN_TO, now)
    }
}

fn within(from: Timestamp, time: Duration, now: Timestamp) -> bool {
    from.checked_add(time).is_ok_and(|until| now < until)
}

impl Registry {
    /// Begins a session; its token goes into the browser's cookie.
    pub fn open_session(&self, account: &str, client: &str) -> Result<Token, RegistryError> {
        let (token, now) = (Token::random(), now());
        let fresh = Session {
            hash: credential::hash(token.expose()),
            account: account.to_owned(),
            client: client.to_owned(),
            created_at: now,
            last_seen_at: now,
        };
        let connection = self.connection.lock()?;
        let mut kept = self.sessions.read().clone();
        kept.retain(|_, session| session.valid(now));
        if kept.len() >= MOST_SESSIONS
            && let Some(oldest) =
                kept.values().min_by_key(|s| s.last_seen_at).map(|s| s.hash.clone())
        {
            kept.remove(&oldest);
        }
        kept.insert(fresh.hash.clone(), fresh);
        persist::replace_sessions(&connection, kept.values())?;
        *self.sessions.write() = kept;
        Ok(token)
    }

    /// The session that a cookie's token belongs to.
    pub fn session(&self, token: &str) -> Option<Session> {
        let found = self.sessions.read().get(&credential::hash(token)).cloned();
        found.filter(|session| session.valid(Timestamp::now()))
    }

    /// All sessions, the one seen last first.
    pub fn sessions(&self) -> Vec<Session> {
        let now = Timestamp::now();
        let mut all: Vec<_> =
            self.sessions.read().values().filter(|s| s.valid(now)).cloned().collect();
        all.sort_by_key(|session| std::cmp::Reverse((session.last_seen_at, session.created_at)));
        all
    }

    /// Notes that a session's browser was seen.
    pub fn touch_session(&self, hash: &str) -> Result<(), RegistryError> {
        let connection = self.connection.lock()?;
        let Some(mut session) = self.sessions.read().get(hash).cloned() else { return Ok(()) };
        session.last_seen_at = now();
        persist::touch_session(&connection, &session)?;
        self.sessions.write().insert(session.hash.clone(), session);
        Ok(())
    }

    /// Ends one session.
    pub fn close_session(&self, hash: &str) -> Result<(), RegistryError> {
        self.close_sessions(|session| session.hash == hash)
    }

    /// Ends all sessions.
    pub fn close_all_sessions(&self) -> Result<(), RegistryError> {
        self.close_sessions(|_| true)
    }

    fn close_sessions(&self, ends: impl Fn(&Session) -> bool) -> Result<(), RegistryError> {
        let connection = self.connection.lock()?;
        let mut kept = self.sessions.read().clone();
        kept.retain(|_, session| !ends(session));
        persist::replace_sessions(&connection, kept.values())?;
        *self.sessions.write() = kept;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_unused_or_old() {
        let at = |days: i64| Timestamp::from_second(days * 86_400).unwrap();
        let session = |begun, seen| Session {
            hash: String::new(),
            account: String::new(),
            client: String::new(),
            created_at: at(begun),
            last_seen_at: at(seen),
        };
        assert!(session(0, 0).valid(at(13)) && !session(0, 0).valid(at(14)));
        assert!(session(0, 85).valid(at(89)) && !session(0, 85).valid(at(90)));
        assert!(session(0, 0).is_news(at(1)) && !session(0, 1).is_news(at(1)));
    }
}
