//! The presets against what real brokers have answered.

use std::collections::BTreeMap;

use stomp_testkit::{
    broker::BrokerConfig,
    presets::{Answers, Questions, ask_preset},
};

const QUESTIONS: &str = include_str!("../../data/presets/questions.json");
/// By broker and question, why a preset answers otherwise.
const DIFFERENCES: &str = include_str!("../../data/presets/differences.json");

type Differences = BTreeMap<String, BTreeMap<String, String>>;

/// The answers of a preset are those of its broker, but for the differences that are listed.
fn compare(broker: &str, config: &BrokerConfig, recorded: &str) {
    let questions: Questions = serde_json::from_str(QUESTIONS).unwrap();
    let recorded: Answers = serde_json::from_str(recorded).unwrap();
    let differences: Differences = serde_json::from_str(DIFFERENCES).unwrap();
    let reasons = differences.get(broker).cloned().unwrap_or_default();
    let asked: Vec<_> = questions.keys().collect();
    assert_eq!(recorded.keys().collect::<Vec<_>>(), asked, "the record is of other questions");
    let mut wrong = Vec::new();
    for (question, answer) in ask_preset(&questions, config).unwrap() {
        let differs = answer != recorded[&question];
        if differs && !reasons.contains_key(&question) {
            let (real, preset) = (recorded[&question].join("\n  "), answer.join("\n  "));
            wrong.push(format!("{question}\n {broker}:\n  {real}\n preset:\n  {preset}\n"));
        } else if !differs && reasons.contains_key(&question) {
            wrong.push(format!(
                "{question}: {broker} and its preset answer the same, and a difference is listed\n"
            ));
        }
    }
    assert!(reasons.keys().all(|question| questions.contains_key(question)), "a reason without a question");
    assert!(
        wrong.is_empty(),
        "{} of {} questions to {broker}:\n{}",
        wrong.len(),
        questions.len(),
        wrong.concat()
    );
}

#[test]
fn rabbitmq() {
    compare("RabbitMQ", &BrokerConfig::rabbitmq(), include_str!("../../data/presets/rabbitmq-3.10.json"));
}

#[test]
fn activemq() {
    compare("ActiveMQ", &BrokerConfig::activemq(), include_str!("../../data/presets/activemq-5.17.json"));
}

#[test]
fn artemis() {
    compare("Artemis", &BrokerConfig::artemis(), include_str!("../../data/presets/artemis-2.44.json"));
}
