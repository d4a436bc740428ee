//! What a source knows of one service: volumes of stretches of time.

/// Bytes in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bytes {
    /// Sent.
    pub up: u64,
    /// Received.
    pub down: u64,
}

impl Bytes {
    /// Their sum, as far as it can be counted.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { up: self.up.saturating_add(other.up), down: self.down.saturating_add(other.down) }
    }

    /// What is left of it; never below nothing.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self { up: self.up.saturating_sub(other.up), down: self.down.saturating_sub(other.down) }
    }

    /// The part that falls on `part` of `whole`, rounded down.
    #[must_use]
    pub fn share(self, part: u64, whole: u64) -> Self {
        let of = |bytes: u64| {
            let share = u128::from(bytes) * u128::from(part) / u128::from(whole.max(1));
            u64::try_from(share).unwrap_or(u64::MAX)
        };
        Self { up: of(self.up), down: of(self.down) }
    }

    /// Whether there are none.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// The volume of a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Its begin, Unix milliseconds.
    pub from_ms: i64,
    /// Its end, Unix milliseconds.
    pub to_ms: i64,
    /// What was counted in it.
    pub bytes: Bytes,
}

impl Piece {
    /// Its length in milliseconds.
    pub fn length_ms(&self) -> u64 {
        u64::try_from(self.to_ms.saturating_sub(self.from_ms)).unwrap_or_default()
    }

    /// The part of it before an instant, and the part after it. They sum exactly.
    #[must_use]
    pub fn cut(self, at_ms: i64) -> (Option<Self>, Option<Self>) {
        if at_ms >= self.to_ms {
            return (Some(self), None);
        }
        if at_ms <= self.from_ms {
            return (None, Some(self));
        }
        let length = u64::try_from(at_ms - self.from_ms).unwrap_or_default();
        let bytes = self.bytes.share(length, self.length_ms());
        let before = Self { to_ms: at_ms, bytes, ..self };
        let after = Self { from_ms: at_ms, bytes: self.bytes.minus(bytes), ..self };
        (Some(before), Some(after))
    }
}

/// Something of a source that is not imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// What it is and why.
    pub reason: String,
    /// How much of it.
    pub bytes: Bytes,
}

/// What a source knows of one service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// Oldest first; they do not overlap.
    pub pieces: Vec<Piece>,
    /// What the source had counted by the end of the last piece: what is more
    /// than the pieces was counted before them, and nobody knows when.
    pub total: Bytes,
    /// When `total` was read, Unix milliseconds.
    pub until_ms: i64,
    /// What is left out.
    pub skipped: Vec<Skipped>,
}

impl History {
    /// The sum of the pieces.
    pub fn sum(&self) -> Bytes {
        self.pieces.iter().fold(Bytes::default(), |sum, piece| sum.plus(piece.bytes))
    }

    /// Leaves out what lies after an instant, with the reason.
    #[must_use]
    pub fn before(mut self, at_ms: i64, reason: &str) -> Self {
        let parts = self.pieces.drain(..).map(|piece| piece.cut(at_ms)).collect::<Vec<_>>();
        let after = parts.iter().filter_map(|(_, after)| after.as_ref());
        let bytes = after.fold(Bytes::default(), |sum, piece| sum.plus(piece.bytes));
        self.pieces = parts.into_iter().filter_map(|(before, _)| before).collect();
        self.total = self.total.minus(bytes);
        self.until_ms = self.until_ms.min(at_ms);
        self.skip(reason, bytes);
        self
    }

    /// Leaves out what lies before an instant, with the reason. It stays part
    /// of the total.
    #[must_use]
    pub fn after(mut self, at_ms: i64, reason: &str) -> Self {
        let parts = self.pieces.drain(..).map(|piece| piece.cut(at_ms)).collect::<Vec<_>>();
        let before = parts.iter().filter_map(|(before, _)| before.as_ref());
        let bytes = before.fold(Bytes::default(), |sum, piece| sum.plus(piece.bytes));
        self.pieces = parts.into_iter().filter_map(|(_, after)| after).collect();
        self.skip(reason, bytes);
        self
    }

    fn skip(&mut self, reason: &str, bytes: Bytes) {
        if !bytes.is_nothing() {
            self.skipped.push(Skipped { reason: reason.to_owned(), bytes });
        }
    }
}
