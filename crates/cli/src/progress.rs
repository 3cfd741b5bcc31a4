//! How far something is, on standard error.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Says on a terminal that something goes on, and for how long already.
pub(crate) fn spinner(message: &str) -> ProgressBar {
    let progress = ProgressBar::new_spinner().with_message(message.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        progress.set_style(style);
    }
    progress.enable_steady_tick(Duration::from_millis(100));
    progress
}

/// Counts rows on a terminal; on anything else only if it was asked for.
pub(crate) fn rows(n_rows: usize, forced: bool) -> ProgressBar {
    bar(n_rows, "{bar:40} {pos}/{len} rows, {per_sec}, {eta} left", forced)
}

/// Counts whatever a stage is made of, behind the stage's name.
pub(crate) fn stage(name: &str, n_items: usize, forced: bool) -> ProgressBar {
    let progress = bar(n_items, "{msg:10} {bar:40} {percent:>3} % ({elapsed})", forced);
    progress.set_message(name.to_owned());
    progress.enable_steady_tick(Duration::from_millis(100));
    progress
}

fn bar(n_items: usize, template: &str, forced: bool) -> ProgressBar {
    let progress = ProgressBar::new(n_items as u64);
    if forced && !std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(PlainStderr), 1);
        progress.set_draw_target(target);
    }
    if let Ok(style) = ProgressStyle::with_template(template) {
        progress.set_style(style);
    }
    progress
}

/// Standard error where it is a file or a pipe: each state of the bar is a line of its own.
#[derive(Debug)]
struct PlainStderr;

impl indicatif::TermLike for PlainStderr {
    fn width(&self) -> u16 {
        100
    }
    fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn write_line(&self, text: &str) -> std::io::Result<()> {
        self.write_str(text)
    }
    fn write_str(&self, text: &str) -> std::io::Result<()> {
        if !text.trim().is_empty() {
            eprintln!("{}", text.trim_end());
        }
        Ok(())
    }
    fn clear_line(&self) -> std::io::Result<()> {
        Ok(())
    }
    fn flush(&self) -> std::io::Result<()> {
        Ok(())
    }
}
