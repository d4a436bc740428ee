//! Each question for itself: its answer, and the same from what was sent.

use std::collections::BTreeMap;

use jiff::Timestamp;
use komandorr_collector::{
    Reader, Volume,
    read::{Calendar, HourCell, Range, Scope, Step, WeekReport},
};
use komandorr_wire::{Sample, ServiceId};

use super::{FIVE_MINUTES, HOUR, Question, SERVICES, World};
use crate::slow::{self, Asked, Cells};

/// Summary and volumes.
pub(super) async fn figures(
    world: &World,
    reader: &Reader,
    question: &Question,
    range: Range,
) -> anyhow::Result<()> {
    let cells = question.cells(Cells::clone);
    let (asked, scope) = (question.asked(&cells), &question.scope);
    let expected = asked.summary(range, FIVE_MINUTES, Timestamp::now());
    assert_eq!(reader.summary(scope, range).await?, expected, "{scope:?} {range:?}");
    let each = reader.summaries(scope, range).await?;
    let of_each = question.members.iter().map(|cells| {
        let asked = Asked { cells, summed: false, members: 1 };
        asked.summary(range, FIVE_MINUTES, Timestamp::now())
    });
    let found: Vec<_> = each.iter().map(|(_, summary)| *summary).collect();
    assert_eq!(found, of_each.collect::<Vec<_>>(), "{scope:?} {range:?}");
    for unit in [Calendar::Hour, Calendar::Day, Calendar::Week, Calendar::Month, Calendar::Year] {
        let found = reader.volumes(scope, range, unit).await?;
        let found: Vec<_> =
            found.iter().map(|v| (v.start, v.end, v.volume, v.covered_ms)).collect();
        let expected = asked.volumes(range, unit, &world.zone);
        assert_eq!(found, expected, "{unit:?} {scope:?} {range:?} {:?}", world.zone);
    }
    Ok(())
}

/// The hours of the week, which are made of hours where the zone's are UTC's.
pub(super) async fn profile(
    world: &World,
    reader: &Reader,
    question: &Question,
    now: Timestamp,
    label: &str,
) -> anyhow::Result<()> {
    let whole = world.zone.to_offset(now).seconds() % 3600 == 0;
    let cells = question.cells(if whole { slow::hours } else { Cells::clone });
    let profile = reader.hour_profile(&question.scope, 3, now).await?;
    assert_eq!(profile.cells.len(), 168);
    let found: BTreeMap<_, _> = profile
        .cells
        .iter()
        .filter(|cell| cell.hours_seen > 0)
        .map(|cell| {
            let (up, down) = (cell.up_bytes_per_second, cell.down_bytes_per_second);
            let seen = (up.unwrap_or_default(), down.unwrap_or_default(), cell.hours_seen);
            ((cell.weekday, cell.hour), seen)
        })
        .collect();
    let expected = question.asked(&cells).profile(3, now, &world.zone);
    assert_eq!(found, expected, "{label}");
    let totals = || expected.iter().map(|(key, (up, down, _))| (up + down, *key));
    let busiest = totals().max_by_key(|(total, key)| (*total, std::cmp::Reverse(*key)));
    let quietest = totals().min();
    let place = |cell: HourCell| (cell.total(), (cell.weekday, cell.hour));
    assert_eq!(profile.busiest.map(place), busiest, "{label}");
    assert_eq!(profile.quietest.map(place), quietest, "{label}");
    Ok(())
}

/// Week against week.
pub(super) async fn weeks(
    world: &World,
    reader: &Reader,
    question: &Question,
    now: Timestamp,
    label: &str,
) -> anyhow::Result<()> {
    let cells = question.cells(Cells::clone);
    let asked = question.asked(&cells);
    let (mut end, mut expected) = (now.as_millisecond(), Vec::new());
    for _ in 0..4 {
        let (from, to) = slow::period(Calendar::Week, end, &world.zone);
        let range =
            Range::new(Timestamp::from_millisecond(from)?, Timestamp::from_millisecond(to)?)?;
        expected.insert(0, asked.summary(range, FIVE_MINUTES, now));
        end = from - 1;
    }
    let found = reader.weekly(&question.scope, 4, now).await?;
    let summaries: Vec<_> = found.iter().map(|week| week.summary).collect();
    assert_eq!(summaries, expected, "{label}");
    for pair in found.windows(2) {
        let total = |week: &WeekReport| week.summary.up_bytes + week.summary.down_bytes;
        let (before, this) = (total(&pair[0]), total(&pair[1]));
        #[allow(clippy::cast_precision_loss, reason = "a percentage")]
        let change = (before > 0).then(|| (this as f64 / before as f64 - 1.0) * 100.0);
        assert_eq!(pair[1].change_percent, change, "{label}");
        assert_eq!((pair[1].running, pair[0].running), (pair[1].end > now, false), "{label}");
    }
    Ok(())
}

