//! Bytes that are compressed, and bytes of formats that are no tables here: told by how they begin, whatever their
//! file is called.

use std::io::{Read, Write};

/// How bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// gzip, as `.gz` is.
    Gzip,
    /// Zstandard, as `.zst` is.
    Zstd,
    /// bzip2, as `.bz2` is.
    Bzip2,
}

/// Why bytes cannot be taken out of their packing.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// They are corrupt, or end too early.
    #[error("decompress {}", .packing.name())]
    Corrupt { packing: Packing, source: std::io::Error },
    /// They are of a format that is not read here.
    #[error("it is {0}; CSV or Parquet expected, as it is or compressed as .gz, .zst or .bz2")]
    Foreign(&'static str),
}

impl Packing {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Gzip, Self::Zstd, Self::Bzip2];

    /// Its name, for a message.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "Zstandard",
            Self::Bzip2 => "bzip2",
        }
    }

    /// The ending of files that are compressed so.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Gzip => "gz",
            Self::Zstd => "zst",
            Self::Bzip2 => "bz2",
        }
    }

    /// By how bytes begin.
    pub fn of(start: &[u8]) -> Option<Self> {
        match start {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            // What follows is the mark of a block, or of the end: BZh1 may be a column's name.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => {
                Some(Self::Bzip2)
            }
            _ => None,
        }
    }

    /// Takes bytes out of it, of all parts that stand one behind the other.
    ///
    /// # Errors
    /// [`UnpackError::Corrupt`].
    pub fn unpack(self, bytes: &[u8]) -> Result<Vec<u8>, UnpackError> {
        let mut all = Vec::new();
        let read = match self {
            Self::Gzip => flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut all),
            Self::Zstd => {
                zstd::stream::read::Decoder::new(bytes).and_then(|mut it| it.read_to_end(&mut all))
            }
            Self::Bzip2 => bzip2::read::MultiBzDecoder::new(bytes).read_to_end(&mut all),
        };
        read.map_err(|source| UnpackError::Corrupt { packing: self, source })?;
        Ok(all)
    }

    /// Compresses bytes.
    ///
    /// # Errors
    /// What the library says, which writes into memory.
    pub fn pack(self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Gzip => {
                let level = flate2::Compression::default();
                let mut packed = flate2::write::GzEncoder::new(Vec::new(), level);
                packed.write_all(bytes)?;
                packed.finish()
            }
            Self::Zstd => zstd::stream::encode_all(bytes, 0),
            Self::Bzip2 => {
                let mut packed =
                    bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
                packed.write_all(bytes)?;
                packed.finish()
            }
        }
    }
}

/// Whether bytes are no text: among the first 512 is one that no text has, in whatever encoding of single bytes.
pub fn is_binary(start: &[u8]) -> bool {
    const IN_TEXT: [u8; 5] = [b'\t', b'\n', b'\r', 0x0b, 0x0c];
    start.iter().take(512).any(|it| it.is_ascii_control() && !IN_TEXT.contains(it))
}

/// Refuses bytes that begin as a format does which is not read here. A name of letters, as `ORC` is, may also be that of
/// a column of CSV: such bytes are of the format only if they are no text.
///
/// # Errors
/// [`UnpackError::Foreign`] with its name.
pub fn refuse_foreign(start: &[u8]) -> Result<(), UnpackError> {
    const FORMATS: [(&[u8], &str); 13] = [
        (b"PK\x03\x04", "a zip archive, such as a workbook of Excel"),
        (b"\xfd7zXZ\0", "compressed with xz"),
        (b"\x04\x22\x4d\x18", "compressed with lz4"),
        (b"\xff\x06\0\0sNaPpY", "compressed with snappy"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"\xd0\xcf\x11\xe0", "a workbook of an old Excel"),
        (b"ARROW1", "an Arrow file (Feather)"),
        (b"FEA1", "a Feather file of version 1"),
        (b"PARE", "an encrypted Parquet file"),
        (b"ORC", "an ORC file"),
        (b"Obj\x01", "an Avro file"),
        (b"SQLite format 3", "a database of SQLite"),
        (b"\x89HDF", "an HDF5 file"),
    ];
    for (magic, name) in FORMATS {
        if start.starts_with(magic) && is_binary(start) {
            return Err(UnpackError::Foreign(name));
        }
    }
    let mut text = start.iter().copied().filter(|it| !it.is_ascii_whitespace());
    match (text.next(), text.next()) {
        (Some(b'{'), Some(b'"' | b'}')) | (Some(b'['), Some(b'{' | b'[')) => {
            Err(UnpackError::Foreign("JSON"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again() {
        for packing in Packing::ALL {
            let mut packed = packing.pack(b"a,b\n1,2\n").unwrap();
            assert_eq!(Packing::of(&packed), Some(packing));
            packed.extend(packing.pack(b"3,4\n").unwrap());
            assert_eq!(packing.unpack(&packed).unwrap(), b"a,b\n1,2\n3,4\n", "{packing:?}");
            let error = packing.unpack(&packed[..packed.len() - 5]).unwrap_err();
            assert_eq!(error.to_string(), format!("decompress {}", packing.name()));
        }
        for text in [&b"BZhello"[..], b"BZh1,x\n1,2\n", b"BZh9"] {
            assert_eq!(Packing::of(text), None);
        }
        let nothing = Packing::Bzip2.pack(b"").unwrap();
        assert_eq!(Packing::of(&nothing), Some(Packing::Bzip2));
    }

    #[test]
    fn other_formats_are_named() {
        let refused = |start: &[u8]| refuse_foreign(start).map_err(|it| it.to_string());
        assert!(refused(b"PK\x03\x04...").unwrap_err().contains("Excel"));
        assert!(refused(b"{\"a\": 1}\n").unwrap_err().contains("JSON"));
        assert!(refused(b"[{\"a\": 1}]").unwrap_err().contains("JSON"));
        assert_eq!(refused(b"a,b\n1,2"), Ok(()));
        for header in
            ["Order", "ORC", "ORCID", "PARENT_ID", "PAR1", "FEA1", "ARROW1", "SQLite format 3"]
        {
            assert_eq!(refused(format!("{header},b\r\n1,2\n").as_bytes()), Ok(()), "{header}");
        }
        // In Latin-1, which is refused by its byte.
        assert_eq!(refused(b"ORC,caf\xe9\n1,2"), Ok(()));
        for (start, name) in [
            (&b"ORC\x08\x03\x10"[..], "ORC"),
            (b"PARE\0\x01", "encrypted Parquet"),
            (b"FEA1\0\0\0\0", "Feather"),
            (b"ARROW1\0\0", "Arrow"),
            (b"SQLite format 3\0", "SQLite"),
            (b"Obj\x01", "Avro"),
        ] {
            assert!(refused(start).unwrap_err().contains(name), "{name}");
        }
    }
}
