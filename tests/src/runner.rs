//! Runs cases on an engine and judges every operation.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use twindex::EngineKind;

use crate::answer::{Answer, Outcome, to_json};
use crate::compare::Uuids;
use crate::judge::{Judged, Lineage, Rules, has_null_id, judge, part_by_merge};
use crate::model::verify::{Plan, must_fail};
use crate::model::{Model, callable, filter};
use crate::oracle::{Case, Expected, Op, Setup};
use crate::request::{Request, SearchRequest};
use crate::subject::Subject;
use crate::warnings;

/// The engines that cases are run on.
pub const ENGINES: [EngineKind; 2] = [EngineKind::Faiss, EngineKind::Flat];

/// How many operations were judged by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// By what LangChain answered.
    pub expected: usize,
    /// By `better`.
    pub better: usize,
    /// By the table, where it differs from both.
    pub table: usize,
}

impl Tally {
    fn count(&mut self, judged: Judged) {
        match judged {
            Judged::Expected => self.expected += 1,
            Judged::Better => self.better += 1,
            Judged::Table => self.table += 1,
        }
    }

    fn add(&mut self, other: Tally) {
        self.expected += other.expected;
        self.better += other.better;
        self.table += other.table;
    }
}

/// What came of one case on one engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was expected and what came, where they differ for the first time.
    pub failure: Option<String>,
    /// The operations judged.
    pub tally: Tally,
}

/// What came of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Cases that passed, each engine counted.
    pub passed: usize,
    /// Cases that failed, each engine counted.
    pub failed: usize,
    /// The operations judged.
    pub tally: Tally,
}

/// Runs cases on engines, writes a line for each that fails, and a summary.
///
/// # Errors
/// If it cannot be written.
pub fn run_all(cases: &[Case], engines: &[EngineKind], out: &mut dyn Write) -> io::Result<Summary> {
    let mut summary = Summary::default();
    for case in cases {
        for &engine in engines {
            let report = run_case(case, engine);
            summary.tally.add(report.tally);
            match report.failure {
                None => summary.passed += 1,
                Some(failure) => {
                    summary.failed += 1;
                    writeln!(out, "FAILED {} on {engine}: {failure}", case.name)?;
                }
            }
        }
    }
    let operations: usize = cases.iter().map(|case| case.ops.len()).sum();
    let Tally { expected, better, table } = summary.tally;
    writeln!(
        out,
        "{operations} operations x {} engines: {expected} by expected, {better} by better, {table} by the table",
        engines.len()
    )?;
    writeln!(out, "every answer was compared with the model as well; a case counts once for each engine")?;
    Ok(summary)
}

/// One case at a time: warnings are caught for the whole process.
static RUNNING: Mutex<()> = Mutex::new(());

/// Runs a case on an engine.
#[must_use]
pub fn run_case(case: &Case, engine: EngineKind) -> Report {
    let _running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut tally = Tally::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string());
    let failure = warnings::install()
        .and(runtime)
        .and_then(|runtime| runtime.block_on(run(case, engine, &mut tally)))
        .err();
    Report { failure, tally }
}

/// A store of a case.
struct Slot {
    setup: Setup,
    engine: EngineKind,
    lineage: Lineage,
    live: Option<(Subject, Model)>,
}

impl Slot {
    fn new(setup: &Setup, engine: EngineKind) -> Self {
        Self { setup: setup.clone(), engine, lineage: Lineage::of_setup(setup), live: None }
    }

    /// Makes the store, and checks that it is or is not made as the table has it.
    async fn make(&mut self) -> Result<Outcome, String> {
        let plan = Plan::of_setup(&self.setup)?;
        let (mut subject, outcome) = match Subject::build(&self.setup, self.engine).await {
            Ok(subject) => (subject, Ok(Answer::Done)),
            Err(failure) => {
                let outcome = Err(failure);
                return must_fail(&plan.faults, &outcome).map(|()| outcome);
            }
        };
        if !plan.faults.is_empty() {
            must_fail(&plan.faults, &outcome)?;
        }
        let caught = warnings::take();
        if !caught.is_empty() {
            return Err(format!("warnings {caught:?} were given when the store was made"));
        }
        let Ok(Answer::State(state)) = subject.run(&Request::State).await else {
            return Err("the store does not tell its state".into());
        };
        if has_null_id(&plan.docs) {
            self.lineage.cause("none_id");
        }
        self.live = Some((subject, plan.built(&state.ids)?));
        Ok(outcome)
    }

    /// The rows of the table that speak about making this store.
    fn rules(&self, outcome: &Outcome) -> Rules {
        let mut rules = self.lineage.causes.clone();
        if self.setup.docs.is_empty() {
            rules.insert("empty_input_fails");
        }
        if refused_by_table(outcome) {
            rules.insert("jaccard_is_l2, cosine_is_l2");
        }
        rules
    }
}

/// Whether a store was not made for a reason that LangChain does not have.
fn refused_by_table(outcome: &Outcome) -> bool {
    let codes = ["unknown_distance_strategy", "zero_vector"];
    outcome.as_ref().is_err_and(|failure| codes.contains(&failure.code.as_str()))
}

