//! Prints the circles between modules of every crate of a checkout: `--example circles [DIR]`.

use std::io::Write as _;
use std::path::PathBuf;

use shadowline_repo_tests::circles::circles;
use shadowline_repo_tests::modules::Modules;

fn main() -> std::io::Result<()> {
    let root = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    let mut crates: Vec<PathBuf> =
        std::fs::read_dir(root.join("crates"))?.flatten().map(|it| it.path()).collect();
    crates.sort();
    let mut out = std::io::stdout().lock();
    let (mut n_circles, mut n_modules) = (0, 0);
    for folder in crates {
        for circle in circles(&Modules::read(&folder)?) {
            let name = folder.file_name().unwrap_or_default().display();
            writeln!(out, "{name}: {}", circle.join(", "))?;
            n_circles += 1;
            n_modules += circle.len();
        }
    }
    writeln!(out, "{n_circles} circles of {n_modules} modules")
}
