//! YAML files with documents of several kinds.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;
use shadowline_evaluation::MetricSpec;
use shadowline_packages::{Artefacts, ModelDocument, read_artefacts};

use crate::args::Host;

/// One document that was read and checked.
#[derive(Debug)]
pub(crate) enum Document {
    Model { host: Host, document: Box<ModelDocument>, artefacts: Artefacts },
    MetricSpec(Box<MetricSpec>),
}

impl Document {
    /// The metric spec, if it is one.
    pub(crate) fn spec(&self) -> Option<&MetricSpec> {
        match self {
            Self::MetricSpec(spec) => Some(spec),
            Self::Model { .. } => None,
        }
    }
}

/// Reads every document of files; `-` is standard input.
pub(crate) fn read_all(files: &[PathBuf]) -> anyhow::Result<Vec<Document>> {
    let mut documents = Vec::new();
    for path in &in_directories(files)? {
        let from_stdin = path == Path::new("-");
        let (text, name, folder) = if from_stdin {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("read standard input")?;
            (text, "standard input".to_owned(), PathBuf::from("."))
        } else {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("read `{}`", path.display()))?;
            (
                text,
                format!("`{}`", path.display()),
                path.parent().unwrap_or(Path::new("")).to_owned(),
            )
        };
        let found = parse(&text, &folder).with_context(|| name.clone())?;
        if found.is_empty() {
            bail!("{name} holds no document; expected `kind: Model` or `kind: MetricSpec`");
        }
        documents.extend(found);
    }
    // A spec may be of a detector that comes with it.
    documents.sort_by_key(|it| matches!(it, Document::MetricSpec(_)));
    Ok(documents)
}

/// The files that are named, and in the place of a directory the YAML files in it, by name.
fn in_directories(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let read = || -> std::io::Result<Vec<PathBuf>> {
            std::fs::read_dir(path)?.map(|it| it.map(|it| it.path())).collect()
        };
        let is_yaml = |it: &PathBuf| {
            let ending = it.extension().and_then(|it| it.to_str());
            it.is_file() && matches!(ending, Some("yaml" | "yml"))
        };
        let found = read().with_context(|| format!("read directory `{}`", path.display()))?;
        let mut found: Vec<PathBuf> = found.into_iter().filter(is_yaml).collect();
        if found.is_empty() {
            bail!("directory `{}` holds no .yaml or .yml file", path.display());
        }
        found.sort();
        files.append(&mut found);
    }
    Ok(files)
}

/// Reads the documents of one text; artefacts are looked for below `folder`.
pub(crate) fn parse(text: &str, folder: &Path) -> anyhow::Result<Vec<Document>> {
    split(text).iter().map(|it| parse_one(it, folder)).collect()
}

#[derive(Deserialize)]
struct OnlyKind {
    kind: Option<String>,
}

fn parse_one(yaml: &str, folder: &Path) -> anyhow::Result<Document> {
    let kind = yaml_from::<OnlyKind>(yaml)?.kind;
    match kind.as_deref() {
        Some("Model") => model(yaml, folder),
        Some("MetricSpec") => {
            Ok(Document::MetricSpec(Box::new(yaml_from(yaml).context("metric spec")?)))
        }
        Some(other) => bail!("`kind` is `{other}`; expected `Model` or `MetricSpec`"),
        None => bail!(
            "the document at line {} has no `kind`; expected `Model` or `MetricSpec`",
            yaml.lines().take_while(|it| it.trim().is_empty()).count() + 1
        ),
    }
}

fn model(yaml: &str, folder: &Path) -> anyhow::Result<Document> {
    let document = ModelDocument::parse(yaml)?;
    let ModelDocument { name, runtime, .. } = &document;
    let host = Host::of_runtime(runtime).ok_or_else(|| {
        anyhow!("model `{name}`: `runtime` is `{runtime}`; expected {}", Host::runtimes())
    })?;
    let artefacts = read_artefacts(&document, folder).with_context(|| format!("model `{name}`"))?;
    Ok(Document::Model { host, document: Box::new(document), artefacts })
}

fn yaml_from<T: serde::de::DeserializeOwned>(yaml: &str) -> anyhow::Result<T> {
    // A threshold of `.nan` is refused by its field, as others are.
    let options = serde_saphyr::options! {
        with_snippet: false,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::PassThrough,
    };
    serde_saphyr::from_str_with_options(yaml, options).map_err(|error| anyhow!("{error}"))
}

