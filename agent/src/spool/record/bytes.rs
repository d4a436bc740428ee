//! The bytes of a record: how each of its parts is written and read.

use super::{Identity, Record, Snapshot};
use crate::ledger::{Account, Ledger, Pair, Step};

/// Numbers in seven bits a byte, texts and lists after their length.
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.byte(number.to_le_bytes()[0]);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn pair(&mut self, pair: Pair) {
        self.number(pair.up);
        self.number(pair.down);
    }

    pub(super) fn head(&mut self, record: &Record) {
        self.number(record.number);
        self.number(record.dropped);
        self.number(record.waiting.len() as u64);
        for &(first, last) in &record.waiting {
            self.number(first);
            self.number(last);
        }
    }

    pub(super) fn account(&mut self, name: &str, account: &Account) {
        self.bytes(name.as_bytes());
        self.number(account.index.into());
        self.pair(account.last);
        self.pair(account.total);
        let held = account.held.is_some();
        self.byte(u8::from(account.wide) | u8::from(account.present) << 1 | u8::from(held) << 2);
        if let Some(held) = account.held {
            self.pair(held);
        }
    }

    pub(super) fn snapshot(&mut self, snapshot: &Snapshot) {
        let Snapshot { identity, ledger, clean } = snapshot;
        self.bytes(identity.agent.as_bytes());
        self.number(identity.base);
        self.number(identity.home);
        self.byte(u8::from(identity.hasty) | u8::from(*clean) << 1);
        self.bytes(ledger.boot.as_bytes());
        self.number(ledger.boot_ms);
        self.number(ledger.elapsed_ms);
        self.pair(ledger.total);
        self.number(ledger.accounts.len() as u64);
        for (name, account) in &ledger.accounts {
            self.account(name, account);
        }
    }

    pub(super) fn step(&mut self, step: &Step) {
        self.bytes(step.boot.as_bytes());
        self.number(step.boot_ms);
        self.number(step.elapsed_ms);
        self.pair(step.total);
        self.number(step.changes.len() as u64);
        for (name, account) in &step.changes {
            self.account(name, account);
        }
        self.number(step.forgotten.len() as u64);
        for name in &step.forgotten {
            self.bytes(name.as_bytes());
        }
    }
}

/// Reads what [`Writer`] wrote; `None` for anything else.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            number |= bits.checked_shl(shift).filter(|&moved| moved >> shift == bits)?;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn text(&mut self) -> Option<Box<str>> {
        std::str::from_utf8(self.bytes()?).ok().map(Into::into)
    }

    pub(super) fn pair(&mut self) -> Option<Pair> {
        Some(Pair { up: self.number()?, down: self.number()? })
    }

    pub(super) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let length = self.number()?;
        let mut list = Vec::new();
        for _ in 0..length {
            list.push(item(self)?);
        }
        Some(list)
    }

    pub(super) fn account(&mut self) -> Option<(Box<str>, Account)> {
        let name = self.text()?;
        let index = u32::try_from(self.number()?).ok()?;
        let (last, total) = (self.pair()?, self.pair()?);
        let bits = self.byte()?;
        let held = if bits & 4 == 0 { None } else { Some(self.pair()?) };
        let (wide, present) = (bits & 1 != 0, bits & 2 != 0);
        Some((name, Account { index, last, held, total, wide, present }))
    }

    pub(super) fn snapshot(&mut self) -> Option<Snapshot> {
        let (agent, base, home) = (self.text()?, self.number()?, self.number()?);
        let bits = self.byte()?;
        let identity = Identity { agent, base, home, hasty: bits & 1 != 0 };
        let ledger = Ledger {
            boot: self.text()?,
            boot_ms: self.number()?,
            elapsed_ms: self.number()?,
            total: self.pair()?,
            accounts: self.list(Self::account)?.into_iter().collect(),
        };
        Some(Snapshot { identity, ledger, clean: bits & 2 != 0 })
    }

    pub(super) fn step(&mut self) -> Option<Step> {
        Some(Step {
            boot: self.text()?,
            boot_ms: self.number()?,
            elapsed_ms: self.number()?,
            total: self.pair()?,
            changes: self.list(Self::account)?,
            forgotten: self.list(Self::text)?,
            interval: None,
            doubts: Vec::new(),
        })
    }
}
