//! What the presets are held to: the real broker answers as it is recorded to have answered.

use std::{collections::BTreeMap, fs, path::Path};

use stomp_testkit::{
    presets::{Answers, PRESETS, Questions, ask_again, record_name},
    real::Description,
};

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
    let answers = ask_again(&questions, &address, &recorded).expect("the broker is asked");
    let is_other = |question: &String, answer: &[String]| {
        recorded.get(question).is_none_or(|before| frames(before) != frames(answer))
    };
    let other = answers.iter().filter(|(question, answer)| is_other(question, answer));
    let other: Vec<_> = other
        .map(|(question, answer)| {
            let before = recorded.get(question).map(|lines| lines.join("\n  ")).unwrap_or_default();
            format!("{question}\n recorded:\n  {before}\n now:\n  {}\n", answer.join("\n  "))
        })
        .collect();
    assert!(other.is_empty(), "{} answers are other than recorded:\n{}", other.len(), other.concat());
}

/// The frames of each connection and command, in their order. At which step a MESSAGE comes, and whether it is before a RECEIPT,
/// depends on how fast the broker is.
fn frames(answer: &[String]) -> BTreeMap<Vec<&str>, Vec<&str>> {
    let mut frames: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in answer.iter().filter(|line| !line.is_empty()) {
        let connection_and_command = line.splitn(3, ' ').take(2).collect();
        frames.entry(connection_and_command).or_default().push(&**line);
    }
    frames
}
