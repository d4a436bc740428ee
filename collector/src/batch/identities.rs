//! Who reports, and which of their samples are stored: the rule of "stored
//! once". An identity counts for the service as which it reports: a copied
//! machine that got another name is another agent.

use foldhash::HashMap;
use komandorr_wire::{AgentSeq, Origin};

use super::Batch;
use crate::ranges::RangeSet;

/// Most identities of a service that are known. An agent keeps its own for as
/// long as it keeps its state, so more come only from agents that keep none;
/// then those that were silent longest are forgotten.
const MANY: usize = 1000;
/// So many are forgotten at once.
const FORGOTTEN: usize = 100;

/// All agents that the store knows.
#[derive(Debug, Default)]
pub(super) struct Identities {
    by_service: HashMap<i32, HashMap<Box<str>, Agent>>,
    /// Stored by a version that did not tell services apart.
    of_any_service: HashMap<Box<str>, Agent>,
    next_number: i32,
    /// How often any of them was asked for.
    asked: u64,
}

/// One of them.
#[derive(Debug, Default)]
struct Agent {
    number: i32,
    stored: RangeSet,
    /// When it was asked for last.
    asked: u64,
}

impl Identities {
    /// Takes up what the store holds of an agent.
    pub(super) fn restore(
        &mut self,
        number: i32,
        identity: &str,
        service_no: Option<i32>,
        stored: RangeSet,
    ) {
        self.asked += 1;
        let agent = Agent { number, stored, asked: self.asked };
        let agents = match service_no {
            Some(service_no) => self.by_service.entry(service_no).or_default(),
            None => &mut self.of_any_service,
        };
        agents.insert(identity.into(), agent);
        self.skip_number(number);
    }

    /// Gives a number to nobody any more.
    pub(super) fn skip_number(&mut self, number: i32) {
        self.next_number = self.next_number.max(number.saturating_add(1));
    }

    /// The number of the agent that sends a sample, and whether that sample is
    /// new. A new agent is noted in the batch, and so are those that are
    /// forgotten for it.
    pub(super) fn take(
        &mut self,
        service_no: i32,
        id: &AgentSeq,
        batch: &mut Batch,
    ) -> (i32, bool) {
        self.asked += 1;
        let agents = self.by_service.entry(service_no).or_default();
        let agent = if let Some(known) = agents.get_mut(&id.agent) {
            known
        } else if let Some(known) = self.of_any_service.get_mut(&id.agent) {
            known
        } else {
            if agents.len() >= MANY {
                forget_silent(agents, batch);
            }
            let number = self.next_number;
            self.next_number += 1;
            batch.agents.push((number, id.agent.clone(), service_no));
            let new = Agent { number, ..Agent::default() };
            agents.entry(id.agent.clone()).insert_entry(new).into_mut()
        };
        agent.asked = self.asked;
        (agent.number, id.seq.is_none_or(|seq| agent.stored.insert(seq)))
    }
}

/// Forgets those that were silent longest. What is imported stays: it is read
/// again years later.
fn forget_silent(agents: &mut HashMap<Box<str>, Agent>, batch: &mut Batch) {
    let imported = |identity: &str| Origin::of_identity(identity) == Origin::Import;
    let reports = agents.iter().filter(|(identity, _)| !imported(identity));
    let mut asked: Vec<_> = reports.map(|(_, agent)| agent.asked).collect();
    asked.sort_unstable();
    let Some(&until) = asked.get(FORGOTTEN.min(asked.len()).saturating_sub(1)) else { return };
    agents.retain(|identity, agent| {
        let stays = agent.asked > until || imported(identity);
        if !stays {
            batch.forgotten.push(agent.number);
        }
        stays
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(
        identities: &mut Identities,
        service_no: i32,
        names: &[String],
    ) -> (Vec<i32>, Batch) {
        let mut batch = Batch::default();
        let id = |name: &String| AgentSeq { agent: name.as_str().into(), seq: Some(1) };
        let numbers =
            names.iter().map(|name| identities.take(service_no, &id(name), &mut batch).0).collect();
        (numbers, batch)
    }

    fn names(prefix: &str, count: usize) -> Vec<String> {
        (0..count).map(|n| format!("{prefix}{n}")).collect()
    }

    #[test]
    fn an_identity_counts_for_its_service_and_an_old_one_for_all() {
        let mut identities = Identities::default();
        identities.restore(4, "old", None, RangeSet::from_ranges(vec![(1, 9)]));
        identities.restore(7, "own", Some(1), RangeSet::default());
        let names = ["old".to_owned(), "own".to_owned()];
        assert_eq!(numbers(&mut identities, 1, &names).0, [4, 7]);
        let (of_another, batch) = numbers(&mut identities, 2, &names);
        assert_eq!(of_another, [4, 8]);
        assert_eq!(batch.agents, [(8, "own".into(), 2)]);
    }

    #[test]
    fn of_too_many_the_silent_ones_are_forgotten_and_no_import() {
        let mut identities = Identities::default();
        let (imports, _) = numbers(&mut identities, 1, &["import:a:b".to_owned()]);
        let (early, _) = numbers(&mut identities, 1, &names("early-", MANY - 1));
        // The first of them goes on speaking.
        numbers(&mut identities, 1, &names("early-", 1));
        let (_, batch) = numbers(&mut identities, 1, &names("late-", 1));
        assert_eq!(batch.forgotten.len(), FORGOTTEN);
        assert!(batch.forgotten.iter().all(|number| early[1..=FORGOTTEN].contains(number)));
        let again = ["import:a:b".to_owned(), "early-0".to_owned()];
        assert_eq!(numbers(&mut identities, 1, &again).0, [imports[0], early[0]]);
        // Other services know nothing of it.
        let (_, batch) = numbers(&mut identities, 2, &names("late-", 1));
        assert!(batch.forgotten.is_empty());
    }

    #[test]
    fn however_many_come_few_are_known() {
        let mut identities = Identities::default();
        let (_, batch) = numbers(&mut identities, 1, &names("n-", 5 * MANY));
        assert!(identities.by_service[&1].len() <= MANY);
        assert_eq!(batch.agents.len() - batch.forgotten.len(), identities.by_service[&1].len());
    }
}
