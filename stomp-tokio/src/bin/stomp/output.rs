//! Where things are printed: what was asked for on stdout, news and progress on stderr.

use std::{
    borrow::Cow,
    fmt,
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::io::AsyncWriteExt as _;

use crate::exit::Failure;

/// How a command speaks.
#[derive(Clone)]
pub(crate) struct Output {
    pub(crate) json: bool,
    quiet: bool,
    bar: ProgressBar,
}

/// Whether somebody still reads stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    Listens,
    Gone,
}

impl Output {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet, bar: ProgressBar::hidden() }
    }

    /// News for people, on stderr.
    pub(crate) fn news(&self, words: impl fmt::Display) {
        if !self.quiet {
            self.complain(words);
        }
    }

    /// What must be said, on stderr. Nobody may be there to read it.
    pub(crate) fn complain(&self, words: impl fmt::Display) {
        self.bar.suspend(|| _ = writeln!(io::stderr(), "stomp: {words}"));
    }

    /// Prints to stdout, and returns when it was written. That somebody has closed it is no error: nobody wants more.
    pub(crate) async fn print(&self, octets: &[u8]) -> Result<Reader, Failure> {
        let mut stdout = tokio::io::stdout();
        let written = match stdout.write_all(octets).await {
            Ok(()) => stdout.flush().await,
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => Ok(Reader::Listens),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
            Err(error) => Err(Failure::io("stdout", &error)),
        }
    }

    /// Shows progress from now on if stderr is a terminal: a bar if the number is known, else a count.
    pub(crate) fn progress(&self, of: Option<u64>) -> Progress {
        if !self.quiet && io::stderr().is_terminal() {
            let template = match of {
                Some(_) => "{bar:30} {pos} of {len}, {per_sec}, {eta} left",
                None => "{spinner} {pos} messages, {per_sec}, {elapsed}",
            };
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.bar.set_style(
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            self.bar.set_length(of.unwrap_or_default());
            self.bar.reset();
            self.bar.enable_steady_tick(Duration::from_millis(200));
        }
        Progress(self.bar.clone())
    }
}

/// Progress that is shown until this is dropped.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// The octets as a terminal may see them: what a message holds must not move the cursor. Elsewhere they stay as they are.
pub(crate) fn for_stdout(octets: &[u8]) -> Cow<'_, [u8]> {
    if !io::stdout().is_terminal() {
        return Cow::Borrowed(octets);
    }
    Cow::Owned(printable(&String::from_utf8_lossy(octets)).into_bytes())
}

/// The text with its control characters escaped, except for ends of lines and tabs.
pub(crate) fn printable(text: &str) -> String {
    let is_odd = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    text.chars().fold(String::with_capacity(text.len()), |mut shown, letter| {
        match is_odd(letter) {
            true => shown.extend(letter.escape_default()),
            false => shown.push(letter),
        }
        shown
    })
}

/// A number with the word for what it counts.
pub(crate) fn counted(number: u64, word: &str) -> String {
    match number {
        1 => format!("1 {word}"),
        _ => format!("{number} {word}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_move_the_cursor() {
        assert_eq!(printable("a\u{1b}[2Jb\r\n\tü\u{9b}"), "a\\u{1b}[2Jb\\r\n\tü\\u{9b}");
    }
}
