//! What a bucket adds up to, as it is read.

/// Stands for the service in rows of several together; numbers begin at 1.
pub(in crate::read) const SUM: i32 = 0;

/// One bucket of a service, or of several together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::read) struct BucketRow {
    pub(in crate::read) service_no: i32,
    pub(in crate::read) start_ms: i64,
    pub(in crate::read) up: u64,
    pub(in crate::read) down: u64,
    pub(in crate::read) covered_ms: u64,
    /// Highest speed of a sample; of several services, the sum of their means.
    pub(in crate::read) up_peak: u64,
    pub(in crate::read) down_peak: u64,
}

impl BucketRow {
    /// Whether it is of several services together.
    pub(in crate::read) fn is_sum(&self) -> bool {
        self.service_no == SUM
    }

    /// Adds more of the same bucket of the same service.
    pub(in crate::read) fn add(&mut self, more: &Self) {
        self.add_bytes(more);
        self.up_peak = self.up_peak.max(more.up_peak);
        self.down_peak = self.down_peak.max(more.down_peak);
    }

    /// Adds the sum of other services.
    pub(in crate::read) fn add_sum(&mut self, more: &Self) {
        self.add_bytes(more);
        self.up_peak = self.up_peak.saturating_add(more.up_peak);
        self.down_peak = self.down_peak.saturating_add(more.down_peak);
    }

    fn add_bytes(&mut self, more: &Self) {
        self.up = self.up.saturating_add(more.up);
        self.down = self.down.saturating_add(more.down);
        self.covered_ms = self.covered_ms.saturating_add(more.covered_ms);
    }

    /// Mean speed of sending over the covered time, summed over services.
    pub(in crate::read) fn up_mean(&self) -> u64 {
        self.mean(self.up, self.up_peak)
    }

    /// Mean speed of receiving over the covered time, summed over services.
    pub(in crate::read) fn down_mean(&self) -> u64 {
        self.mean(self.down, self.down_peak)
    }

    /// Bytes per second, rounded down. Of several services the highest is the
    /// sum of their means already. Worked out here: DuckDB would take several
    /// times as long for numbers of 128 bits.
    fn mean(&self, bytes: u64, peak: u64) -> u64 {
        if self.is_sum() {
            return peak;
        }
        let covered_ms = self.covered_ms.max(1);
        if let Some(thousandfold) = bytes.checked_mul(1000) {
            return thousandfold / covered_ms;
        }
        let mean = u128::from(bytes) * 1000 / u128::from(covered_ms);
        u64::try_from(mean).unwrap_or(u64::MAX)
    }
}
