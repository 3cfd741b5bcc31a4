//! Which character separates the cells of a file.

/// What programs write between cells.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// What is looked at: so many bytes from the beginning, and so many rows of them.
const LOOK_BYTES: usize = 1 << 16;
const LOOK_ROWS: usize = 100;

/// Why it is not known what separates cells.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DelimiterError {
    /// Cells of one column hold a separator, so that they are several cells or the header lacks names.
    #[error(
        "its one column is `{header}`, and its cells hold {found}, such as `{cell}`: one name for each cell is expected \
         in the header, with a comma, a semicolon, a tab or a bar between them"
    )]
    Other {
        /// The column.
        header: String,
        /// What they hold.
        found: &'static str,
        /// The first of them.
        cell: String,
    },
    /// Two delimiters make as many cells of every row.
    #[error(
        "`{}` and `{}` part its rows equally well, into {width} cells each: say which one it is with --delimiter",
        shown(*.either), shown(*.or)
    )]
    Either {
        /// One of them.
        either: u8,
        /// The other.
        or: u8,
        /// How many cells.
        width: usize,
    },
}

fn shown(delimiter: u8) -> String {
    if delimiter == b'\t' { "tab".to_owned() } else { char::from(delimiter).to_string() }
}

/// The delimiter that a first line such as `sep=;` says, and what is behind that line.
pub(super) fn said(bytes: &[u8]) -> (Option<u8>, &[u8]) {
    match bytes {
        [b's', b'e', b'p', b'=', delimiter, b'\n', rest @ ..]
        | [b's', b'e', b'p', b'=', delimiter, b'\r', b'\n', rest @ ..] => (Some(*delimiter), rest),
        _ => (None, bytes),
    }
}

/// Finds the delimiter of a file: the one by which the first rows have as many cells as the header, and most.
///
/// # Errors
/// [`DelimiterError`] where two are such, or where the file would have one column whose cells look like several.
pub(super) fn recognise(bytes: &[u8]) -> Result<u8, DelimiterError> {
    let look = if bytes.len() <= LOOK_BYTES {
        bytes
    } else {
        // Not a part of a row.
        let look = &bytes[..LOOK_BYTES];
        let end = look.iter().rposition(|it| *it == b'\n').map_or(LOOK_BYTES, |it| it + 1);
        &look[..end]
    };
    let widths = DELIMITERS.map(|it| (it, widths(look, it)));
    let header_width = |widths: &[usize]| widths.first().copied().unwrap_or(0);
    let is_even = |widths: &[usize]| widths.iter().all(|it| *it == header_width(widths));
    let widest = |is_candidate: &dyn Fn(&[usize]) -> bool| {
        let mut best: Option<(u8, usize)> = None;
        for (delimiter, widths) in &widths {
            let width = header_width(widths);
            let is_better = best.is_none_or(|(_, it)| it < width);
            if 1 < width && is_candidate(widths) && is_better {
                best = Some((*delimiter, width));
            }
        }
        best
    };
    if let Some((either, width)) = widest(&is_even) {
        let is_like = |it: &&(u8, Vec<usize>)| {
            it.0 != either && header_width(&it.1) == width && is_even(&it.1)
        };
        return match widths.iter().find(is_like) {
            Some((or, _)) => Err(DelimiterError::Either { either, or: *or, width }),
            None => Ok(either),
        };
    }
    // Where no delimiter fits every row, the reader names the row that is at fault.
    if let Some((delimiter, _)) = widest(&|_| true) {
        return Ok(delimiter);
    }
    refuse_hidden(look)?;
    Ok(b',')
}

/// The number of cells in each of the first rows, the header first.
fn widths(bytes: &[u8], delimiter: u8) -> Vec<usize> {
    rows(bytes, delimiter).iter().map(csv::ByteRecord::len).collect()
}

fn rows(bytes: &[u8], delimiter: u8) -> Vec<csv::ByteRecord> {
    let mut reader = csv::ReaderBuilder::new();
    reader.has_headers(false).flexible(true).delimiter(delimiter);
    reader.from_reader(bytes).into_byte_records().map_while(Result::ok).take(LOOK_ROWS).collect()
}

/// Refuses one column of cells that another delimiter takes apart.
fn refuse_hidden(look: &[u8]) -> Result<(), DelimiterError> {
    let text =
        |it: &csv::ByteRecord| String::from_utf8_lossy(it.get(0).unwrap_or_default()).into_owned();
    let whole = rows(look, 0);
    let refuse = |found, row: usize| {
        Err(DelimiterError::Other { header: text(&whole[0]), found, cell: text(&whole[row]) })
    };
    let n_rows = whole.len().saturating_sub(1);
    for (delimiter, found) in
        [(b';', "semicolons"), (b'\t', "tabs"), (b'|', "bars"), (b',', "commas")]
    {
        let widths = widths(look, delimiter);
        let several = |it: &&usize| 1 < **it && widths.get(1) == Some(*it);
        if n_rows < 2 * widths.iter().skip(1).filter(several).count() {
            return refuse(found, 1);
        }
    }
    let numbers = |it: &csv::ByteRecord| {
        let text = text(it);
        let mut cells = text.split_whitespace();
        let n = cells.clone().count();
        if 1 < n && cells.all(|it| it.parse::<f64>().is_ok()) { n } else { 0 }
    };
    let n_cells = whole.get(1).map_or(0, numbers);
    if 0 < n_cells && whole.iter().skip(1).all(|it| numbers(it) == n_cells) {
        return refuse("numbers with white space between them", 1);
    }
    Ok(())
}
