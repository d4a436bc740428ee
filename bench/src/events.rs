//! Server-Sent Events as they come in, and how old what they tell is.

/// Cuts a byte stream into the data of its `traffic` events.
#[derive(Debug, Default)]
pub(crate) struct Events(Vec<u8>);

impl Events {
    /// The data of the events that are complete with this chunk.
    pub(crate) fn take(&mut self, chunk: &[u8]) -> Vec<String> {
        // Only what is new can hold the end of an event.
        let mut from = self.0.len().saturating_sub(1);
        self.0.extend_from_slice(chunk);
        let mut events = Vec::new();
        while let Some(at) = find(self.0.get(from..).unwrap_or_default(), b"\n\n") {
            let event: Vec<u8> = self.0.drain(..from + at + 2).collect();
            events.extend(data(&event));
            from = 0;
        }
        events
    }
}

fn data(event: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(event).ok()?;
    text.lines().find(|line| *line == "event: traffic" || *line == "event:traffic")?;
    let data = text.lines().find_map(|line| line.strip_prefix("data:"))?;
    Some(data.trim_start().to_owned())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|part| part == needle)
}

/// When the newest sample of an event ended, Unix milliseconds. Times in one
/// form sort like their text, so the JSON need not be read: that would take
/// longer than what is measured.
pub(crate) fn newest_ms(event: &str) -> Option<i64> {
    let times = event.split("\"sampled_at\":\"").skip(1);
    let newest = times.filter_map(|rest| rest.split('"').next()).max_by_key(|t| sortable(t))?;
    parse(newest)
}

/// `...08Z` and `...08.5Z` in an order that is right.
fn sortable(time: &str) -> &str {
    time.trim_end_matches('Z')
}

/// Milliseconds of `2026-11-20T19:14:08.123Z`.
fn parse(time: &str) -> Option<i64> {
    let (date, clock) = time.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut clock = whole.splitn(3, ':').map(str::parse::<i64>);
    let (hour, minute, second) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    // Days of the civil calendar since 1970, with years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let seconds = (days - 719_468) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(seconds * 1000 + millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_the_stream_is_cut() {
        let stream = "event: alive\ndata: x\n\nevent: traffic\ndata: {\"a\":1}\nid: 7\n\nevent: traffic\ndata: {}\n\n";
        for cut in 0..stream.len() {
            let (first, rest) = stream.split_at(cut);
            let mut events = Events::default();
            let mut all = events.take(first.as_bytes());
            all.extend(events.take(rest.as_bytes()));
            assert_eq!(all, ["{\"a\":1}", "{}"], "cut at {cut}");
        }
    }

    #[test]
    fn the_newest_sample_tells_the_age() {
        let event = r#"{"s":[{"sampled_at":"2026-11-20T19:14:08Z"},{"sampled_at":"2026-11-20T19:14:08.25Z"},{"sampled_at":null}]}"#;
        assert_eq!(newest_ms(event), Some(1_795_202_048_250));
        assert_eq!(newest_ms("{}"), None);
        assert_eq!(parse("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse("2024-02-29T12:00:00.001Z"), Some(1_709_208_000_001));
    }
}