/// Points at every step, of each service and of all together.
pub(super) async fn histories(
    world: &World,
    reader: &Reader,
    question: &Question,
    range: Range,
    label: &str,
) -> anyhow::Result<()> {
    for step in [Step::FiveMinutes, Step::Hour, Step::Day, Step::Week] {
        // As long as the points of an answer allow.
        let longest = step.length_ms().unwrap_or_default() * 1400;
        let to = range.to.min(Timestamp::from_millisecond(range.from.as_millisecond() + longest)?);
        let range = Range::new(range.from, to)?;
        let together = question.cells(Cells::clone);
        let sum = reader.history_sum(&question.scope, range, step).await?;
        if question.members.len() > 1 {
            let expected = question.asked(&together).points(range, step, &world.zone);
            assert_eq!(sum.points, expected, "{step:?} {label}");
        }
        let each = reader.history(&question.scope, range, step).await?;
        assert_eq!(each.len(), question.members.len(), "{label}");
        for (series, cells) in each.iter().zip(&question.members) {
            let asked = Asked { cells, summed: false, members: 1 };
            let points = asked.points(range, step, &world.zone);
            assert_eq!(series.points, points, "{step:?} {label}");
            let summary = asked.summary(range, FIVE_MINUTES, Timestamp::now());
            assert_eq!(series.summary, summary, "{step:?} {label}");
        }
    }
    Ok(())
}

/// Top talkers, today and this month.
pub(super) async fn all_at_once(
    world: &World,
    reader: &Reader,
    range: Range,
) -> anyhow::Result<()> {
    let volume = |service: &str, from: i64, to: i64| {
        let cells = world.cells(service);
        let mut volume = Volume::default();
        for cell in cells.range(from..to).map(|(_, cell)| cell) {
            volume.up_bytes += cell.up;
            volume.down_bytes += cell.down;
        }
        volume
    };
    let hour = |ms: i64| ms.div_euclid(HOUR) * HOUR;
    let (from, to) = (range.from.as_millisecond(), range.to.as_millisecond());
    let mut expected: Vec<(&str, Volume)> = SERVICES
        .iter()
        .map(|service| (*service, volume(service, hour(from), hour(to - 1) + HOUR)))
        .filter(|(_, volume)| volume.total() > 0)
        .collect();
    expected.sort_by_key(|(_, volume)| std::cmp::Reverse(volume.total()));
    for limit in [1, 2, 10] {
        let found = reader.top_talkers(&Scope::All, range, limit).await?;
        assert_eq!(found.with_traffic, expected.len(), "{range:?}");
        let found: Vec<_> =
            found.busiest.iter().map(|t| (t.service.as_str(), t.summary.volume())).collect();
        assert_eq!(found, expected[..limit.min(expected.len())], "{range:?}");
    }

    let day = slow::period(Calendar::Day, to, &world.zone);
    let month = slow::period(Calendar::Month, to, &world.zone);
    let found = reader.running_volumes(range.to).await?;
    let ids: Vec<_> = found.iter().map(|running| running.service.as_str()).collect();
    assert_eq!(ids, ["db-1", "quiet", "web-1", "web-2"]);
    for running in found.iter().filter(|running| running.service.as_str() != "quiet") {
        let id = running.service.as_str();
        assert_eq!(running.today, volume(id, day.0, day.1), "{id} {range:?} {:?}", world.zone);
        assert_eq!(running.month, volume(id, month.0, month.1), "{id} {range:?} {:?}", world.zone);
    }
    assert_eq!((found[1].today, found[1].month), Default::default());
    Ok(())
}

/// Samples as they came, and what each interface carried.
pub(super) async fn samples_and_interfaces(
    world: &World,
    reader: &Reader,
    range: Range,
) -> anyhow::Result<()> {
    let id = ServiceId::new("web-2")?;
    let widened = range.widened(FIVE_MINUTES);
    let (from, to) = (widened.from.as_millisecond(), widened.to.as_millisecond());
    let ended = |sample: &Sample| sample.ended_ms.unwrap_or_default();
    let mut expected: Vec<_> = world.samples["web-2"]
        .iter()
        .filter(|sample| from < ended(sample) && ended(sample) <= to)
        .map(|s| (ended(s), s.agent.as_ref().and_then(|agent| agent.seq), s.interval_ms, s.up))
        .collect();
    expected.sort_unstable();
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(end, _, length, up)| (end - i64::try_from(length).unwrap_or_default(), up))
        .collect();
    let series = reader.history(&Scope::One(id.clone()), range, Step::Raw).await?.remove(0);
    let found: Vec<_> = series.points.iter().map(|p| (p.t.as_millisecond(), p.up_bytes)).collect();
    assert_eq!(found, expected, "{range:?}");

    let widened = range.widened(HOUR);
    let (from, to) = (widened.from.as_millisecond(), widened.to.as_millisecond());
    let mut expected: BTreeMap<&str, Volume> = BTreeMap::new();
    for sample in world.samples["web-2"].iter().filter(|s| from < ended(s) && ended(s) <= to) {
        for interface in &sample.interfaces {
            let volume = expected.entry(&interface.name).or_default();
            volume.up_bytes += interface.up;
            volume.down_bytes += interface.down;
        }
    }
    let began = |sample: &Sample| ended(sample) - i64::try_from(sample.interval_ms).unwrap_or(0);
    let first = world.samples["web-2"].iter().map(began).min();
    let found = reader.begins(&id).await?.map(Timestamp::as_millisecond);
    assert_eq!(found, first);

    let found = reader.interfaces(&id, range).await?;
    let found: BTreeMap<_, _> = found.iter().map(|i| (i.name.as_str(), i.volume)).collect();
    assert_eq!(found, expected, "{range:?}");
    Ok(())
}