/// Runs all operations.
///
/// # Errors
/// What was expected and what came, at the first difference.
async fn run(case: &Case, engine: EngineKind, tally: &mut Tally) -> Result<(), String> {
    let made_later: BTreeSet<&str> =
        case.ops.iter().filter(|op| op.op == "create").map(|op| op.store.as_str()).collect();
    let mut slots = BTreeMap::new();
    for (name, setup) in case.setups() {
        let mut slot = Slot::new(setup, engine);
        if !made_later.contains(name) {
            let outcome = slot.make().await.map_err(|wrong| format!("making {name}: {wrong}"))?;
            if outcome.is_err() && !refused_by_table(&outcome) {
                return Err(format!("making {name}: {}", to_json(&outcome)));
            }
        }
        slots.insert(name.to_owned(), slot);
    }
    let mut uuids = Uuids::default();
    for (number, (op, expected)) in case.ops.iter().zip(&case.expected).enumerate() {
        let judged = step(&mut slots, op, expected, &mut uuids).await;
        tally.count(judged.map_err(|wrong| format!("operation {number} ({}): {}", op.op, cut(&wrong)))?);
    }
    Ok(())
}

/// Lines stay readable.
fn cut(text: &str) -> String {
    const MOST: usize = 1500;
    let text = text.replace('\n', " ");
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}

async fn step(
    slots: &mut BTreeMap<String, Slot>,
    op: &Op,
    expected: &Expected,
    uuids: &mut Uuids,
) -> Result<Judged, String> {
    let request = Request::read(op)?;
    check_functions(&request)?;
    let no_store = || format!("there is no store {:?}", op.store);
    let slot = slots.get_mut(&op.store).ok_or_else(no_store)?;
    let _ = warnings::take();
    if request == Request::Create {
        let outcome = slot.make().await?;
        let judged = judge(expected, &slot.rules(&outcome), &outcome, &[], uuids)?;
        slot.lineage.part(&request, expected, &outcome);
        return Ok(judged);
    }
    if slot.live.is_none() {
        return still_refused(slot).await;
    }
    if let Request::Merge(from) = &request {
        return merge(slots, op, from, expected, uuids).await;
    }
    let Some((subject, model)) = &mut slot.live else { return Err(no_store()) };
    let outcome = subject.run(&request).await;
    let caught = warnings::take();
    let before = model.clone();
    let notes = model.verify(&request, &outcome, &caught)?;
    let rules = slot.lineage.rules(&request, &before, &notes, expected, &outcome);
    let judged = judge(expected, &rules, &outcome, &caught, uuids)?;
    slot.lineage.part(&request, expected, &outcome);
    Ok(judged)
}

/// What can be checked of an operation on a store that the table does not allow: that it is not allowed.
async fn still_refused(slot: &mut Slot) -> Result<Judged, String> {
    match slot.make().await? {
        Err(_) => Ok(Judged::Table),
        Ok(_) => Err("the store could be made now, though not before".into()),
    }
}

async fn merge(
    slots: &mut BTreeMap<String, Slot>,
    op: &Op,
    from: &str,
    expected: &Expected,
    uuids: &mut Uuids,
) -> Result<Judged, String> {
    let request = Request::Merge(from.to_owned());
    let Some(mut main) = slots.remove(&op.store) else {
        return Err(format!("there is no store {:?}", op.store));
    };
    let mut source = slots.remove(from);
    if source.is_none() && from != op.store {
        return Err(format!("there is no store {from:?}"));
    }
    let judged = match &mut source {
        Some(source) if source.live.is_none() => still_refused(source).await?,
        _ => {
            let other = source.as_ref().and_then(|source| source.live.as_ref());
            let Some((subject, model)) = &mut main.live else {
                return Err(format!("there is no store {:?}", op.store));
            };
            let outcome = subject.merge(other.map(|(subject, _)| subject)).await;
            let before = model.clone();
            model.verify_merge(other.map(|(_, model)| model), &outcome)?;
            let notes = crate::model::values::Notes::default();
            let mut rules = main.lineage.rules(&request, &before, &notes, expected, &outcome);
            if let Some(source) = &source {
                rules.extend(source.lineage.rules(&request, &before, &notes, expected, &outcome));
            }
            let judged = judge(expected, &rules, &outcome, &warnings::take(), uuids)?;
            part_by_merge(
                &mut main.lineage,
                source.as_mut().map(|slot| &mut slot.lineage),
                expected,
                &outcome,
            );
            judged
        }
    };
    slots.insert(op.store.clone(), main);
    if let Some(source) = source {
        slots.insert(from.to_owned(), source);
    }
    Ok(judged)
}

/// A function that nobody knows must not pass for one that fails.
fn check_functions(request: &Request) -> Result<(), String> {
    let Request::Search(search) = request else { return Ok(()) };
    let SearchRequest { own, effective, .. } = &**search;
    for kwargs in [own, effective] {
        if let Some(name) = kwargs.filter.as_ref().and_then(filter::callable_name)
            && !callable::NAMES.contains(&name)
        {
            return Err(format!("no filter function is called {name:?}"));
        }
    }
    Ok(())
}
