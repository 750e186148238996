//! What only a machine with an NVIDIA card can show: `gpu-check`.

mod data;
mod kinds;
mod memory;
mod node;
mod speed;

use std::io::Write;
use std::path::PathBuf;

use serde_json::{Map, Value, json};
use twindex::{Device, VectorStore, VectorStoreBuilder};

use crate::recall::{Agreement, Pack};
use crate::subject::Table;

/// The parts of the check.
pub const PARTS: [&str; 6] = ["wordnet", "kinds", "memory", "flat", "train", "node"];

/// What to check.
#[derive(Debug)]
pub struct Plan {
    /// Where; the CPU for a rehearsal.
    pub device: Device,
    /// A folder laid out like data/wordnet.
    pub pack: Option<PathBuf>,
    /// Vectors that speed is measured over.
    pub rows: usize,
    /// Queries in a batch that speed is measured with.
    pub queries: usize,
    /// Where to put what Node reads.
    pub out: Option<PathBuf>,
    only: Vec<String>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            device: Device::Gpu(0),
            pack: None,
            rows: 1_000_000,
            queries: 10_000,
            out: None,
            only: Vec::new(),
        }
    }
}

impl Plan {
    /// Takes the names of the parts to run, with commas between them.
    ///
    /// # Errors
    /// If there is no such part.
    pub fn choose(&mut self, names: &str) -> Result<(), String> {
        for name in names.split(',') {
            if !PARTS.contains(&name) {
                return Err(format!("unknown part {name:?}: expected some of {PARTS:?}"));
            }
            self.only.push(name.to_owned());
        }
        Ok(())
    }

    /// Whether there is nothing to prove, only a program to try.
    fn is_rehearsal(&self) -> bool {
        self.device == Device::Cpu
    }

    /// A builder of stores on the device.
    fn builder(&self) -> VectorStoreBuilder {
        on_cpu().device(self.device)
    }
}

/// A builder of stores on the CPU. Nothing is embedded.
fn on_cpu() -> VectorStoreBuilder {
    VectorStore::builder(Table(std::collections::BTreeMap::new()))
}

/// What was found.
pub(crate) struct Report<'a> {
    out: &'a mut dyn Write,
    tally: Agreement,
    figures: Map<String, Value>,
}

impl Report<'_> {
    fn say(&mut self, line: &str) -> Result<(), String> {
        writeln!(self.out, "{line}").and_then(|()| self.out.flush()).map_err(|error| error.to_string())
    }

    /// Counts a check and writes its line.
    fn check(&mut self, what: &str, holds: bool, seen: &str) -> Result<(), String> {
        if holds {
            self.tally.passed += 1;
        } else {
            self.tally.failed += 1;
        }
        self.say(&format!(
            "{} {what}{}{seen}",
            if holds { "ok  " } else { "FAIL" },
            if seen.is_empty() { "" } else { ": " }
        ))
    }

    fn figure(&mut self, name: &str, value: impl Into<Value>) {
        self.figures.insert(name.to_owned(), value.into());
    }
}

/// Runs the checks and writes what they found.
///
/// # Errors
/// What cannot be read or written, and what a store says where it should not.
pub fn run(plan: &Plan, out: &mut dyn Write) -> Result<Agreement, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().build().map_err(|error| error.to_string())?;
    let mut report = Report { out, tally: Agreement::default(), figures: Map::new() };
    if plan.is_rehearsal() {
        report.say("a rehearsal on the CPU: what passes says nothing about cards")?;
    }
    for card in twindex::gpu_cards().unwrap_or_default() {
        report.say(&format!("card {card}"))?;
    }
    report.figure("device", plan.device.to_string());
    report.figure("cards", json!(twindex::gpu_cards().unwrap_or_default()));
    report.figure("faiss", twindex::faiss::FaissEngine::faiss_version());
    report.figure("cpu_threads", std::thread::available_parallelism().map_or(1, usize::from));
    for part in PARTS {
        if !plan.only.is_empty() && !plan.only.iter().any(|name| name == part) {
            report.say(&format!("not run: {part}"))?;
            continue;
        }
        report.say(&format!("== {part}"))?;
        let start = std::time::Instant::now();
        match part {
            "wordnet" => runtime.block_on(wordnet(plan, &mut report))?,
            "kinds" => runtime.block_on(kinds::check(plan, &mut report))?,
            "memory" => runtime.block_on(memory::check(plan, &mut report))?,
            "flat" => runtime.block_on(speed::flat(plan, &mut report))?,
            "train" => runtime.block_on(speed::train(plan, &mut report))?,
            _ => runtime.block_on(node::write(plan, &mut report))?,
        }
        report.say(&format!("   {part} took {:.1} s", start.elapsed().as_secs_f64()))?;
    }
    let (figures, tally) = (Value::Object(std::mem::take(&mut report.figures)), report.tally);
    report.say(&figures.to_string())?;
    report.say(&format!("{} passed, {} failed", tally.passed, tally.failed))?;
    Ok(tally)
}

/// Flat indexes answer as on the CPU, over real vectors, with every metric and filter.
async fn wordnet(plan: &Plan, report: &mut Report<'_>) -> Result<(), String> {
    let Some(folder) = &plan.pack else {
        return report.say("not run: no folder laid out like data/wordnet was named");
    };
    let pack = Pack::read(folder)?;
    let compared = pack.compare(|| plan.builder(), on_cpu, &mut *report.out).await?;
    let seen = format!("{} of {}", compared.passed, compared.passed + compared.failed);
    report.check("every answer is the CPU's, to the bit", compared.failed == 0 && compared.passed > 0, &seen)
}
