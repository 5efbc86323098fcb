//! Every conformance row holds, and the runner that says so can fail.

use std::{fs, process::Command};

use stomp_checks::conformance::{Report, judge_line};

const ROWS: &str = include_str!("../../data/conformance.jsonl");

#[test]
fn every_row_holds() {
    let mut report = Report::default();
    report.judge_lines("conformance.jsonl", ROWS);
    assert_eq!(report.failed, Vec::<String>::new());
    assert!(report.passed > 300, "only {} rows", report.passed);
}

#[test]
fn every_layer_is_there() {
    for layer in ["decode", "encode", "session", "ack"] {
        let rows = ROWS.lines().filter(|row| row.contains(&format!("\"layer\": \"{layer}\""))).count();
        assert!(rows > 3, "{rows} rows of {layer}");
    }
}

/// A row of each layer, right as it stands.
const DECODE: &str = r#"{"id": "d", "layer": "decode", "version": "1.1", "direction": "s2c", "input_hex":
    "4d4553534147450a666f6f3a6261720d0a0a7800", "chunks": [3, 17], "limits": {"max_body": 4},
    "expect": {"frames": [{"command": "MESSAGE", "headers": [["foo", "bar\r"]], "body_hex": "78"}], "state": "idle", "eols": 0},
    "expect_interop":
    {"frames": [{"command": "MESSAGE", "headers": [["foo", "bar"]], "body_hex": "78"}], "state": "idle", "eols": 0}}"#;
const ENCODE: &str = r#"{"id": "e", "layer": "encode", "version": "1.2", "direction": "encode",
    "frame": {"command": "SEND", "headers": [["destination", "a:b"]], "body_hex": "78"},
    "expect": {"bytes_hex": "53454e440a64657374696e6174696f6e3a615c63620a636f6e74656e742d6c656e6774683a310a0a7800"}}"#;
const SESSION: &str = r#"{"id": "s", "layer": "session", "version": "1.2", "direction": "s2c", "offered": "1.1,1.2",
    "client_heart_beat": "500,0", "input_hex":
    "434f4e4e45435445440a76657273696f6e3a312e320a68656172742d626561743a302c3730300a0a00524543454950540a726563656970742d69643a6f6e650a0a00",
    "expect": {"connected": "1.2", "heart_beat_ms": {"outgoing": 700, "incoming": 0},
    "sent": ["one", "sub", "two"], "completed_in_order": ["one"], "waiting": ["sub", "two"]}}"#;
const REFUSED: &str = r#"{"id": "r", "layer": "session", "version": "1.2", "direction": "s2c", "offered": "1.2",
    "client_heart_beat": "0,0", "input_hex": "4552524f520a76657273696f6e3a312e300a6d6573736167653a6e6f0a0a00",
    "expect": {"rejected": "no", "server_versions": "1.0"}}"#;
const ACK: &str = r#"{"id": "a", "layer": "ack", "version": "1.1", "direction": "s2c", "ack_mode": "client", "nack": true,
    "input_hex": "4d4553534147450a64657374696e6174696f6e3a710a6d6573736167652d69643a310a737562736372697074696f6e3a390a0a00",
    "expect": {"bytes_hex": "4e41434b0a737562736372697074696f6e3a390a6d6573736167652d69643a310a0a00"}}"#;

#[test]
fn a_right_row_holds() {
    for row in [DECODE, ENCODE, SESSION, REFUSED, ACK] {
        assert_eq!(judge_line(row), Ok(()));
    }
}

