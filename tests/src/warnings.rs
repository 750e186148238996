//! Catches the warnings that Twindex logs.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};

/// Where warnings about relevance are logged.
const TARGET: &str = "twindex::relevance";

#[derive(Debug, Default)]
struct Catcher {
    caught: Mutex<Vec<String>>,
}

impl Catcher {
    fn caught(&self) -> MutexGuard<'_, Vec<String>> {
        self.caught.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for Catcher {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() == Level::Warn && metadata.target() == TARGET
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let message = record.args().to_string();
            let code = message.split(':').next().unwrap_or_default();
            self.caught().push(code.to_owned());
        }
    }

    fn flush(&self) {}
}

static CATCHER: OnceLock<&'static Catcher> = OnceLock::new();

/// Starts catching, as this process's logger.
///
/// # Errors
/// If the process has another logger.
pub fn install() -> Result<(), String> {
    if CATCHER.get().is_some() {
        return Ok(());
    }
    let catcher: &'static Catcher = Box::leak(Box::default());
    if CATCHER.set(catcher).is_ok() {
        log::set_logger(catcher).map_err(|_| "the process has another logger".to_owned())?;
        log::set_max_level(LevelFilter::Warn);
    }
    Ok(())
}

/// The codes of the warnings since the last call, sorted.
#[must_use]
pub fn take() -> Vec<String> {
    let mut codes = CATCHER.get().map(|catcher| std::mem::take(&mut *catcher.caught())).unwrap_or_default();
    codes.sort();
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_warnings_about_relevance_are_caught() {
        install().unwrap();
        let _ = take();
        log::warn!(target: TARGET, "no_relevant_docs: nothing is left");
        log::warn!("something else");
        log::info!(target: TARGET, "chatter: no");
        assert_eq!(take(), ["no_relevant_docs"]);
        assert_eq!(take(), [""; 0]);
    }
}
