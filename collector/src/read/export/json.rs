//! One JSON object, written as it grows.

use std::io::Write;

use komandorr_wire::ServiceId;

use super::{Encode, Point, Range, ReadError, Step, broken};

pub(super) struct Json {
    range: Range,
    step: Step,
    /// The service whose list is open, and whether a point stands in it.
    open: Option<(ServiceId, bool)>,
}

impl Json {
    pub(super) fn new(range: Range, step: Step) -> Self {
        Self { range, step, open: None }
    }

    /// Opens the list of a service, unless it is open.
    fn enter(&mut self, service: &ServiceId, out: &mut Vec<u8>) -> std::io::Result<()> {
        match &self.open {
            Some((open, _)) if open == service => return Ok(()),
            Some(_) => out.write_all(b"\n]},")?,
            None => {}
        }
        self.open = Some((service.clone(), false));
        write!(out, "\n{{\"service\":\"{service}\",\"points\":[")
    }
}

impl Encode for Json {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), ReadError> {
        let Range { from, to } = self.range;
        let seconds = self.step.length_ms().unwrap_or_default() / 1000;
        let head = format!(
            "{{\"from\":\"{from}\",\"to\":\"{to}\",\"step_seconds\":{seconds},\"series\":["
        );
        out.extend_from_slice(head.as_bytes());
        Ok(())
    }

    fn points(
        &mut self,
        service: &ServiceId,
        points: &[Point],
        out: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        self.enter(service, out).map_err(broken)?;
        for point in points {
            let any = self.open.as_mut().is_some_and(|(_, any)| std::mem::replace(any, true));
            out.extend_from_slice(if any { b",\n" } else { b"\n" });
            serde_json::to_writer(&mut *out, point).map_err(broken)?;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), ReadError> {
        if self.open.is_some() {
            out.extend_from_slice(b"\n]}");
        }
        out.extend_from_slice(b"\n]}\n");
        Ok(())
    }
}