/// Each change of a right row, and what the failure must speak of.
const WRONG: [(&str, &str, &str, &str); 30] = [
    (DECODE, r#"["foo", "bar\r"]"#, r#"["foo", "bar"]"#, "strict"),
    (DECODE, r#"["foo", "bar"]"#, r#"["foo", "bar\r"]"#, "interop"),
    (DECODE, r#""MESSAGE""#, r#""RECEIPT""#, "frame 1"),
    (DECODE, r#""body_hex": "78""#, r#""body_hex": "79""#, "frame 1"),
    (
        DECODE,
        r#""frames": [{"command": "MESSAGE", "headers": [["foo", "bar\r"]], "body_hex": "78"}]"#,
        r#""frames": []"#,
        "another frame",
    ),
    (DECODE, r#""state": "idle""#, r#""state": "partial""#, "state"),
    (DECODE, r#""state": "idle""#, r#""state": "asleep""#, "asleep"),
    (DECODE, r#""eols": 0"#, r#""eols": 1"#, "eols"),
    (DECODE, r#""eols": 0"#, r#""eols": 0, "error": "bad-eol""#, "error: expected bad-eol, got no error"),
    (DECODE, r#""max_body": 4"#, r#""max_body": 0"#, "frame 1"),
    (DECODE, r#""max_body""#, r#""max_boby""#, "max_boby"),
    (DECODE, "[3, 17]", "[3, 16]", "chunks"),
    (DECODE, r#""eols": 0"#, r#""eols": 0, "colour": 1"#, "colour"),
    (DECODE, r#""body_hex": "78""#, r#""body_hex": "78", "size": 1"#, "size"),
    (DECODE, r#""id""#, r#""note": "", "id""#, "note"),
    (DECODE, r#""decode""#, r#""decoder""#, "unknown layer"),
    (DECODE, r#""1.1""#, r#""1.3""#, "1.3"),
    (DECODE, "4d45", "4d4", "hexadecimal"),
    (ENCODE, "615c6362", "613a62", "expected"),
    (ENCODE, r#""destination""#, r#""receipt""#, "expected"),
    (ENCODE, r#""SEND""#, r#""S END""#, "bad-command"),
    (ENCODE, r#""body_hex": "78""#, r#""body_hex": "78", "text": true"#, "text"),
    (SESSION, r#""connected": "1.2""#, r#""connected": "1.1""#, "connected"),
    (SESSION, "700,", "701,", "heart_beat_ms"),
    (SESSION, r#""completed_in_order": ["one"]"#, r#""completed_in_order": ["two"]"#, "completed_in_order"),
    (SESSION, r#"["sub", "two"]}"#, r#"["sub"]}"#, "waiting"),
    (SESSION, r#""heart_beat_ms""#, r#""then_error": "server-error", "heart_beat_ms""#, "then_error"),
    (REFUSED, r#""rejected": "no""#, r#""rejected": "yes""#, "rejected"),
    (REFUSED, r#""rejected": "no", "#, "", "rejected"),
    (ACK, "4e41434b", "41434b", "expected"),
];

#[test]
fn a_wrong_row_fails() {
    for (row, right, wrong, speaks_of) in WRONG {
        assert!(row.contains(right), "{right}");
        let failure = judge_line(&row.replacen(right, wrong, 1)).expect_err(wrong);
        assert!(failure.text.contains(speaks_of), "{wrong}: {}", failure.text);
        assert!(!failure.text.contains('\n'), "{}", failure.text);
    }
}

#[test]
fn what_is_no_row_fails() {
    for line in ["{", "1", "{}", r#"{"id": "x"}"#, r#"{"layer": "decode"}"#] {
        let failure = judge_line(line).expect_err(line);
        assert!(failure.text.contains("malformed row"), "{}", failure.text);
    }
}

#[test]
fn the_program_counts_and_says_so() {
    let directory = env!("CARGO_TARGET_TMPDIR");
    let good = format!("{directory}/good.jsonl");
    let bad = format!("{directory}/bad.jsonl");
    let empty = format!("{directory}/empty.jsonl");
    let one_line = |row: &str| row.replace('\n', " ");
    fs::write(&good, one_line(ENCODE)).unwrap();
    fs::write(
        &bad,
        format!("{}\n\n{}\nnonsense\n", one_line(ACK), one_line(&ENCODE.replace("5345", "5346"))),
    )
    .unwrap();
    fs::write(&empty, "\n").unwrap();

    assert_eq!(run(&[&good]), (Some(0), 1, "1 passed, 0 failed".to_owned()));
    assert_eq!(run(&[&good, &bad]), (Some(1), 3, "2 passed, 2 failed".to_owned()));
    assert_eq!(run(&[&good, "no such file"]), (Some(1), 2, "1 passed, 1 failed".to_owned()));
    assert_eq!(run(&[&empty]), (Some(1), 2, "0 passed, 1 failed".to_owned()));
    assert_eq!(run(&[]).0, Some(2));
}

/// The exit code, how many lines it printed, and the last of them.
fn run(files: &[&str]) -> (Option<i32>, usize, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_conformance")).args(files).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), printed.lines().count(), printed.lines().last().unwrap_or_default().to_owned())
}
