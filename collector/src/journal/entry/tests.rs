use komandorr_wire::{AgentSeq, IMPORT_AGENT, Interface, Sample};
use proptest::prelude::*;

use super::*;
use crate::batch::Batcher;

const NOON_MS: i64 = 1_795_435_200_000;

/// Service, agent, number, bytes.
type Sent = (i32, u8, Option<u64>, u64);

fn sample((_, agent, seq, bytes): Sent) -> Sample {
    let seq_ms = i64::try_from(seq.unwrap_or(3)).unwrap() * 61_000;
    Sample {
        up: bytes,
        down: bytes / 3,
        interval_ms: 61_000,
        ended_ms: Some(NOON_MS + seq_ms),
        cpu_percent: Some(1.5),
        agent: Some(AgentSeq { agent: format!("agent-{agent}").into(), seq }),
        interfaces: vec![Interface {
            name: "eth0".into(),
            role: if bytes % 2 == 0 { "physical".into() } else { "virtual".into() },
            counted: true,
            up: bytes,
            down: 1,
            up_total: None,
            down_total: None,
        }],
        ..Sample::default()
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    (1..4_i32, 0..3_u8, prop::option::weighted(0.9, 1..40_u64), 0..1_000_000_u64)
}

fn batch(batcher: &mut Batcher, sent: &[Sent]) -> Batch {
    let mut batch = Batch::default();
    for &one in sent {
        batcher.add(&mut batch, one.0, [sample(one)], NOON_MS + 3_600_000);
    }
    batch
}

fn condensed(mut entry: Entry<'static>, keep: usize) -> Entry<'static> {
    entry.condense(keep);
    entry
}

proptest! {
    #[test]
    fn what_is_read_is_what_was_written(sent in prop::collection::vec(sent(), 0..40)) {
        let batch = batch(&mut Batcher::default(), &sent);
        let entry = Entry::of(&batch, usize::MAX);
        prop_assert_eq!(entry.samples.len(), batch.rows.len());
        let services = sent.iter().map(|one| one.0).collect::<std::collections::HashSet<_>>();
        prop_assert!(services.iter().all(|service| entry.own.iter().any(|own| own.0 == *service)));
        prop_assert_eq!(Entry::decode(&entry.encode().unwrap()).unwrap(), entry);
    }

    /// A version that did not write it yet left enough to know it.
    #[test]
    fn from_when_services_report_is_in_the_samples(sent in prop::collection::vec(sent(), 0..40)) {
        let batch = batch(&mut Batcher::default(), &sent);
        let mut entry = Entry::default();
        entry.add(Entry::of(&batch, usize::MAX));
        let read = Entry { own: entry.own_of_samples().into(), ..entry.clone() };
        prop_assert_eq!(condensed(read, usize::MAX), condensed(entry, usize::MAX));
    }

    /// However it is cut into batches.
    #[test]
    fn together_they_add_what_one_batch_would(
        sent in prop::collection::vec(sent(), 1..60),
        cuts in prop::collection::vec(0..60_usize, 0..5),
        keep in 1..30_usize,
    ) {
        let whole = batch(&mut Batcher::default(), &sent);
        let mut one = Entry::default();
        one.add(Entry::of(&whole, usize::MAX));
        let mut batcher = Batcher::default();
        let mut several = Entry::default();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(sent.len())).collect();
        cuts.extend([0, sent.len()]);
        cuts.sort_unstable();
        for cut in cuts.windows(2) {
            let piece = batch(&mut batcher, &sent[cut[0]..cut[1]]);
            several.add(Entry::decode(&Entry::of(&piece, keep).encode().unwrap()).unwrap());
        }
        prop_assert_eq!(condensed(several, keep), condensed(one, keep));
    }

    #[test]
    fn bytes_of_any_kind_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(Entry::decode(&bytes));
    }
}

/// As versions wrote it that are in use: these must stay as they are.
#[test]
fn what_an_older_version_left_can_be_read() {
    let sent = [(1, 0, Some(1), 1000), (2, 1, None, 7), (1, 0, Some(2), 5)];
    let batch = batch(&mut Batcher::default(), &sent);
    let whole = Entry::of(&batch, usize::MAX);
    // The first ones say of every agent which it is.
    let mut with_agents = whole.clone();
    for (sample, row) in with_agents.samples.iter_mut().zip(&batch.rows) {
        sample.agent_no = row.agent_no;
    }
    assert_ne!(with_agents, whole);
    let newest: &[u8] = include_bytes!("form_3.bin");
    let forms: [(&[u8], _); 3] = [
        (include_bytes!("form_1.bin"), &with_agents),
        (include_bytes!("form_2.bin"), &with_agents),
        (newest, &whole),
    ];
    for (written, expected) in forms {
        assert_eq!(Entry::decode(written).unwrap(), *expected);
    }
    let written = whole.encode().unwrap();
    assert_eq!((written[0], written.len()), (newest[0], newest.len()));
}

#[test]
fn what_an_older_version_imported_is_not_the_service_s_own() {
    let mut batch = Batch::default();
    let mut batcher = Batcher::default();
    for (agent, ended_ms) in [(IMPORT_AGENT, NOON_MS - 9000), ("a", NOON_MS)] {
        let agent = Some(AgentSeq { agent: agent.into(), seq: Some(1) });
        let sample =
            Sample { interval_ms: 1000, ended_ms: Some(ended_ms), agent, ..Sample::default() };
        batcher.add(&mut batch, 1, [sample], NOON_MS);
    }
    assert_eq!(Entry::of(&batch, usize::MAX).own_of_samples(), [(1, NOON_MS - 1000)]);
}

#[test]
fn what_cannot_be_read_is_told() {
    let told = |bytes: &[u8]| Entry::decode(bytes).unwrap_err().to_string();
    assert_eq!(told(&[]), "it is empty");
    assert_eq!(
        told(&[9, 1]),
        "its form 9 is not known: run the version that wrote it, or a newer one"
    );
    assert!(told(&[FORM, 200]).starts_with("it is damaged: "));
    assert!(told(&[WITH_NUMBERS, 200]).starts_with("it is damaged: "));
    assert!(told(&[WITHOUT_OWN, 200]).starts_with("it is damaged: "));
}
