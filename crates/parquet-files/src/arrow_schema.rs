//! The schema that Arrow's writers add under the key `ARROW:schema`: of it, the units of durations.
//!
//! Parquet has no type for a duration, which is a bare whole number there. The schema is an Arrow IPC message, a
//! flatbuffer in base64; only the way to the types of columns is read, and nothing of it is trusted: bytes that lead
//! nowhere are a schema without durations.
//!
//! Source: Schema.fbs and Message.fbs of Apache Arrow, version V5 of its format.

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// A table of a flatbuffer: the bytes of all, and where it begins.
#[derive(Debug, Clone, Copy)]
struct TableAt<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Places of members in the tables that lead to a column's type.
const MESSAGE_HEADER: usize = 2;
const SCHEMA_FIELDS: usize = 1;
const FIELD_NAME: usize = 0;
const FIELD_TYPE_KIND: usize = 2;
const FIELD_TYPE: usize = 3;
const DURATION_UNIT: usize = 0;
/// `Duration` among the kinds of types.
const KIND_DURATION: u8 = 18;

/// Parts of a second in one unit of each column of durations, by the column's name.
pub(crate) fn durations(encoded: &str) -> HashMap<String, i64> {
    let Ok(bytes) = BASE64_STANDARD.decode(encoded.trim()) else { return HashMap::new() };
    read(&bytes).unwrap_or_default()
}

fn read(bytes: &[u8]) -> Option<HashMap<String, i64>> {
    // The length of the message comes first, and since version 0.15 a mark before it.
    let start = if bytes.starts_with(&[0xff; 4]) { 8 } else { 4 };
    let bytes = bytes.get(start..)?;
    let message = TableAt { bytes, at: offset(bytes, 0)? };
    let fields = message.table(MESSAGE_HEADER)?.member(SCHEMA_FIELDS)?;
    let fields = fields.checked_add(offset(bytes, fields)?)?;
    let mut units = HashMap::new();
    for idx in 0..offset(bytes, fields)? {
        let slot = fields.checked_add(4)?.checked_add(idx.checked_mul(4)?)?;
        let field = TableAt { bytes, at: slot.checked_add(offset(bytes, slot)?)? };
        let kind = field.member(FIELD_TYPE_KIND).and_then(|at| bytes.get(at).copied());
        if kind != Some(KIND_DURATION) {
            continue;
        }
        let unit = field.table(FIELD_TYPE)?.member(DURATION_UNIT);
        let parts_of_second = match unit.and_then(|at| bytes.get(at).copied()) {
            Some(0) => 1,
            // What is not written has its default.
            None | Some(1) => 1_000,
            Some(2) => 1_000_000,
            Some(3) => 1_000_000_000,
            Some(_) => continue,
        };
        units.insert(field.text(FIELD_NAME)?, parts_of_second);
    }
    Some(units)
}

/// An offset or a length at a place.
fn offset(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
}

impl TableAt<'_> {
    /// Where a member is, if it is written.
    fn member(self, place: usize) -> Option<usize> {
        let back =
            i32::from_le_bytes(self.bytes.get(self.at..self.at.checked_add(4)?)?.try_into().ok()?);
        let table = i64::try_from(self.at).ok()?.checked_sub(i64::from(back))?;
        let members = usize::try_from(table).ok()?;
        let short = |at: usize| -> Option<usize> {
            let bytes = self.bytes.get(at..at.checked_add(2)?)?;
            Some(usize::from(u16::from_le_bytes(bytes.try_into().ok()?)))
        };
        let slot = 4 + 2 * place;
        if short(members)? < slot + 2 {
            return None;
        }
        let distance = short(members.checked_add(slot)?)?;
        if distance == 0 { None } else { self.at.checked_add(distance) }
    }

    /// The table that a member leads to.
    fn table(self, place: usize) -> Option<Self> {
        let at = self.member(place)?;
        Some(Self { at: at.checked_add(offset(self.bytes, at)?)?, ..self })
    }

    fn text(self, place: usize) -> Option<String> {
        let at = self.member(place)?;
        let at = at.checked_add(offset(self.bytes, at)?)?;
        let start = at.checked_add(4)?;
        let text = self.bytes.get(start..start.checked_add(offset(self.bytes, at)?)?)?;
        String::from_utf8(text.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What pyarrow 26.0.1 writes of `a: int64, s: duration[s], m: duration[ms], u: duration[us], n: duration[ns]`.
    const WRITTEN: &str = "/////zABAAAQAAAAAAAKAAwABgAFAAgACgAAAAABBAAMAAAACAAIAAAABAAIAAAABAAAAAUAAADIAAAAiAAAAFwAAAAwAAAA\
        BAAAAFz///8AAAESEAAAABQAAAAEAAAAAAAAAAEAAABuAAAAiv///wAAAwCE////AAABEhAAAAAUAAAABAAAAAAAAAABAAAA\
        dQAAALL///8AAAIArP///wAAARIQAAAAGAAAAAQAAAAAAAAAAQAAAG0AAAAEAAQABAAAANT///8AAAESEAAAABgAAAAEAAAA\
        AAAAAAEAAABzAAYACAAGAAYAAAAAAAAAEAAUAAgABgAHAAwAAAAQABAAAAAAAAECEAAAABwAAAAEAAAAAAAAAAEAAABhAAAA\
        CAAMAAgABwAIAAAAAAAAAUAAAAAAAAAA";

    #[test]
    fn units_are_read_as_pyarrow_writes_them() {
        let found = durations(WRITTEN);
        let unit = |name: &str| found.get(name).copied();
        assert_eq!(
            (unit("s"), unit("m"), unit("u"), unit("n"), unit("a")),
            (Some(1), Some(1_000), Some(1_000_000), Some(1_000_000_000), None)
        );
    }

    #[test]
    fn bytes_that_lead_nowhere_are_no_durations() {
        let bytes = BASE64_STANDARD.decode(WRITTEN).unwrap();
        assert!(durations("").is_empty() && durations("?").is_empty());
        for n in 0..bytes.len() {
            // None of it may panic; where the end is missing, names may still be read.
            let _ = read(&bytes[..n]);
            let mut other = bytes.clone();
            other[n] ^= 0x80;
            let _ = read(&other);
        }
    }
}
