/// Why bytes are not an artefact that this program can use.
#[derive(Debug, thiserror::Error)]
pub enum ArtefactError {
    /// The file is something else.
    #[error("not a Shadowline artefact: its first bytes are not the format's mark")]
    Magic,
    /// The file is of a program after this one.
    #[error("artefact format {found} is newer than this program, which reads up to {supported}")]
    Newer {
        /// The version the file names.
        found: u32,
        /// The newest version this program reads.
        supported: u32,
    },
    /// The file ends early, or goes on after its end.
    #[error(
        "artefact is {got_bytes} bytes; {expected_bytes} expected: it was cut short or added to"
    )]
    Length {
        /// The bytes that the file should have, as far as is known.
        expected_bytes: usize,
        /// The bytes it has.
        got_bytes: usize,
    },
    /// Some byte has changed since the file was written.
    #[error("artefact is corrupt: checksum {found:08x} in the file, {computed:08x} computed")]
    Checksum {
        /// The checksum in the file.
        found: u32,
        /// The checksum of what is in the file.
        computed: u32,
    },
    /// The header is not what this kind of artefact has.
    #[error("artefact header cannot be read")]
    Header(#[source] serde_json::Error),
    /// The artefact is of another kind, for example a forest where a target model was expected.
    #[error("artefact is a `{found}`; `{expected}` expected")]
    Kind {
        /// The kind in the file.
        found: String,
        /// The kind, or kinds, asked for.
        expected: String,
    },
    /// A section is missing or has another element type.
    #[error("artefact has no section `{name}` of {expected}")]
    Section {
        /// The section's name.
        name: String,
        /// The element type asked for.
        expected: &'static str,
    },
    /// The parts are intact but contradict each other.
    #[error("artefact is inconsistent: {0}")]
    Inconsistent(String),
}
