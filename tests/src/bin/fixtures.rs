//! Opens what FAISS and LangChain wrote, on both engines, and compares it with what they hold and answer: `fixtures DIR`.
//!
//! Ends with `N passed, M failed`: each file or store once for each engine. Exit code 1 if any failed or there was none, 2 if the folder
//! cannot be read.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use twindex_tests::fixtures::{Agreement, Found};
use twindex_tests::runner::ENGINES;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: fixtures DIR (a folder laid out like tests/data/fixtures)");
        return ExitCode::from(2);
    };
    match run(Path::new(&folder)) {
        Ok(all) if all.failed == 0 && all.passed > 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn run(folder: &Path) -> Result<Agreement, String> {
    let found = Found::in_folder(folder)?;
    let mut out = io::stdout().lock();
    let mut all = Agreement::default();
    for engine in ENGINES {
        let checked = found.check(engine, &mut out).map_err(|error| error.to_string())?;
        all.passed += checked.passed;
        all.failed += checked.failed;
    }
    writeln!(out, "{} passed, {} failed", all.passed, all.failed).map_err(|error| error.to_string())?;
    Ok(all)
}
