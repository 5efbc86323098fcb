//! Asks a real broker what the presets are held to: `presets ADDRESS`. It prints the answers as they stand in
//! `tests/data/presets`. Artemis needs an acceptor with the prefixes `/queue/` and `/topic/`.

use std::{env, process::ExitCode};

use stomp_testkit::presets::{Questions, ask_real};

const QUESTIONS: &str = include_str!("../../data/presets/questions.json");

fn main() -> ExitCode {
    let Some(address) = env::args().nth(1).filter(|argument| !argument.starts_with('-')) else {
        eprintln!(
            "usage: presets ADDRESS\n\nAsks the broker at this address, and prints its answers as JSON."
        );
        return ExitCode::from(2);
    };
    let questions: Questions = match serde_json::from_str(QUESTIONS) {
        Ok(questions) => questions,
        Err(error) => {
            eprintln!("presets: the questions: {error}");
            return ExitCode::FAILURE;
        }
    };
    match ask_real(&questions, &address).map(|answers| serde_json::to_string_pretty(&answers)) {
        Ok(Ok(answers)) => {
            println!("{answers}");
            ExitCode::SUCCESS
        }
        Ok(Err(error)) => {
            eprintln!("presets: {error}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("presets: {address}: {error}");
            ExitCode::FAILURE
        }
    }
}
