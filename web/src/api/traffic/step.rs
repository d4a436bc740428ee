//! How finely a history of many services is told.

use axum::http::StatusCode;
use komandorr_collector::read::{MAX_POINTS, Range, Step};

use crate::error::Failure;

/// Most points of all series of one answer together: some 60 MB of JSON.
const MOST_POINTS: usize = 300_000;

/// The step that was asked for, or the finest that fits, for so many services;
/// nothing finer than `kept`, of which the whole range is there.
pub(super) fn fitting(
    asked: Option<Step>,
    range: Range,
    services: usize,
    kept: Step,
) -> Result<Step, Failure> {
    let points = |step: Step| series(step, range).saturating_mul(services);
    let Some(step) = asked else {
        let coarser = [Step::FiveMinutes, Step::Hour, Step::Day];
        let finest = Step::for_range(range).max(kept);
        let fits = |step: &Step| *step >= finest && points(*step) <= MOST_POINTS;
        return Ok(coarser.into_iter().find(fits).unwrap_or(Step::Week));
    };
    if points(step) <= MOST_POINTS {
        return Ok(step);
    }
    let message = format!(
        "{services} services give {} points: at most {MOST_POINTS} are given; ask for one service or a group, or choose a larger step or a shorter range",
        points(step)
    );
    Err(Failure::new(StatusCode::BAD_REQUEST, "invalid_range", message))
}

/// Points of one series; of samples nobody knows how many there are.
fn series(step: Step, range: Range) -> usize {
    let span = range.to.as_millisecond() - range.from.as_millisecond();
    step.length_ms().map_or(MAX_POINTS, |length| usize::try_from(span / length).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(hours: i64) -> Range {
        let to = "2026-11-20T00:00:00Z".parse().unwrap();
        Range::new(to - jiff::SignedDuration::from_hours(hours), to).unwrap()
    }

    fn chosen(asked: Option<Step>, range: Range, services: usize) -> Result<Step, Failure> {
        fitting(asked, range, services, Step::FiveMinutes)
    }

    #[test]
    fn what_is_kept_as_hours_is_told_in_hours_unless_asked_otherwise() {
        assert_eq!(fitting(None, hours(24), 1, Step::Hour), Ok(Step::Hour));
        assert_eq!(fitting(None, hours(24 * 365), 1, Step::Hour), Ok(Step::Day));
        let asked = Some(Step::FiveMinutes);
        assert_eq!(fitting(asked, hours(24), 1, Step::Hour), Ok(Step::FiveMinutes));
    }

    #[test]
    fn many_services_get_a_coarser_step_unless_they_ask_for_one() {
        assert_eq!(chosen(None, hours(24), 1), Ok(Step::FiveMinutes));
        assert_eq!(chosen(None, hours(24), 1000), Ok(Step::FiveMinutes));
        assert_eq!(chosen(None, hours(24), 5000), Ok(Step::Hour));
        assert_eq!(chosen(None, hours(24 * 365), 1), Ok(Step::Day));
        assert_eq!(chosen(None, hours(24 * 365 * 10), 100_000), Ok(Step::Week));
        assert_eq!(chosen(Some(Step::Hour), hours(24), 5000), Ok(Step::Hour));
        let refused = chosen(Some(Step::FiveMinutes), hours(24), 5000).unwrap_err();
        assert!(refused.message.starts_with("5000 services give 1440000 points"), "{refused:?}");
        assert!(chosen(Some(Step::Raw), hours(1), 1000).is_err());
    }
}
