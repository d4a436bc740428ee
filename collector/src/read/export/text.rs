//! Comma-separated values. Nothing in them needs quotes: ids have no commas.

use std::io::Write;

use komandorr_wire::ServiceId;

use super::{Encode, Point, ReadError, broken};

const HEAD: &str = "service,t,up_bytes,down_bytes,up_bytes_per_second,down_bytes_per_second,\
                    up_peak_bytes_per_second,down_peak_bytes_per_second,coverage\n";

pub(super) struct Csv;

impl Encode for Csv {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), ReadError> {
        out.extend_from_slice(HEAD.as_bytes());
        Ok(())
    }

    fn points(
        &mut self,
        service: &ServiceId,
        points: &[Point],
        out: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        for p in points {
            writeln!(
                out,
                "{service},{},{},{},{},{},{},{},{}",
                p.t,
                p.up_bytes,
                p.down_bytes,
                p.up_bytes_per_second,
                p.down_bytes_per_second,
                p.up_peak_bytes_per_second,
                p.down_peak_bytes_per_second,
                p.coverage
            )
            .map_err(broken)?;
        }
        Ok(())
    }

    fn end(&mut self, _: &mut Vec<u8>) -> Result<(), ReadError> {
        Ok(())
    }
}
