//! Compares exact search with the exact neighbours of a data pack, on both engines: `recall DIR`.
//!
//! Prints a line for each engine and metric or filter, and ends with `N passed, M failed`, where every query counts once one by
//! one and once in a batch. Exit code 1 if any failed, 2 if the folder cannot be read.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use twindex_tests::recall::{Agreement, Pack};
use twindex_tests::runner::ENGINES;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: recall DIR (a folder laid out like data/wordnet)");
        return ExitCode::from(2);
    };
    match run(PathBuf::from(folder)) {
        Ok(all) if all.failed == 0 && all.passed > 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn run(folder: PathBuf) -> Result<Agreement, String> {
    let pack = Pack::read(&folder)?;
    let mut out = io::stdout().lock();
    let mut all = Agreement::default();
    for engine in ENGINES {
        let checked = pack.check(engine, &mut out)?;
        all.passed += checked.passed;
        all.failed += checked.failed;
    }
    writeln!(out, "{} passed, {} failed", all.passed, all.failed).map_err(|error| error.to_string())?;
    Ok(all)
}
