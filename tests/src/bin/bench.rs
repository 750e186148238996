//! The benchmark of the native store: `bench DIR [--rows N]`, where DIR is a folder laid out like `data/wordnet`.
//!
//! Runs itself twice, on one thread and on two, each in a process of its own, since FAISS, BLAS and our scans take the number of threads from the environment
//! when they start. Where DIR has fewer than 100,000 rows, more are made of them (`--rows` says how many in all). Every answer is checked; exit
//! code 1 if one is wrong. A ratio that misses its floor is marked and fails nothing: the machine may be busy. The last line is one JSON object.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use serde_json::{Map, Value, json};
use twindex_tests::bench::{self, data::Data};

type Failure = Box<dyn std::error::Error>;

/// From here on the floors apply.
const LEAST_ROWS: usize = 100_000;
/// Set in the processes that measure.
const CHILD: &str = "TWINDEX_BENCH_CHILD";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, rows) = match &arguments[..] {
        [folder] => (folder, Ok(None)),
        [folder, flag, rows] if flag == "--rows" => (folder, rows.parse().map(Some)),
        _ => {
            eprintln!("usage: bench DIR [--rows N] (a folder laid out like data/wordnet)");
            return ExitCode::from(2);
        }
    };
    let outcome = rows.map_err(Failure::from).and_then(|rows| {
        if std::env::var_os(CHILD).is_some() { measure(folder.into(), rows) } else { run_both(&arguments) }
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn measure(folder: PathBuf, rows: Option<usize>) -> Result<bool, Failure> {
    let mut data = Data::read(&folder, rows)?;
    if rows.is_none() && data.rows() < LEAST_ROWS {
        data = Data::read(&folder, Some(LEAST_ROWS))?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build()?;
    let outcome = runtime.block_on(bench::run(&data))?;
    for fault in &outcome.faults {
        println!("WRONG: {fault}");
    }
    println!("{} answers checked, {} wrong", outcome.checked, outcome.faults.len());
    println!("{}", Value::Object(outcome.figures));
    Ok(outcome.faults.is_empty())
}

/// Measures on one thread and on two, and compares.
fn run_both(arguments: &[String]) -> Result<bool, Failure> {
    let (one, right) = run(arguments, 1)?;
    println!();
    let (two, right_too) = run(arguments, 2)?;
    let figure = |figures: &Map<String, Value>, name: &str| figures.get(name).and_then(Value::as_f64);
    let gain = |name: &str| Some(figure(&two, name)? / figure(&one, name)?);
    let (search, memory) = (gain("l2_1_stream_to_exact"), gain("stream_gigabytes_per_second"));
    if let (Some(search), Some(memory)) = (search, memory) {
        println!("\ntwo threads against one, one query: {search:.2}; reading memory: {memory:.2}");
    }
    println!(
        "{}",
        json!({ "one_thread": one, "two_threads": two, "two_to_one": search, "two_to_one_memory": memory })
    );
    Ok(right && right_too)
}

fn run(arguments: &[String], threads: usize) -> Result<(Map<String, Value>, bool), Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).env(CHILD, "1").stdout(Stdio::piped());
    for name in ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"] {
        command.env(name, threads.to_string());
    }
    let mut child = command.spawn()?;
    let mut last = String::new();
    for line in BufReader::new(child.stdout.take().ok_or("no output")?).lines() {
        last = line?;
        if !last.starts_with('{') {
            println!("{last}");
        }
    }
    let status = child.wait()?;
    match status.code() {
        Some(code @ (0 | 1)) => Ok((serde_json::from_str(&last)?, code == 0)),
        _ => Err(format!("the process that measures ended with {status}").into()),
    }
}
