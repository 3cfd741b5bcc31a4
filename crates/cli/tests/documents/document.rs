//! A document, as far as there is something to run in it.
//!
//! - `sh` blocks are run, one after the other, in one shell.
//! - A `text` block behind an `sh` block is everything that it prints.
//! - `console` blocks are transcripts of what cannot be run in a test: each command is behind a `$`.
//! - `<!-- run` … `-->` is run where it stands, and readers do not see it: it makes what a reader has already.
//!
//! A block of any other language is data. A language that is not known here fails, so that no command hides in one.

use std::path::{Path, PathBuf};

/// Languages of blocks in which there is nothing to run.
const DATA: [&str; 8] = ["csv", "html", "ini", "json", "promql", "sql", "toml", "yaml"];

/// A document and its blocks.
#[derive(Debug)]
pub(crate) struct Document {
    /// Its path in the repository.
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) blocks: Vec<Block>,
}

/// A part of a document that says what to run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Block {
    Run(Run),
    /// Commands behind `$`, each with its line, that a test cannot run.
    Console(Vec<(usize, String)>),
}

/// Commands to run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Of the first command, counted from 1.
    pub(crate) line: usize,
    pub(crate) commands: String,
    /// What they print, with the line where the document says so.
    pub(crate) expected: Option<(usize, String)>,
}

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    path.canonicalize().expect("the repository is there")
}

impl Document {
    pub(crate) fn read(name: &str) -> Self {
        let path = repository().join(name);
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("read `{}`: {error}", path.display()));
        let blocks = parse(&text).unwrap_or_else(|error| panic!("{name}:{error}"));
        Self { name: name.to_owned(), text, blocks }
    }

    pub(crate) fn runs(&self) -> Vec<&Run> {
        let runs = self.blocks.iter().filter_map(|it| match it {
            Block::Run(run) => Some(run),
            Block::Console(_) => None,
        });
        runs.collect()
    }

    /// Every line that is not within a block.
    pub(crate) fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut is_inside = false;
        self.text.lines().enumerate().filter_map(move |(idx, line)| {
            let is_fence = line.starts_with("```");
            if is_fence {
                is_inside = !is_inside;
            }
            (!is_inside && !is_fence).then_some((idx + 1, line))
        })
    }
}

/// Takes a document apart; an error begins with its line.
fn parse(text: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate().map(|(idx, line)| (idx + 1, line));
    // Whether a `text` block here would be the output of the last commands.
    let mut may_expect = false;
    while let Some((line_no, line)) = lines.next() {
        if line.starts_with("<!-- run") {
            let commands = until(&mut lines, "-->").ok_or(format!("{line_no}: no `-->`"))?;
            blocks.push(Block::Run(Run { line: line_no + 1, commands, expected: None }));
            may_expect = false;
            continue;
        }
        let Some(language) = line.strip_prefix("```") else {
            if line.trim_start().starts_with("```") {
                return Err(format!("{line_no}: a block that is indented is not looked at"));
            }
            continue;
        };
        let body = until(&mut lines, "```").ok_or(format!("{line_no}: no end of the block"))?;
        match (language, blocks.last_mut()) {
            ("sh", _) => {
                blocks.push(Block::Run(Run { line: line_no + 1, commands: body, expected: None }));
            }
            ("text", Some(Block::Run(run))) if may_expect => {
                run.expected = Some((line_no + 1, body));
            }
            ("text", _) => {}
            ("console", _) => blocks.push(Block::Console(commands(line_no + 1, &body)?)),
            (data, _) if DATA.contains(&data) => {}
            (other, _) => {
                return Err(format!(
                    "{line_no}: a block of `{other}`; expected sh, text, console or one of {DATA:?}"
                ));
            }
        }
        may_expect = language == "sh";
    }
    Ok(blocks)
}

fn until<'a>(lines: &mut impl Iterator<Item = (usize, &'a str)>, end: &str) -> Option<String> {
    let mut body = String::new();
    for (_, line) in lines {
        if line == end {
            return Some(body);
        }
        body += line;
        body.push('\n');
    }
    None
}

