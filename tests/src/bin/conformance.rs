//! Runs every case file of a folder on both engines: `conformance DIR`.
//!
//! Prints a line for each case that fails and ends with `N passed, M failed`. Exit code 1 if any failed or there was
//! none to run, 2 if the folder cannot be read.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use twindex_tests::oracle::read_folder;
use twindex_tests::runner::{ENGINES, run_all};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: conformance DIR (a folder of *.json case files)");
        return ExitCode::from(2);
    };
    let cases = match read_folder(&PathBuf::from(folder)) {
        Ok(cases) => cases,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    match run(&cases) {
        Ok(failed) if !failed && !cases.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("cannot write the report: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether any case failed.
fn run(cases: &[twindex_tests::oracle::Case]) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    let summary = run_all(cases, &ENGINES, &mut out)?;
    if cases.is_empty() {
        writeln!(out, "no case was found, which counts as a failure")?;
    }
    writeln!(out, "{} passed, {} failed", summary.passed, summary.failed)?;
    out.flush()?;
    Ok(summary.failed > 0)
}
