//! The time stamps of samples that have waited.
//!
//! A small computer without a battery measures before its clock is set. What
//! it stamps then is wrong, and would stay so in the spool. But when a sample of
//! this boot ended is known on the clock that never jumps, and so is what that
//! clock and the wall clock show now.
//!
//! A virtual machine that was paused looks the same: its wall clock jumps, but what
//! it showed before was right. Such a host has a clock that runs while it is off.

use std::borrow::Cow;

use bytes::Bytes;

use super::{Newest, Spool};
use crate::clock;

/// A wall clock is believed to have been set when it has jumped by more than
/// this: what it wanders by is less.
const JUMP_MS: u64 = 5000;

/// One moment on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) boot_ms: u64,
    /// Nothing while the wall clock is not set.
    pub(super) wall_ms: Option<i64>,
    /// Whether the wall clock was right before it jumped, if it showed anything.
    pub(super) runs_while_off: bool,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self {
            boot_ms: clock::boot_ms(),
            wall_ms: clock::wall_ms_if_set(),
            runs_while_off: clock::runs_while_off(),
        }
    }

    /// The encoded sample that ended at `ended_ms` of the clock of this boot, with
    /// another time stamp if the wall clock was set since it got the one it has.
    pub(super) fn stamped<'a>(&self, sample: &'a [u8], ended_ms: u64) -> Cow<'a, [u8]> {
        self.stamp(sample, ended_ms).map_or(Cow::Borrowed(sample), Cow::Owned)
    }

    fn stamp(&self, sample: &[u8], ended_ms: u64) -> Option<Vec<u8>> {
        let since = i64::try_from(self.boot_ms.checked_sub(ended_ms)?).ok()?;
        let ended = self.wall_ms?.checked_sub(since)?;
        let mut sample = komandorr_wire::decode(sample).ok()?.pop()?;
        let jumped = sample
            .ended_ms
            .is_none_or(|stamp| !self.runs_while_off && stamp.abs_diff(ended) > JUMP_MS);
        sample.ended_ms = Some(ended);
        jumped.then(|| komandorr_wire::encode_one(&sample))
    }
}

impl Spool {
    /// The payload of the newest sample, as it is to be sent now.
    pub fn to_send(&self, newest: &Newest) -> Bytes {
        match Moment::now().stamped(&newest.payload, newest.boot_ms) {
            Cow::Borrowed(_) => newest.payload.clone(),
            Cow::Owned(payload) => payload.into(),
        }
    }
}
