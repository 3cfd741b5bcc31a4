//! What data sets there are.

use serde::Deserialize;

/// The manifest that the programs are built with.
const BUILT_IN: &str = include_str!("../../../datasets/manifest.toml");

/// The data sets that can be asked for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    #[serde(rename = "dataset")]
    data_sets: Vec<DataSet>,
}

/// One data set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSet {
    /// What it is asked for by.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Under which terms it may be used.
    pub licence: String,
    /// Whom it is owed to.
    pub credit: String,
    /// The columns of its files, in order.
    pub columns: Vec<String>,
    /// Its files.
    #[serde(rename = "file")]
    pub files: Vec<DataFile>,
}

/// One file of a data set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFile {
    /// What its rows are asked for by, as a table; none for a file that is no table of its own.
    pub name: Option<String>,
    /// Where it lies below the cache and the local folder.
    pub path: String,
    /// Where it may be fetched; none if it may not.
    pub url: Option<String>,
    /// Its length.
    pub bytes: u64,
    /// Its checksum in lower-case hexadecimal.
    pub sha256: String,
    /// The rows of data in it.
    pub rows: u64,
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not TOML, or has keys that none of ours are.
    #[error("parse the manifest of data sets")]
    Parse(#[from] toml::de::Error),
    /// A checksum is not one.
    #[error("file `{path}` has the sha256 `{sha256}`; expected 64 lower-case hexadecimal digits")]
    Sha256 { path: String, sha256: String },
    /// A path leads out of the folder.
    #[error("file `{path}` is not a path of plain names below the folder of data sets")]
    Path { path: String },
}

impl Manifest {
    /// The manifest that the programs are built with.
    ///
    /// # Panics
    /// Never: a test parses it.
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN).expect("the built-in manifest is parsed by a test")
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// [`ManifestError`] naming the file at fault.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self = toml::from_str(text)?;
        for DataFile { path, sha256, .. } in manifest.data_sets.iter().flat_map(|it| &it.files) {
            let is_hex = sha256.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
            if sha256.len() != 64 || !is_hex {
                return Err(ManifestError::Sha256 { path: path.clone(), sha256: sha256.clone() });
            }
            if path.split('/').any(|it| it.is_empty() || it.starts_with('.')) {
                return Err(ManifestError::Path { path: path.clone() });
            }
        }
        Ok(manifest)
    }

    /// Every data set, in the manifest's order.
    pub fn data_sets(&self) -> &[DataSet] {
        &self.data_sets
    }

    /// The data set of a name.
    pub fn data_set(&self, name: &str) -> Option<&DataSet> {
        self.data_sets.iter().find(|it| it.name == name)
    }

    /// The file whose rows are asked for by a name.
    pub fn table(&self, name: &str) -> Option<&DataFile> {
        let mut files = self.data_sets.iter().flat_map(|it| &it.files);
        files.find(|it| it.name.as_deref() == Some(name))
    }

    /// Every name that rows can be asked for by, in the manifest's order.
    pub fn table_names(&self) -> impl Iterator<Item = &str> {
        self.data_sets.iter().flat_map(|it| &it.files).filter_map(|it| it.name.as_deref())
    }

    /// The file that lies at a path.
    pub fn file(&self, path: &str) -> Option<&DataFile> {
        self.data_sets.iter().flat_map(|it| &it.files).find(|it| it.path == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_manifest_is_in_order() {
        let manifest = Manifest::built_in();
        let adult = manifest.data_set("adult").unwrap();
        assert_eq!(adult.columns.len(), 15);
        assert_eq!(manifest.file("adult/adult.test").unwrap().bytes, 2_003_153);
        assert_eq!(manifest.table("credit-spend-test").unwrap().rows, 16_057);
        assert!(
            manifest.table("credit-spend").unwrap().url.is_none(),
            "it has no licence to be fetched by"
        );
        let mut names: Vec<&str> = manifest.table_names().collect();
        let n_names = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), n_names, "two tables share a name");
        for DataSet { name, files, columns, .. } in manifest.data_sets() {
            assert!(!files.is_empty() && !columns.is_empty(), "{name}");
            let https = |it: &DataFile| it.url.as_ref().is_none_or(|it| it.starts_with("https://"));
            assert!(files.iter().all(https), "{name}");
        }
    }

    #[test]
    fn a_manifest_out_of_order_is_refused() {
        let refused = |path: &str, sha256: &str, more: &str| {
            let text = format!(
                "[[dataset]]\nname = 'a'\ntitle = ''\nlicence = ''\ncredit = ''\ncolumns = []\n\
                 [[dataset.file]]\npath = '{path}'\nbytes = 1\nrows = 1\nsha256 = '{sha256}'\n{more}"
            );
            Manifest::parse(&text).unwrap_err().to_string()
        };
        let sha256 = "0".repeat(64);
        assert!(refused("../a", &sha256, "").contains("`../a`"));
        assert!(refused("/a", &sha256, "").contains("`/a`"));
        assert!(refused("a", "00", "").contains("`00`"));
        assert!(refused("a", &sha256, "sha = ''").contains("parse"));
    }
}
