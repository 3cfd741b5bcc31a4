//! What bytes of text are written in.

use std::borrow::Cow;

/// Bytes from the beginning that are looked at for zeros.
const LOOK_BYTES: usize = 512;

/// Why bytes are not read as text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodingError {
    /// They are of another encoding, which has no mark.
    #[error(
        "byte 0x{byte:02x} at {place}, counted from 0, in line {line} is no UTF-8; it may be Latin-1 or Windows-1252: \
         write the file in UTF-8, as iconv -f WINDOWS-1252 -t UTF-8 does"
    )]
    NotUtf8 {
        /// The first such byte.
        byte: u8,
        /// Its place in the file.
        place: usize,
        /// Its line, counted from 1.
        line: usize,
    },
    /// They have the mark of UTF-16, and are none from some byte on.
    #[error(
        "it is text in UTF-16, and its bytes from {place} on, counted from 0, in line {line} are none"
    )]
    NotUtf16 {
        /// Their place in the file.
        place: usize,
        /// Their line, counted from 1.
        line: usize,
    },
    /// Much of the text is zero bytes.
    #[error(
        "every other byte is zero, as in UTF-16 without a mark; UTF-8, or UTF-16 with a byte order mark, expected"
    )]
    Unmarked,
    /// They have the mark of UTF-32.
    #[error("it is text in UTF-32; UTF-8, or UTF-16 with a byte order mark, expected")]
    Utf32,
}

/// The text of a file as UTF-8, without a byte order mark. UTF-16 is read where its mark says so.
pub(super) fn to_utf8(bytes: &[u8]) -> Result<Cow<'_, str>, EncodingError> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return Err(EncodingError::Utf32),
        [0xff, 0xfe, rest @ ..] => return from_utf16(rest, u16::from_le_bytes).map(Cow::Owned),
        [0xfe, 0xff, rest @ ..] => return from_utf16(rest, u16::from_be_bytes).map(Cow::Owned),
        _ => {}
    }
    // A byte order mark is no part of the first column's name.
    let n_mark = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let look = &bytes[..bytes.len().min(LOOK_BYTES)];
    if look.len() <= 4 * look.iter().filter(|it| **it == 0).count() && !look.is_empty() {
        return Err(EncodingError::Unmarked);
    }
    std::str::from_utf8(&bytes[n_mark..]).map(Cow::Borrowed).map_err(|error| {
        let place = n_mark + error.valid_up_to();
        let line = 1 + n_lines(bytes[..place].iter().map(|it| u16::from(*it)));
        EncodingError::NotUtf8 { byte: bytes[place], place, line }
    })
}

fn from_utf16(rest: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, EncodingError> {
    let (pairs, odd) = rest.as_chunks::<2>();
    let units = || pairs.iter().map(|it| unit(*it));
    let mut text = String::with_capacity(pairs.len());
    let mut n_read = 0;
    for read in char::decode_utf16(units()) {
        match read {
            Ok(read) => {
                n_read += read.len_utf16();
                text.push(read);
            }
            Err(_) => return Err(not_utf16(n_read, units())),
        }
    }
    if odd.is_empty() { Ok(text) } else { Err(not_utf16(n_read, units())) }
}

fn not_utf16(n_read: usize, units: impl Iterator<Item = u16>) -> EncodingError {
    EncodingError::NotUtf16 { place: 2 + 2 * n_read, line: 1 + n_lines(units.take(n_read)) }
}

fn n_lines(units: impl Iterator<Item = u16>) -> usize {
    units.filter(|it| *it == u16::from(b'\n')).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_16_is_read_by_its_mark() {
        let text = "name;größe\n😀;1\n";
        let units = || std::iter::once(0xfeff).chain(text.encode_utf16());
        let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
        assert_eq!(to_utf8(&little).unwrap(), text);
        assert_eq!(to_utf8(&big).unwrap(), text);
        assert_eq!(to_utf8(format!("\u{feff}{text}").as_bytes()).unwrap(), text);
        assert_eq!(to_utf8(text.as_bytes()).unwrap(), text);
        assert_eq!(to_utf8(b"").unwrap(), "");
        let cut = to_utf8(&little[..little.len() - 1]).unwrap_err();
        assert_eq!(cut, EncodingError::NotUtf16 { place: little.len() - 2, line: 2 });
        // Half of a pair.
        let lone = to_utf8(b"\xff\xfea\0\n\0\x3d\xd8b\0").unwrap_err();
        assert_eq!(lone, EncodingError::NotUtf16 { place: 6, line: 2 });
    }

    #[test]
    fn other_encodings_are_refused_by_the_byte() {
        let error = to_utf8(b"a,b\n1,x\n2,caf\xe9\n").unwrap_err();
        assert_eq!(error, EncodingError::NotUtf8 { byte: 0xe9, place: 13, line: 3 });
        assert!(error.to_string().contains("Latin-1"), "{error}");
        assert_eq!(to_utf8(b"a\0,\0b\0\n\0"), Err(EncodingError::Unmarked));
        assert_eq!(to_utf8(b"\xff\xfe\0\0a\0\0\0"), Err(EncodingError::Utf32));
    }
}
