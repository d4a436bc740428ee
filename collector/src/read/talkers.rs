//! Who moves most. Days tell of nearly all services that they are not among these; only
//! of the others is read what they moved in the range itself.

use std::{cmp::Reverse, sync::Arc};

use komandorr_wire::ServiceId;

use super::{
    Range, ReadError, Reader, Scope, Summary,
    query::{FEW, Totals},
};
use crate::{bucket::HOUR_MS, live::Volume, registry::Service};

/// The busiest services.
#[derive(Debug, Clone, PartialEq)]
pub struct TopTalkers {
    /// How many services moved anything.
    pub with_traffic: usize,
    /// Those with the most bytes, most first.
    pub busiest: Vec<Talker>,
}

/// A service with its figures over a range.
#[derive(Debug, Clone, PartialEq)]
pub struct Talker {
    /// The service.
    pub service: ServiceId,
    /// What people call it.
    pub name: String,
    /// Its figures.
    pub summary: Summary,
}

impl Reader {
    /// The services of a scope with the most bytes in a range, widened to whole hours; at
    /// most so many.
    pub async fn top_talkers(
        &self,
        scope: &Scope,
        range: Range,
        limit: usize,
    ) -> Result<TopTalkers, ReadError> {
        let range = range.widened(HOUR_MS);
        let services = self.services(scope)?;
        let (mut least, mut most) = self.pool.totals(range).await?;
        let mut close = contenders(&services, &least, &most, limit);
        // More are too much alike to look at each.
        if close.len() > FEW {
            least = self.pool.with_begin(least, range).await?;
            most.clone_from(&least);
            close = contenders(&services, &least, &most, limit);
        }
        let apart = |service: &Service| !close.iter().any(|one| one.number == service.number);
        let others = services.iter().filter(|s| apart(s) && total(&least, s.number) > 0).count();
        let ids = close.iter().map(|service| service.id.clone()).collect();
        let summaries = self.summaries(&Scope::Several(ids), range).await?;
        let mut busiest: Vec<_> = close.iter().zip(summaries).collect();
        busiest.retain(|(_, (_, summary))| bytes(summary.volume()) > 0);
        busiest.sort_by_key(|(s, (_, summary))| (Reverse(bytes(summary.volume())), s.number));
        let with_traffic = others + busiest.len();
        let talker = |(service, (id, summary)): (&Arc<Service>, (ServiceId, Summary))| Talker {
            service: id,
            name: service.name.clone(),
            summary,
        };
        Ok(TopTalkers {
            with_traffic,
            busiest: busiest.into_iter().take(limit).map(talker).collect(),
        })
    }
}

/// Who may be among those with the most bytes, and who may or may not have any.
fn contenders(
    services: &[Arc<Service>],
    least: &Totals,
    most: &Totals,
    limit: usize,
) -> Vec<Arc<Service>> {
    let mut certain: Vec<u128> = services.iter().map(|s| total(least, s.number)).collect();
    certain.sort_unstable_by_key(|&bytes| Reverse(bytes));
    let enough = limit.checked_sub(1).and_then(|last| certain.get(last)).copied();
    let contends = |service: &&Arc<Service>| {
        let (least, most) = (total(least, service.number), total(most, service.number));
        most > 0 && (least == 0 || most >= enough.unwrap_or_default())
    };
    services.iter().filter(contends).cloned().collect()
}

fn total(totals: &Totals, number: i32) -> u128 {
    totals.get(&number).copied().map_or(0, bytes)
}

fn bytes(volume: Volume) -> u128 {
    u128::from(volume.up_bytes) + u128::from(volume.down_bytes)
}
