//! The committed oracle on both engines, and that the runner notices answers that are wrong.

use std::path::Path;

use twindex::EngineKind;
use twindex_tests::oracle::{Case, Wanted, read_folder};
use twindex_tests::runner::{ENGINES, run_all, run_case};

fn oracle() -> Vec<Case> {
    read_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data/oracle")).expect("the oracle is readable")
}

#[test]
fn every_case_passes_on_both_engines() {
    let cases = oracle();
    assert_eq!(cases.len(), 182);
    let mut report = Vec::new();
    let summary = run_all(&cases, &ENGINES, &mut report).expect("a vector takes any report");
    let report = String::from_utf8_lossy(&report);
    println!("{report}");
    assert_eq!(summary.failed, 0, "{report}");
    assert_eq!(summary.passed, cases.len() * ENGINES.len());
    let operations: usize = cases.iter().map(|case| case.ops.len()).sum();
    let tally = summary.tally;
    assert_eq!(tally.expected + tally.better + tally.table, operations * ENGINES.len());
    let many = tally.table * 5 > operations * ENGINES.len();
    assert!(!many, "the table decides {} of {operations} operations: too many to be true", tally.table);
}

/// What the oracle has no case for: LangChain's answers by its description, Twindex's by the table.
#[test]
fn cases_of_our_own_pass_on_both_engines() {
    let cases = read_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data/table"))
        .expect("the cases are readable");
    let mut report = Vec::new();
    let summary = run_all(&cases, &ENGINES, &mut report).expect("a vector takes any report");
    let report = String::from_utf8_lossy(&report);
    assert_eq!((summary.passed, summary.failed), (16, 0), "{report}");
    assert_eq!(summary.tally.table, 52, "{report}");
}

#[test]
fn a_wrong_answer_is_noticed_wherever_the_table_is_silent() {
    let (mut noticed, mut passed_over, mut by_the_table) = (0, 0, 0);
    for case in oracle() {
        let honest = run_case(&case, EngineKind::Flat);
        by_the_table += honest.tally.table;
        for number in 0..case.ops.len() {
            let mut wrong = case.clone();
            wrong.ops.truncate(number + 1);
            wrong.expected.truncate(number + 1);
            wrong.expected[number].answer = Wanted::Error("never_heard_of".into());
            wrong.expected[number].better = None;
            match run_case(&wrong, EngineKind::Flat).failure {
                Some(_) => noticed += 1,
                None => passed_over += 1,
            }
        }
    }
    println!(
        "{noticed} wrong answers were noticed, {passed_over} were not; {by_the_table} the table decides"
    );
    assert!(noticed > 600, "only {noticed} wrong answers were noticed, {passed_over} were not");
}

#[test]
fn wrong_scores_orders_and_warnings_are_noticed() {
    let case = |name: &str| oracle().into_iter().find(|case| case.name == name).expect("the case is there");
    let change = |name: &str, number: usize, from: &str, to: &str| {
        let mut case = case(name);
        case.ops.truncate(number + 1);
        case.expected.truncate(number + 1);
        let expected = &mut case.expected[number];
        let Wanted::Ok(value) = &expected.answer else { panic!("{name} fails") };
        let text = value.to_string();
        assert!(text.contains(from), "{name}: {text}");
        expected.answer = Wanted::Ok(serde_json::from_str(&text.replacen(from, to, 1)).expect("still JSON"));
        let failure = run_case(&case, EngineKind::Flat).failure;
        assert!(failure.is_some(), "{name}: {from} for {to} passed");
    };
    change("score_threshold/l2_keeps_at_or_below", 0, "2.25", "2.2501");
    change("get_by_ids/order_of_the_request", 0, "d09", "d08");
    change("delete/renumbers_positions", 1, "\"ntotal\":7", "\"ntotal\":8");
    change("delete/renumbers_positions", 2, "1.5,", "1.501,");
    change("add/add_texts_without_ids", 1, "[3,\"<uuid:0>\"]", "[3,\"<uuid:1>\"]");
    change("add/nested_metadata", 1, "true", "1");
    let mut warned = case("relevance/euclidean");
    warned.expected[0].warnings.clear();
    assert!(run_case(&warned, EngineKind::Flat).failure.is_some());
    let mut unknown = case("filter/callable_filters");
    unknown.ops[0].args.insert("filter".into(), serde_json::json!({"$callable": "unheard_of"}));
    assert!(run_case(&unknown, EngineKind::Flat).failure.is_some());
}
