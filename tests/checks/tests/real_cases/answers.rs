//! What the presets are held to: the real broker answers as it is recorded to have answered.

use std::{fs, path::Path};

use stomp_checks::presets::{Answers, PRESETS, Questions, differences, record_name};
use stomp_testkit::real::Description;

use super::{Bench, Case};

/// The case, if there is a record of this broker.
pub(crate) fn case(description: &Description) -> Option<Case> {
    let name = record_name(description.name);
    let is_recorded = PRESETS.iter().any(|(preset, _)| *preset == name);
    is_recorded.then_some(("answers as recorded", &[], answers))
}

fn answers(bench: &mut Bench<'_>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/presets");
    let read = |name: &str| fs::read_to_string(folder.join(format!("{name}.json"))).expect("it is there");
    let questions: Questions = serde_json::from_str(&read("questions")).expect("questions");
    let record = read(&record_name(bench.description.name));
    let recorded: Answers = serde_json::from_str(&record).expect("answers");
    let address = format!("127.0.0.1:{}", bench.broker.stomp_port());
    let others = differences(&questions, &address, &recorded).expect("the broker is asked");
    let others = others.iter().map(|(question, answer)| {
        let before = recorded.get(question).map(|lines| lines.join("\n  ")).unwrap_or_default();
        format!("{question}\n recorded:\n  {before}\n now:\n  {}\n", answer.join("\n  "))
    });
    let others: Vec<_> = others.collect();
    assert!(others.is_empty(), "{} answers are other than recorded:\n{}", others.len(), others.concat());
}
