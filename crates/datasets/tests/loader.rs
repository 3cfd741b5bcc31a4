//! Where files are looked for, in which order, and what is refused.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;

use shadowline_datasets::{LoadError, Loader, Manifest, Place, census};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// sha256 of the five bytes `right`.
const SHA256: &str = "27042f4e6eca7d0b2a7ee4026df2ecfa51d3339e6d122aa099118ecd8563bad9";

fn manifest(url: Option<&str>) -> Manifest {
    let url = url.map(|it| format!("url = '{it}'")).unwrap_or_default();
    Manifest::parse(&format!(
        "[[dataset]]\nname = 'a'\ntitle = ''\nlicence = ''\ncredit = ''\ncolumns = ['x']\n\
         [[dataset.file]]\npath = 'a/b.csv'\nbytes = 5\nrows = 1\nsha256 = '{SHA256}'\n{url}"
    ))
    .unwrap()
}

fn put(folder: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(folder.join("a")).unwrap();
    std::fs::write(folder.join("a/b.csv"), bytes).unwrap();
}

struct Folders {
    cache: TempDir,
    local: TempDir,
}

impl Folders {
    fn new() -> Self {
        Self { cache: TempDir::new().unwrap(), local: TempDir::new().unwrap() }
    }

    fn loader(&self, url: Option<&str>) -> Loader {
        let (cache, local) = (self.cache.path().to_owned(), self.local.path().to_owned());
        Loader::new(manifest(url), Some(cache), Some(local), true)
    }
}

/// Answers every request with the same body; the address to ask at.
async fn server(status: &'static str, body: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/b.csv", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let n_bytes = stream.read(&mut request).await.unwrap();
            assert!(request[..n_bytes].starts_with(b"GET /b.csv"));
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(body).await.unwrap();
        }
    });
    url
}

#[tokio::test]
async fn the_cache_comes_before_the_local_folder() {
    let folders = Folders::new();
    put(folders.local.path(), b"right");
    let found = folders.loader(None).load("a/b.csv").await.unwrap();
    assert!(matches!(found.place, Place::Local(_)), "{}", found.place);
    put(folders.cache.path(), b"right");
    let found = folders.loader(None).load("a/b.csv").await.unwrap();
    assert!(matches!(found.place, Place::Cache(_)), "{}", found.place);
    assert_eq!(found.bytes, b"right");
}

#[tokio::test]
async fn a_wrong_checksum_is_an_error_that_names_both() {
    let folders = Folders::new();
    put(folders.local.path(), b"right");
    put(folders.cache.path(), b"wrong");
    let error = folders.loader(None).load("a/b.csv").await.unwrap_err();
    assert!(!error.is_absence());
    let message = error.to_string();
    assert!(message.contains(SHA256) && message.contains("cache"), "{message}");
    let LoadError::Checksum { got, .. } = error else { panic!("{message}") };
    assert_eq!(got, "8810ad581e59f2bc3928b261707a71308f7e139eb04820366dc4d5c18d980225");
}

#[tokio::test]
async fn a_file_that_is_nowhere_says_where_it_was_looked_for() {
    let folders = Folders::new();
    let error = folders.loader(None).load("a/b.csv").await.unwrap_err();
    assert!(error.is_absence());
    let message = error.to_string();
    for part in ["a/b.csv", "cache", "SHADOWLINE_DATASETS", "no address"] {
        assert!(message.contains(part), "{message}");
    }
    let message = folders.loader(None).load("a/c.csv").await.unwrap_err().to_string();
    assert_eq!(message, "no data file `a/c.csv`; there are `a/b.csv`");
}

#[tokio::test]
async fn a_download_is_checked_and_goes_into_the_cache() {
    let folders = Folders::new();
    let url = server("200 OK", b"right").await;
    let loader = folders.loader(Some(&url));
    assert_eq!(loader.load("a/b.csv").await.unwrap().place, Place::Fetched(url));
    assert!(matches!(loader.load("a/b.csv").await.unwrap().place, Place::Cache(_)));
    let n_files = std::fs::read_dir(folders.cache.path().join("a")).unwrap().count();
    assert_eq!(n_files, 1, "no temporary file stays");
}

#[tokio::test]
async fn a_download_of_something_else_is_not_kept() {
    for (status, body) in [
        ("200 OK", b"wrong".as_slice()),
        ("200 OK", b"right and more"),
        ("404 Not Found", b"right"),
    ] {
        let folders = Folders::new();
        let url = server(status, body).await;
        let error = folders.loader(Some(&url)).load("a/b.csv").await.unwrap_err();
        // The right file is not at hand then, which is no reason for a demonstration to fail.
        assert!(error.is_absence(), "{error}");
        assert!(error.to_string().contains(&url), "{error}");
        assert!(!folders.cache.path().join("a/b.csv").exists());
    }
}

#[tokio::test]
async fn the_census_is_what_it_should_be() {
    // Never over the network: without a copy at hand there is nothing to look at.
    let Some(local) = std::env::var_os("SHADOWLINE_DATASETS") else {
        eprintln!("skipped: needs the census data, see datasets/README.md");
        return;
    };
    let loader = Loader::new(Manifest::built_in(), None, Some(local.into()), false);
    let census = census::load(&loader).await.unwrap();
    assert_eq!((census.train.n_rows(), census.test.n_rows()), (32_561, 16_281));
    let labels = census.test.column(census::LABEL).unwrap().to_texts();
    assert_eq!(labels.iter().filter(|it| *it == ">50K").count(), 3_846);
    assert_eq!(census.train.fields(), census.test.fields());
}
