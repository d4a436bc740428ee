use proptest::prelude::*;

use super::*;

/// Histories of one source: a later one has more, and less detail of what is old.
fn history(pieces: &[(u64, u64, u64)], before: u64) -> History {
    let mut at = 1_700_000_000_000_i64;
    let mut history = History::default();
    for (pause, length, up) in pieces {
        let from_ms = at + i64::try_from(*pause).unwrap();
        at = from_ms + i64::try_from(*length).unwrap();
        let bytes = Bytes { up: *up, down: up / 3 };
        history.pieces.push(Piece { from_ms, to_ms: at, bytes });
    }
    history.until_ms = at;
    history.total = history.sum().plus(Bytes { up: before, down: before });
    history
}

fn last(samples: &[Sample]) -> Option<Last> {
    samples.last().map(|sample| Last {
        seq: sample.agent.as_ref().unwrap().seq.unwrap(),
        ended_ms: sample.ended_ms.unwrap(),
        total: Bytes { up: sample.up_total.unwrap(), down: sample.down_total.unwrap() },
    })
}

fn sum(samples: &[Sample]) -> u64 {
    samples.iter().map(|sample| sample.up).sum()
}

proptest! {
    /// Interrupted anywhere and repeated, nothing is doubled and nothing lost.
    #[test]
    fn an_interrupted_import_goes_on_where_it_stands(
        pieces in prop::collection::vec((0_u64..9_000_000, 1_u64..9_000_000_000, 0_u64..1_000_000_000), 1..40),
        before in 0_u64..1_000_000_000_000,
        at in any::<prop::sample::Index>(),
    ) {
        let history = history(&pieces, before);
        let all = samples(&history, "import:x", None);
        prop_assert_eq!(sum(&all), history.sum().up);
        let first = &all[0];
        prop_assert_eq!(first.up_total.unwrap() - first.up, before);
        for (n, sample) in all.iter().enumerate() {
            prop_assert!(sample.validate().is_ok(), "{:?}", sample);
            prop_assert_eq!(sample.agent.as_ref().unwrap().seq, Some(n as u64 + 1));
        }
        for pair in all.windows(2) {
            let began = pair[1].ended_ms.unwrap() - i64::try_from(pair[1].interval_ms).unwrap();
            prop_assert!(began >= pair[0].ended_ms.unwrap(), "they overlap");
        }
        let sent = &all[..=at.index(all.len())];
        let rest = samples(&history, "import:x", last(sent));
        prop_assert_eq!(sum(sent) + sum(&rest), sum(&all));
        prop_assert_eq!(last(&rest).or(last(sent)).unwrap().total, history.total);
        prop_assert!(samples(&history, "import:x", last(&all)).is_empty());
    }

    /// Later, when the source keeps only coarser rows of what is old.
    #[test]
    fn a_later_import_adds_what_the_total_grew_by(
        pieces in prop::collection::vec((0_u64..9_000, 60_000_u64..600_000, 0_u64..1_000_000), 2..40),
        known in any::<prop::sample::Index>(),
    ) {
        let later = history(&pieces, 77);
        let known = known.index(pieces.len() - 1) + 1;
        let earlier = history(&pieces[..known], 77);
        let stored = samples(&earlier, "import:x", None);
        let begin = later.pieces[0].from_ms;
        let joined = Piece { from_ms: begin, to_ms: later.until_ms, bytes: later.sum() };
        let coarse = History { pieces: vec![joined], ..later.clone() };
        for later in [later, coarse] {
            let rest = samples(&later, "import:x", last(&stored));
            prop_assert_eq!(sum(&stored) + sum(&rest), later.sum().up);
            let began = rest.first().map(|s| s.ended_ms.unwrap() - i64::try_from(s.interval_ms).unwrap());
            prop_assert!(began.is_none_or(|began| began >= earlier.until_ms));
        }
    }

    #[test]
    fn batches_are_bounded_and_complete(lengths in prop::collection::vec(1_u64..2_678_400_000, 0..2500)) {
        let all: Vec<Sample> =
            lengths.iter().map(|&ms| Sample { interval_ms: ms, ..Sample::default() }).collect();
        let batches = batches(&all);
        prop_assert_eq!(batches.concat(), all.clone());
        for batch in batches {
            let covered: u64 = batch.iter().map(|sample| sample.interval_ms).sum();
            prop_assert!(!batch.is_empty() && batch.len() <= MAX_SAMPLES_PER_PAYLOAD);
            prop_assert!(covered <= MOST_MS_AT_ONCE || batch.len() == 1);
        }
    }
}

#[test]
fn a_total_without_history_is_told_by_an_empty_sample() {
    let total = Bytes { up: 5, down: 7 };
    let history = History { total, until_ms: 1_700_000_000_000, ..History::default() };
    let all = samples(&history, "import:x", None);
    assert_eq!((all.len(), all[0].up, all[0].up_total), (1, 0, Some(5)));
    assert!(samples(&history, "import:x", last(&all)).is_empty());
}
