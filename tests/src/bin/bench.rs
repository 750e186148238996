//! The benchmark of the native store: `bench DIR [--rows N] [--cost MODE]`, where DIR is a folder laid out like `data/wordnet`.
//!
//! Runs itself twice, on one thread and on two, each in a process of its own, since FAISS, BLAS and our scans take the number of threads from the environment
//! when they start. Where DIR has fewer than 100,000 rows, more are made of them (`--rows` says how many in all). Every answer is checked; exit
//! code 1 if one is wrong. A ratio that misses its floor is marked and fails nothing: the machine may be busy. The last line is one JSON object.
//!
//! `--cost MODE` measures one way of searching by itself, on one thread: time for a query, memory, time to build.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use serde_json::{Map, Value, json};
use twindex_tests::bench::cost::{self, Mode};
use twindex_tests::bench::{self, data::Data};

type Failure = Box<dyn std::error::Error>;

/// From here on the floors apply.
const LEAST_ROWS: usize = 100_000;
const USAGE: &str = "usage: bench DIR [--rows N] [--cost MODE] (a folder laid out like data/wordnet)";
/// Set in the processes that measure.
const CHILD: &str = "TWINDEX_BENCH_CHILD";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = Arguments::parse(&words).and_then(|arguments| {
        match (std::env::var_os(CHILD).is_some(), arguments.cost) {
            (true, Some(mode)) => measure_cost(&arguments, mode),
            (true, None) => measure(&arguments),
            (false, Some(_)) => run_cost(&words),
            (false, None) => run_both(&words),
        }
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

/// What the command line asks for.
struct Arguments {
    folder: PathBuf,
    rows: Option<usize>,
    cost: Option<Mode>,
}

impl Arguments {
    fn parse(words: &[String]) -> Result<Self, Failure> {
        let [folder, options @ ..] = words else { return Err(USAGE.into()) };
        let mut arguments = Self { folder: folder.into(), rows: None, cost: None };
        for option in options.chunks(2) {
            match option {
                [name, rows] if name == "--rows" => arguments.rows = Some(rows.parse().map_err(|_| USAGE)?),
                [name, mode] if name == "--cost" => arguments.cost = Some(mode.parse()?),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(arguments)
    }

    /// The rows that were asked for; unless told, those of the folder, and as many as floors apply to where it has fewer.
    fn data(&self) -> Result<Data, Failure> {
        let data = Data::read(&self.folder, self.rows)?;
        if self.rows.is_none() && data.rows() < LEAST_ROWS {
            return Ok(Data::read(&self.folder, Some(LEAST_ROWS))?);
        }
        Ok(data)
    }
}

/// A runtime whose threads do nothing but wait: what is measured has threads of its own.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).build()
}

fn measure_cost(arguments: &Arguments, mode: Mode) -> Result<bool, Failure> {
    let data = arguments.data()?;
    let cost = runtime()?.block_on(cost::measure(&data, mode))?;
    for fault in &cost.faults {
        println!("WRONG: {fault}");
    }
    println!("{}", cost.json(&data));
    Ok(cost.faults.is_empty())
}

/// Glibc gives what is freed back to the system at once, so that memory that was used on the way does not count; which takes time, and so is another process.
const GIVE_BACK: [(&str, &str); 2] = [("MALLOC_MMAP_THRESHOLD_", "65536"), ("MALLOC_TRIM_THRESHOLD_", "0")];

/// Measures time in one process and memory in another.
fn run_cost(words: &[String]) -> Result<bool, Failure> {
    let (mut figures, right) = run(words, 1, &[])?;
    let (memory, right_too) = run(words, 1, &GIVE_BACK)?;
    figures.extend(memory.into_iter().filter(|(name, _)| name == "bytes"));
    println!("{}", Value::Object(figures));
    Ok(right && right_too)
}

fn measure(arguments: &Arguments) -> Result<bool, Failure> {
    let data = arguments.data()?;
    let outcome = runtime()?.block_on(bench::run(&data))?;
    for fault in &outcome.faults {
        println!("WRONG: {fault}");
    }
    println!("{} answers checked, {} wrong", outcome.checked, outcome.faults.len());
    println!("{}", Value::Object(outcome.figures));
    Ok(outcome.faults.is_empty())
}

/// Measures on one thread and on two, and compares.
fn run_both(arguments: &[String]) -> Result<bool, Failure> {
    let (one, right) = run(arguments, 1, &[])?;
    println!();
    let (two, right_too) = run(arguments, 2, &[])?;
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

fn run(
    arguments: &[String],
    threads: usize,
    allocator: &[(&str, &str)],
) -> Result<(Map<String, Value>, bool), Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).env(CHILD, "1").stdout(Stdio::piped());
    for name in ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"] {
        command.env(name, threads.to_string());
    }
    command.envs(allocator.iter().copied());
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
