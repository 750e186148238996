//! What people and programs see: standard output, notes, warnings, progress.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::failure::Failure;

/// How wide a line of text is when nobody says: not a terminal's business to tell us.
const DEFAULT_WIDTH: usize = 100;

/// What the user should know although the command goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Warning {
    code: String,
    message: String,
}

/// Where output goes and in which form.
#[derive(Debug)]
pub(crate) struct Ui {
    pub(crate) json: bool,
    quiet: bool,
}

/// What was warned of and not said yet.
static WARNINGS: Mutex<Vec<Warning>> = Mutex::new(Vec::new());

fn with_warnings<R>(look: impl FnOnce(&mut Vec<Warning>) -> R) -> R {
    look(&mut WARNINGS.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

fn push_warning(code: &str, message: String) {
    let warning = Warning { code: code.to_owned(), message };
    with_warnings(|warnings| {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    });
}

impl Ui {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Says something in passing; not with `--quiet`, and not with `--json`, whose document says it.
    pub(crate) fn note(&self, text: impl fmt::Display) {
        if !self.quiet && !self.json {
            // Nobody to tell if standard error is closed.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Says that something is not as the user may think; also with `--quiet`.
    pub(crate) fn warn(&self, code: &'static str, message: impl Into<String>) {
        push_warning(code, message.into());
        self.tell_warnings();
    }

    /// What was warned of so far, for a JSON document.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        with_warnings(std::mem::take)
    }

    /// Prints warnings for people; with `--json` they stay for the document.
    fn tell_warnings(&self) {
        if !self.json {
            for Warning { code, message } in self.warnings() {
                let _ = writeln!(io::stderr(), "warning[{code}]: {message}");
            }
        }
    }

    /// Prints why the command failed.
    pub(crate) fn report(&self, failure: &Failure) {
        self.tell_warnings();
        let mut stderr = io::stderr().lock();
        if self.json {
            let _ = writeln!(stderr, "{}", failure.to_json());
            return;
        }
        let _ = writeln!(stderr, "error[{}]: {}", failure.code, failure.message);
        for cause in &failure.causes {
            let _ = writeln!(stderr, "  because: {cause}");
        }
        if let Some(hint) = &failure.hint {
            let _ = writeln!(stderr, "  hint: {hint}");
        }
    }

    /// Writes the command's answer: a JSON document of `json`, or what `text` writes for people.
    pub(crate) fn answer<T: Serialize>(
        &self,
        json: impl FnOnce() -> T,
        text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        self.print(|out| {
            if self.json {
                serde_json::to_writer_pretty(&mut *out, &json())?;
                writeln!(out)
            } else {
                text(out)
            }
        })
    }

    /// Writes to standard output, all of it or an error.
    pub(crate) fn print(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        self.tell_warnings();
        let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
        write(&mut out).and_then(|()| out.flush()).map_err(Failure::stdout)
    }

    /// A progress bar over `total` steps, drawn on a terminal only.
    pub(crate) fn progress(&self, what: &str, total: usize) -> ProgressBar {
        self.bar(ProgressBar::new(total as u64), what, "{msg} [{wide_bar}] {pos}/{len} {eta}")
    }

    /// Something that turns while work of unknown length is done, on a terminal only.
    pub(crate) fn spinner(&self, what: &str) -> ProgressBar {
        let bar = self.bar(ProgressBar::new_spinner(), what, "{spinner} {msg} {elapsed}");
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        bar
    }

    fn bar(&self, bar: ProgressBar, what: &str, template: &str) -> ProgressBar {
        let shown = !self.quiet && !self.json && io::stderr().is_terminal();
        bar.set_draw_target(if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(what.to_owned());
        bar
    }

    /// How wide lines of text may be: `COLUMNS` or 100 on a terminal, `None` for no limit where a program reads.
    pub(crate) fn width(&self) -> Option<usize> {
        let columns = || std::env::var("COLUMNS").ok()?.parse().ok();
        io::stdout().is_terminal().then(|| columns().unwrap_or(DEFAULT_WIDTH).max(20))
    }
}

/// A text on one line: white space runs together, control characters, which could steer a terminal, become `\u{fffd}`, and what is
/// beyond `width` characters becomes `...`.
pub(crate) fn one_line(text: &str, width: Option<usize>) -> String {
    let width = width.unwrap_or(usize::MAX);
    let mut line = String::new();
    let (mut len, mut space) = (0, false);
    let mut cut = 0;
    for c in text.chars() {
        if c.is_whitespace() {
            space = len > 0;
            continue;
        }
        for c in space.then_some(' ').into_iter().chain([if c.is_control() { '\u{fffd}' } else { c }]) {
            if len + 3 == width {
                cut = line.len();
            }
            if len == width {
                line.truncate(cut);
                line.push_str("...");
                return line;
            }
            line.push(c);
            len += 1;
        }
        space = false;
    }
    line
}

/// A line as it is, but for control characters other than tabs.
pub(crate) fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// `1 document`, `2 documents`.
pub(crate) fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Bytes for people: `1.5 MB`.
pub(crate) fn bytes(n: u64) -> String {
    let mut size = n as f64;
    for unit in ["bytes", "kB", "MB", "GB"] {
        if size < 1000.0 {
            return if unit == "bytes" { format!("{n} {unit}") } else { format!("{size:.1} {unit}") };
        }
        size /= 1000.0;
    }
    format!("{size:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_on_one_line_is_cut_at_the_width() {
        assert_eq!(one_line("  a\n\n b\t", None), "a b");
        assert_eq!(one_line("abcdef", Some(6)), "abcdef");
        assert_eq!(one_line("abcdefg", Some(6)), "abc...");
        assert_eq!(one_line("äöüß €uro", Some(7)), "äöüß...");
        assert_eq!(one_line("a\u{1b}[31mb", None), "a\u{fffd}[31mb");
        assert_eq!(one_line("abc", Some(2)), "...");
        assert_eq!(one_line("", Some(5)), "");
        assert_eq!(printable("\tif  x\u{7}"), "\tif  x\u{fffd}");
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!([bytes(999), bytes(1000), bytes(1_550_000)], ["999 bytes", "1.0 kB", "1.6 MB"]);
        assert_eq!([count(1, "document"), count(0, "document")], ["1 document", "0 documents"]);
    }
}
