//! What one reading adds to its account, and which account that is.

use super::{
    ANY_INDEX, Account, Ledger, Movement, Observation, Step, Terms,
    advance::{self, Pair},
};
use crate::source::Reading;

/// Where the counters of a reading begin.
enum Origin<'a> {
    /// They go on from those of an account; its name where that is another one.
    GoesOn(&'a Account, Option<&'a str>),
    /// At zero, and nothing of them is credited yet.
    Anew,
    /// Nobody knows: counting begins with what they show.
    Unknown,
}

impl Ledger {
    /// Credits one reading and notes the changed account.
    pub(super) fn credit(
        &self,
        reading: &Reading,
        seen: &Observation<'_>,
        ms: u64,
        terms: Terms,
        step: &mut Step,
    ) -> Movement {
        let now = Pair { up: reading.up, down: reading.down };
        let limit = advance::limit(terms.speed, ms);
        let before = self.accounts.get(&reading.name);
        let mut account = before.cloned().unwrap_or_default();
        let mut bytes = Pair::default();
        let mut doubt = None;
        match self.origin(reading, seen, limit) {
            Origin::GoesOn(known, other_name) => {
                let advanced = advance::advance(known, now, limit);
                (bytes, doubt) = (advanced.bytes, advanced.doubt);
                let (last, held) = (advanced.last, advanced.held);
                account = Account { last, held, ..known.clone() };
                step.forgotten.extend(other_name.map(Into::into));
            }
            Origin::Anew => {
                (bytes, doubt) = advance::since_boot(now, limit);
                (account.last, account.held) = (now, None);
            }
            Origin::Unknown => (account.last, account.held) = (now, None),
        }
        account.index = reading.index;
        account.present = true;
        account.wide |= now.up > u64::from(u32::MAX) || now.down > u64::from(u32::MAX);
        account.total = account.total.plus(bytes);
        step.doubts.extend(doubt.map(|doubt| (reading.name.clone(), doubt)));
        let total = account.total;
        if before != Some(&account) {
            step.changes.push((reading.name.clone(), account));
        }
        Movement { name: reading.name.clone(), bytes, total, counted: terms.counted }
    }

    fn origin(&self, reading: &Reading, seen: &Observation<'_>, limit: u64) -> Origin<'_> {
        if *self.boot != *seen.boot {
            // After a reboot all that is there is new, whatever its name was before;
            // before the very first reading of a state everything is old.
            return if self.boot.is_empty() { Origin::Unknown } else { Origin::Anew };
        }
        match self.accounts.get(&reading.name) {
            Some(known) if [reading.index, ANY_INDEX].contains(&known.index) => {
                Origin::GoesOn(known, None)
            }
            Some(known) if self.made_anew(known, reading, limit) => Origin::Anew,
            Some(_) => Origin::Unknown,
            None => self.renamed(reading, seen.readings),
        }
    }

    /// Whether an interface was made after the last reading, in the place of
    /// another one of its name, as a modem's is at each dial: the system numbers
    /// new ones upwards.
    ///
    /// One that comes from another namespace may be numbered anew as well, and
    /// brings its old counters along. If it is the one that this name had, they
    /// have not fallen; if it is not, they rarely are below those of the name and
    /// below what the link carries in one interval. Both begin with what they show.
    fn made_anew(&self, known: &Account, reading: &Reading, limit: u64) -> bool {
        let now = Pair { up: reading.up, down: reading.down };
        let newest = self.accounts.values().map(|account| account.index).max();
        let fell = now.up < known.last.up || now.down < known.last.down;
        newest.is_some_and(|newest| reading.index > newest) && fell && now.within(limit)
    }

    /// The account that a name which nobody knew had under another name at the
    /// last reading: the system's number stays when an interface is renamed.
    fn renamed(&self, reading: &Reading, readings: &[Reading]) -> Origin<'_> {
        let was = self.accounts.iter().find(|(name, account)| {
            account.index == reading.index
                && reading.index != ANY_INDEX
                && account.present
                && account.last.up <= reading.up
                && account.last.down <= reading.down
                && readings.iter().all(|other| other.name != **name)
        });
        was.map_or(Origin::Unknown, |(name, account)| Origin::GoesOn(account, Some(name)))
    }
}