/// The commands of a transcript; a command that ends in `\` goes on in the next line.
fn commands(first_line: usize, body: &str) -> Result<Vec<(usize, String)>, String> {
    let mut commands: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (idx, line) in body.lines().enumerate() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (None, Some((_, command))) if goes_on => {
                command.pop();
                *command += line.trim_start();
            }
            (Some(command), _) => commands.push((first_line + idx, command.to_owned())),
            // What the command before it printed.
            (None, _) => continue,
        }
        goes_on = line.ends_with('\\');
    }
    if commands.is_empty() {
        return Err(format!(
            "{first_line}: a transcript without a command; expected `$ ` before it"
        ));
    }
    Ok(commands)
}

/// Whether a text is what was expected: `…` in a line is some text, a line of only `…` is any number of lines, and any
/// white space is as good as any other. The error says where they part.
pub(crate) fn compare(expected: &str, got: &str) -> Result<(), String> {
    let lines = |text: &str| -> Vec<String> {
        let lines = text.trim_end().lines();
        lines.map(|it| it.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    let (expected, got) = (lines(expected), lines(got));
    let mut furthest = 0;
    if compare_lines(&expected, &got, 0, &mut furthest) {
        return Ok(());
    }
    let at = |lines: &[String]| lines.get(furthest).cloned().unwrap_or("(the end)".to_owned());
    Err(format!("line {} of the output is `{}`", furthest + 1, at(&got)))
}

fn compare_lines(expected: &[String], got: &[String], idx: usize, furthest: &mut usize) -> bool {
    match expected.split_first() {
        None => idx == got.len(),
        Some((any, rest)) if any == "…" => {
            (idx..=got.len()).any(|from| compare_lines(rest, got, from, furthest))
        }
        Some((line, rest)) => {
            if !got.get(idx).is_some_and(|it| compare_line(line, it)) {
                return false;
            }
            *furthest = (idx + 1).max(*furthest);
            compare_lines(rest, got, idx + 1, furthest)
        }
    }
}

fn compare_line(expected: &str, got: &str) -> bool {
    let Some((start, rest)) = expected.split_once('…') else { return expected == got };
    let Some(got) = got.strip_prefix(start) else { return false };
    // At least one character stands in the place of each `…`.
    got.char_indices()
        .skip(1)
        .map(|it| it.0)
        .chain([got.len()])
        .any(|from| !got.is_empty() && compare_line(rest, &got[from..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_with_what_they_print() {
        let text = "a\n```sh\nls\n```\nprints:\n```text\nx\n```\n```text\npicture\n```\n<!-- run\ntouch a\n-->\n\
                    ```console\n$ docker ps \\\n    --all\nCONTAINER\n$ docker rm a\n```\n```yaml\na: 1\n```\n";
        let run = |line, commands: &str, expected| {
            Block::Run(Run { line, commands: commands.to_owned(), expected })
        };
        let console = [(16, "docker ps --all".to_owned()), (19, "docker rm a".to_owned())];
        assert_eq!(
            parse(text).unwrap(),
            [
                run(3, "ls\n", Some((7, "x\n".to_owned()))),
                run(13, "touch a\n", None),
                Block::Console(console.to_vec())
            ]
        );
        for (text, expected) in [
            ("```bash\nls\n```", "1: a block of `bash`"),
            ("```\nls\n```", "1: a block of ``"),
            ("\n- item\n  ```sh\n", "3: a block that is indented"),
            ("```sh\nls\n", "1: no end"),
            ("```console\ndocker ps\n```", "2: a transcript without a command"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn output_is_compared_line_by_line() {
        for (expected, got) in [
            ("a  b\n", "a b"),
            ("a …\n", "a 1"),
            ("…\nend", "1\n2\nend\n"),
            ("…\nend", "end"),
            ("x …, y …\n…", "x 1, 2, y 3\nmore"),
        ] {
            assert_eq!(compare(expected, got), Ok(()), "{expected} {got}");
        }
        for (expected, got, place) in [
            ("a\nb", "a\nc", "line 2 of the output is `c`"),
            ("a …", "a", "line 1"),
            ("a", "a\nb", "line 2 of the output is `b`"),
            ("a\nb", "a", "line 2 of the output is `(the end)`"),
            ("", "a", "line 1"),
            ("…\nend", "end\nmore", "line 2"),
        ] {
            let error = compare(expected, got).unwrap_err();
            assert!(error.contains(place), "{expected:?} {got:?}: {error}");
        }
    }
}
