//! The presets against what real brokers have answered.

use std::{collections::BTreeMap, fs, path::Path};

use stomp_checks::presets::{Answers, PRESETS, Questions, ask_preset};

/// By broker and question, why a preset answers otherwise.
type Differences = BTreeMap<String, BTreeMap<String, String>>;

fn read<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/presets");
    let text = fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The answers of a preset are those of its broker, but for the differences that are listed.
fn compare(preset: &str) {
    let (questions, recorded): (Questions, Answers) = (read("questions"), read(preset));
    let reasons = read::<Differences>("differences").remove(preset).unwrap_or_default();
    assert!(recorded.keys().eq(questions.keys()), "the record is of other questions");
    assert!(reasons.keys().all(|question| questions.contains_key(question)), "a reason without a question");
    let (_, config) = PRESETS.into_iter().find(|(name, _)| *name == preset).unwrap();
    let mut wrong = Vec::new();
    for (question, answer) in ask_preset(&questions, &config()).unwrap() {
        let differs = answer != recorded[&question];
        if differs && !reasons.contains_key(&question) {
            let (real, own) = (recorded[&question].join("\n  "), answer.join("\n  "));
            wrong.push(format!("{question}\n {preset}:\n  {real}\n its preset:\n  {own}\n"));
        } else if !differs && reasons.contains_key(&question) {
            wrong.push(format!("{question}: the answers are the same, and a difference is listed\n"));
        }
    }
    let (count, all) = (wrong.len(), questions.len());
    assert!(wrong.is_empty(), "{count} of {all} questions to {preset}:\n{}", wrong.concat());
}

#[test]
fn every_preset_is_compared() {
    let compared = [
        "rabbitmq-3.10",
        "rabbitmq-4.0",
        "rabbitmq-4.3",
        "activemq-5.17",
        "activemq-6.3",
        "artemis-2.44",
        "artemis-2.57",
    ];
    assert_eq!(PRESETS.map(|(name, _)| name), compared);
    let listed = read::<Differences>("differences");
    assert!(listed.keys().all(|name| compared.contains(&&**name)), "{:?}", listed.keys());
}

#[test]
fn rabbitmq_3_10() {
    compare("rabbitmq-3.10");
}

#[test]
fn rabbitmq_4_0() {
    compare("rabbitmq-4.0");
}

#[test]
fn rabbitmq_4_3() {
    compare("rabbitmq-4.3");
}

#[test]
fn activemq_5_17() {
    compare("activemq-5.17");
}

#[test]
fn activemq_6_3() {
    compare("activemq-6.3");
}

#[test]
fn artemis_2_44() {
    compare("artemis-2.44");
}

#[test]
fn artemis_2_57() {
    compare("artemis-2.57");
}