/// The texts of the documents. Each keeps the empty lines that stand for those before it, so that an error names
/// the line in the file.
fn split(text: &str) -> Vec<String> {
    let mut documents = Vec::new();
    let mut current = String::new();
    let mut has_content = false;
    for (line_idx, line) in text.lines().enumerate() {
        let is_border = line == "---" || line.starts_with("--- ") || line.trim_end() == "...";
        if is_border {
            if std::mem::take(&mut has_content) {
                documents.push(std::mem::take(&mut current));
            }
            current = "\n".repeat(line_idx + 1);
            continue;
        }
        let content = line.trim();
        has_content |= !content.is_empty() && !content.starts_with('#');
        current.push_str(line);
        current.push('\n');
    }
    if has_content {
        documents.push(current);
    }
    documents
}

#[cfg(test)]
mod tests {
    use shadowline_packages::ArtefactName;

    use super::*;

    const SPEC: &str = "kind: MetricSpec\nname: outliers\nmodel: {name: census}\n\
                        metric: {monitor: census_knn}\nalert_when: {operator: greater, threshold: 2.5}\n";
    const MODEL: &str = "kind: Model\nname: census_knn\nruntime: knn\nartefact: model.slm\n\
                         contract: {inputs: {age: int64}, outputs: {score: float64}}\n";

    #[test]
    fn several_documents_share_a_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("model.slm"), b"bytes").unwrap();
        let text = format!("# a comment\n---\n{MODEL}---\n# nothing here\n---\n{SPEC}...\n");
        let documents = parse(&text, folder.path()).unwrap();
        let [Document::Model { host, artefacts, .. }, Document::MetricSpec(spec)] = &documents[..]
        else {
            panic!("{documents:?}")
        };
        assert_eq!(
            (*host, artefacts.model()),
            (Host::of_runtime("knn").unwrap(), b"bytes".as_slice())
        );
        assert_eq!(spec.name().as_str(), "outliers");
    }

    #[test]
    fn further_artefacts_come_with_their_model() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("model.slm"), b"bytes").unwrap();
        let text = format!("{MODEL}artefacts: {{profile: profile.slm}}\n");
        let missing = format!("{:#}", parse(&text, folder.path()).unwrap_err());
        assert!(missing.contains("model `census_knn`: read `"), "{missing}");
        assert!(missing.contains("profile.slm"), "{missing}");
        std::fs::write(folder.path().join("profile.slm"), b"more").unwrap();
        let documents = parse(&text, folder.path()).unwrap();
        let [Document::Model { artefacts, .. }] = &documents[..] else { panic!("{documents:?}") };
        assert_eq!(artefacts.get(ArtefactName::Profile), Some(b"more".as_slice()));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let refused = |text: &str, expected: &[&str]| {
            let error = format!("{:#}", parse(text, Path::new("/nowhere")).unwrap_err());
            for part in expected {
                assert!(error.contains(part), "{error} should contain {part}");
            }
        };
        refused(&format!("{SPEC}---\nname: x\n"), &["line 7", "no `kind`"]);
        refused("kind: Dashboard\n", &["`Dashboard`", "`MetricSpec`"]);
        refused(&format!("{SPEC}---\n{SPEC}colour: red\n"), &["colour", "line 12"]);
        refused(&SPEC.replace("greater", "above"), &["alert_when.operator", "above"]);
        refused(MODEL, &["census_knn", "/nowhere/model.slm"]);
        refused(&MODEL.replace("runtime: knn", "runtime: svm"), &["`svm`", "`knn`"]);
    }

    #[test]
    fn the_examples_are_documents() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        let files = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
        let files: Vec<PathBuf> =
            files.filter(|it| it.extension().is_some_and(|it| it == "yaml")).collect();
        assert_eq!(read_all(&files).unwrap().len(), 3);
    }

    #[test]
    fn a_directory_is_its_documents_and_models_go_first() {
        let folder = tempfile::tempdir().unwrap();
        let empty = read_all(&[folder.path().to_owned()]).unwrap_err().to_string();
        assert!(empty.contains("holds no .yaml or .yml file"), "{empty}");
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("model.slm", "bytes");
        write("a.yaml", SPEC);
        write("serving.yml", MODEL);
        write("notes.txt", "no document");
        std::fs::create_dir(folder.path().join("old.yaml")).unwrap();
        let documents = read_all(&[folder.path().to_owned()]).unwrap();
        assert!(matches!(documents[..], [Document::Model { .. }, Document::MetricSpec(_)]));
    }

    #[test]
    fn a_file_without_a_document_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# only a comment\n").unwrap();
        let error = read_all(&[file.path().to_owned()]).unwrap_err().to_string();
        assert!(error.contains("holds no document"), "{error}");
    }
}
