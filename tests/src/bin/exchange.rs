//! Exchanges stores with JavaScript: `exchange DIR OUT` writes them, `exchange DIR OUT --check` reads what came back.
//!
//! DIR is laid out like data/wordnet. Between the two, `node tests/js/exchange.mjs OUT DIR` reads what was written and writes its own. Ends with
//! `N passed, M failed`: files that are byte for byte the same, and answers that are the same to the last bit. Exit code 1 if any failed,
//! 2 if something cannot be read or written. `--cases CASES` takes other case files than those of this repository, in both programs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use twindex_tests::exchange::{Tally, check, write};
use twindex_tests::oracle::read_folder;
use twindex_tests::recall::Pack;

struct Arguments {
    pack: PathBuf,
    out: PathBuf,
    cases: Vec<PathBuf>,
    check: bool,
}

fn arguments() -> Option<Arguments> {
    let (mut folders, mut cases, mut check) = (Vec::new(), Vec::new(), false);
    let mut words = std::env::args_os().skip(1);
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--check") => check = true,
            Some("--cases") => cases.push(PathBuf::from(words.next()?)),
            _ => folders.push(PathBuf::from(word)),
        }
    }
    if cases.is_empty() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
        cases = vec![data.join("oracle"), data.join("table")];
    }
    let [pack, out] = <[PathBuf; 2]>::try_from(folders).ok()?;
    Some(Arguments { pack, out, cases, check })
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprintln!("usage: exchange DIR OUT [--check] [--cases CASES]...");
        return ExitCode::from(2);
    };
    match run(&arguments) {
        Ok(Tally { passed, failed }) => {
            println!("{passed} passed, {failed} failed");
            ExitCode::from(u8::from(failed > 0 || passed == 0))
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<Tally, String> {
    let pack = Pack::read(&arguments.pack)?;
    let mut cases = Vec::new();
    for folder in &arguments.cases {
        cases.extend(read_folder(folder)?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
    match arguments.check {
        true => runtime.block_on(check(&pack, &cases, &arguments.out)),
        false => runtime.block_on(write(&pack, &cases, &arguments.out)),
    }
}
