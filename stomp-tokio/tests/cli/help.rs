//! What the program says of itself.

use crate::tool::{PASSCODE, Tool};

const COMMANDS: [&str; 12] = [
    "send",
    "subscribe",
    "request",
    "reply",
    "move",
    "drain",
    "load",
    "bench",
    "check",
    "trace",
    "completions",
    "man",
];

fn tool(arguments: &[&str]) -> Tool {
    // It is never shown, wherever it comes from.
    Tool::at(&format!("tcp://me:{PASSCODE}@127.0.0.1:1"), arguments)
}

#[track_caller]
fn fits(text: &str, lines: usize) {
    assert!(text.lines().count() <= lines, "{} lines:\n{text}", text.lines().count());
    let long = text.lines().find(|line| line.chars().count() > 80);
    assert_eq!(long, None);
}

#[test]
fn help_fits_a_screen() {
    for command in COMMANDS {
        fits(&tool(&[command, "--help"]).run().ends(0).text(), 24);
        fits(&tool(&[command, "-h"]).run().ends(0).text(), 24);
    }
    let short = tool(&["-h"]).run().ends(0).text();
    fits(&short, 26);
    assert!(COMMANDS.iter().all(|command| short.contains(&format!("\n  {command} "))), "{short}");
    let long = tool(&["--help"]).run().ends(0).text();
    for words in ["Exit codes:", "  5    partly done", "STOMP_PASSCODE", "--passcode-file"] {
        assert!(long.contains(words), "{words}: {long}");
    }
}

#[test]
fn wrong_usage_is_told_and_changes_nothing() {
    let uri = format!("tcp://me:{PASSCODE}@a:b:c");
    for arguments in [
        &[][..],
        &["nonsense"],
        &["send"],
        &["send", "/queue/a", "x", "--lines"],
        &["send", "/queue/a", "x", "-H", "no colon"],
        &["send", "/queue/a", "x", "-t", "5 parsecs"],
        &["send", "/queue/a", "x", "--uri", &uri],
        &["bench", "sideways", "/queue/a"],
        &["bench", "send"],
    ] {
        tool(arguments).run().ends(2);
    }
    let none = tool(&["check"]).without("STOMP_URI");
    none.run().ends(2).says("STOMP_URI");
    Tool::at("tcp://127.0.0.1:1", &["check"])
        .without("STOMP_LOGIN")
        .run()
        .ends(2)
        .says("a passcode without a login");
}

#[test]
fn shells_complete_and_man_explains() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = tool(&["completions", shell]).run().ends(0).text();
        assert!(script.contains("subscribe") && script.contains("passcode-file"), "{shell}");
    }
    let page = tool(&["man"]).run().ends(0).text();
    assert!(page.contains(".TH stomp 1") && page.contains("Exit codes"), "{page}");
    let folder = std::env::temp_dir().join(format!("stomp-man-{}", std::process::id()));
    tool(&["man", "--to-dir", folder.to_str().unwrap()]).run().ends(0);
    assert!(std::fs::read_to_string(folder.join("stomp-send.1")).unwrap().contains("receipt"));
    std::fs::remove_dir_all(folder).unwrap();
}
