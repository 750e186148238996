//! Shows on a machine with an NVIDIA card what Twindex says of cards: `gpu-check [DIR] [--device DEVICE] [--rows N] [--queries N] [--only NAME,...] [--out FOLDER]`.
//!
//! `DIR` is a folder laid out like data/wordnet; without one the lines that need it are not run, and named. Names are `wordnet`, `kinds`, `memory`, `flat`, `train`, `node`.
//! `--out` is where `node` puts what tests/js/gpu.mjs reads: an index that a card made, and its answers. `--device cpu` rehearses the program itself where there is
//! no card.
//!
//! Prints a line for each check, then one JSON document of ratios and times, and ends with `N passed, M failed`. Exit code 1 if any failed, 2 for wrong usage or what cannot
//! be read, 3 if there is no card.

use std::path::PathBuf;
use std::process::ExitCode;

use twindex::Device;
use twindex_tests::gpu::{Plan, run};

const NO_CARD: u8 = 3;

fn main() -> ExitCode {
    let plan = match plan(std::env::args().skip(1)) {
        Ok(plan) => plan,
        Err(why) => {
            eprintln!(
                "{why}\nusage: gpu-check [DIR] [--device DEVICE] [--rows N] [--queries N] [--only NAME,...] [--out FOLDER]"
            );
            return ExitCode::from(2);
        }
    };
    if plan.device != Device::Cpu
        && let Err(error) = twindex::gpu_cards()
    {
        eprintln!("{error}");
        return ExitCode::from(NO_CARD);
    }
    match run(&plan, &mut std::io::stdout().lock()) {
        Ok(tally) if tally.failed == 0 && tally.passed > 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn plan(mut arguments: impl Iterator<Item = String>) -> Result<Plan, String> {
    let mut plan = Plan::default();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} takes a value"));
        let number = |text: String| text.parse::<usize>().map_err(|error| format!("{text:?}: {error}"));
        match &*argument {
            "--device" => {
                plan.device = value()?.parse().map_err(|error: twindex::Error| error.to_string())?
            }
            "--rows" => plan.rows = number(value()?)?.max(1),
            "--queries" => plan.queries = number(value()?)?.max(1),
            "--only" => plan.choose(&value()?)?,
            "--out" => plan.out = Some(PathBuf::from(value()?)),
            _ if argument.starts_with('-') || plan.pack.is_some() => {
                return Err(format!("unknown argument {argument:?}"));
            }
            _ => plan.pack = Some(PathBuf::from(argument)),
        }
    }
    Ok(plan)
}
