//! The `twindex` command line: builds, searches and changes store files, for people and for programs.
//!
//! What a command finds goes to standard output, everything else (notes, progress, warnings, errors) to standard error. With `--json`
//! standard output is one JSON document, and an error is one JSON object on standard error. A file is only ever replaced whole.

mod args;
mod build;
mod change;
mod convert;
mod embedding;
mod failure;
mod index_file;
mod info;
mod input;
mod list;
mod search;
mod ui;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use failure::Failure;
use ui::Ui;

/// How a command that did not fail ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// It did what was asked.
    Done,
    /// There was nothing to find: exit code 3, as `grep` has 1.
    NothingFound,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ui = Ui::new(cli.json, cli.quiet);
    match run(cli.command, &ui) {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::NothingFound) => ExitCode::from(3),
        // Whoever read the output has seen enough, as `head` does.
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            ui.report(&failure);
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, ui: &Ui) -> Result<Ending, Failure> {
    // Vectors are computed on tokio's blocking threads; this one only waits.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("start", "the runtime", error))?;
    runtime.block_on(async {
        match command {
            Command::Build(args) => build::build(args, ui).await,
            Command::Add(args) => build::add(args, ui).await,
            Command::Search(args) => search::search(args, ui).await,
            Command::Info(args) => info::info(args, ui).await,
            Command::Get(args) => list::get(args, ui).await,
            Command::List(args) => list::list(args, ui).await,
            Command::Convert(args) => convert::convert(&args, ui),
            Command::Delete(args) => change::delete(args, ui).await,
            Command::Merge(args) => change::merge(args, ui).await,
        }
    })
}
