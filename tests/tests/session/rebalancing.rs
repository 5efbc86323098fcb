//! Clients that move to a broker of the list which is drawn, once in a while and when nothing is in flight.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::Duration,
};

use stomp_proto::Version;
use stomp_session::{
    Action, AtLeastOnce, AttemptId, Brokers, Config, Event, Input, Lost, Outcome, Session, Subscribe,
    Timestamp,
};

use crate::script::{Script, config, milliseconds, seconds, send_frame};

const FLEET: usize = 1000;
const PERIOD: Duration = seconds(300);
/// How long a broker takes to answer.
const ROUND_TRIP: Duration = milliseconds(20);

/// Brokers that take everything, and count it.
#[derive(Default)]
struct Cluster {
    /// By their names; those that are not there refuse.
    clients: BTreeMap<&'static str, usize>,
    stored: BTreeMap<String, usize>,
}

const NAMES: [&str; 3] = ["a", "b", "c"];

/// A client, and the connection that it has.
struct Member {
    session: Session,
    at: Option<&'static str>,
    attempt: Option<AttemptId>,
    input: Option<Input>,
    /// What its broker says next, and when.
    answers: Vec<(Timestamp, String)>,
    number: usize,
    sent: usize,
    confirmed: usize,
    /// When it has begun to move, and the reasons that it gave.
    moves: Vec<(Timestamp, String)>,
}

impl Member {
    fn new(number: usize) -> Self {
        let uri = "failover:(tcp://a,tcp://b,tcp://c)?startupMaxReconnectAttempts=-1&rebalance=300000";
        let mut config = Config::new(uri.parse().unwrap());
        (config.send_beat, config.receive_beat) = (Duration::ZERO, Duration::ZERO);
        (config.seed, config.identity) = (number as u64, Some(number as u128));
        let session = Session::new(config, Timestamp::ZERO);
        Self {
            session,
            at: None,
            attempt: None,
            input: None,
            answers: Vec::new(),
            number,
            sent: 0,
            confirmed: 0,
            moves: Vec::new(),
        }
    }

    /// Does what is due, as its owner and its broker would.
    fn turn(&mut self, brokers: &mut Cluster, now: Timestamp) {
        while self.answers.first().is_some_and(|(at, _)| *at <= now) {
            let (_, answer) = self.answers.remove(0);
            self.input.iter_mut().for_each(|input| input.feed(answer.as_bytes()));
        }
        self.collect(now);
        self.session.handle_timeout(now);
        self.collect(now);
        while let Some(action) = self.session.poll_action() {
            self.obey(action, brokers, now);
        }
        while let Some(octets) = self.session.poll_transmit(now) {
            let octets = String::from_utf8(octets.to_vec()).unwrap();
            octets.split_terminator('\0').for_each(|frame| self.read(frame, brokers, now));
        }
        self.collect(now);
    }

    fn obey(&mut self, action: Action, brokers: &mut Cluster, now: Timestamp) {
        self.leave(brokers);
        let Action::Connect(attempt) = action else { return };
        let name = NAMES.into_iter().find(|name| attempt.endpoint.host() == *name);
        match name.filter(|name| brokers.clients.contains_key(name)) {
            Some(name) => {
                *brokers.clients.get_mut(name).unwrap() += 1;
                (self.at, self.attempt) = (Some(name), Some(attempt.id));
                self.input = self.session.handle_connected(attempt.id, None, now);
            }
            None => {
                let refused = Lost::DialFailed { reason: "connection refused".into(), permanent: false };
                self.session.handle_disconnected(attempt.id, refused, now);
            }
        }
    }

    fn leave(&mut self, brokers: &mut Cluster) {
        if let Some(left) = self.at.take().and_then(|name| brokers.clients.get_mut(name)) {
            *left -= 1;
        }
        self.input = None;
        self.answers.clear();
    }

    /// The broker reads a frame.
    fn read(&mut self, frame: &str, brokers: &mut Cluster, now: Timestamp) {
        let frame = frame.trim_start_matches('\n');
        let receipt = frame.lines().find_map(|line| line.strip_prefix("receipt:"));
        let answer = match receipt {
            None => "CONNECTED\nversion:1.2\n\n\0".to_owned(),
            Some(receipt) => format!("RECEIPT\nreceipt-id:{receipt}\n\n\0"),
        };
        self.answers.push((now.after(ROUND_TRIP), answer));
        if frame.starts_with("SEND") {
            let body = frame.rsplit("\n\n").next().unwrap_or_default();
            *brokers.stored.entry(body.to_owned()).or_default() += 1;
        }
    }

    fn collect(&mut self, now: Timestamp) {
        let Self { session, input, .. } = self;
        let next = || match input {
            Some(input) => session.next_event(input, now),
            None => session.poll_event(),
        };
        for event in std::iter::from_fn(next) {
            match event {
                Event::Receipt { outcome, .. } => {
                    assert_eq!(outcome, Outcome::Confirmed);
                    self.confirmed += 1;
                }
                Event::Moving { reason, .. } => self.moves.push((now, reason)),
                _ => {}
            }
        }
    }

    fn send(&mut self) {
        let body = format!("{}.{}", self.number, self.sent);
        let frame = send_frame("/queue/a", &body);
        self.session.send_at_least_once(frame, AtLeastOnce::new()).unwrap();
        self.sent += 1;
    }

    fn due(&self) -> Option<Timestamp> {
        let answer = self.answers.first().map(|(at, _)| *at);
        self.session.poll_timeout().into_iter().chain(answer).min()
    }
}

/// Lets them live until then. Each sends something once a minute.
fn live(fleet: &mut [Member], brokers: &mut Cluster, from: Timestamp, until: Timestamp) {
    let mut due = BinaryHeap::new();
    for member in fleet.iter_mut() {
        member.turn(brokers, from);
        due.extend(member.due().map(|at| Reverse((at, member.number, false))));
        due.push(Reverse((from.after(milliseconds(60 * member.number as u64)), member.number, true)));
    }
    while let Some(Reverse((now, number, sends))) = due.pop().filter(|Reverse((now, ..))| *now < until) {
        let member = &mut fleet[number];
        if sends {
            member.send();
            due.push(Reverse((now.after(seconds(60)), number, true)));
        }
        member.turn(brokers, now);
        due.extend(member.due().map(|at| Reverse((at, number, false))));
    }
}

/// One broker came back last, and has nobody: after two periods it has its third. Nothing is lost, and nothing doubled.
#[test]
fn a_fleet_is_spread_over_all_brokers_after_a_rolling_restart() {
    let mut brokers = Cluster::default();
    brokers.clients.extend([("a", 0), ("b", 0)]);
    let mut fleet: Vec<_> = (0..FLEET).map(Member::new).collect();
    let (start, end) = (Timestamp::ZERO, Timestamp::ZERO.after(seconds(100)));
    live(&mut fleet, &mut brokers, start, end);
    assert!(brokers.clients.values().all(|clients| *clients > 400), "{:?}", brokers.clients);
    brokers.clients.insert("c", 0);
    let mut from = end;
    let moves = |fleet: &[Member]| fleet.iter().map(|member| member.moves.len()).sum::<usize>();
    let mut before = moves(&fleet);
    for period in 1..=4 {
        let until = from.after(PERIOD);
        live(&mut fleet, &mut brokers, from, until);
        let moves = moves(&fleet);
        // A third of them draws the broker that it has.
        assert!((500..=800).contains(&(moves - before)), "{} moves in period {period}", moves - before);
        (from, before) = (until, moves);
        if period >= 2 {
            let even = brokers.clients.values().all(|clients| (250..=420).contains(clients));
            assert!(even, "{:?} after period {period}", brokers.clients);
        }
    }
    for member in &fleet {
        let apart = member.moves.windows(2).all(|pair| pair[1].0.since(pair[0].0) >= PERIOD);
        assert!(apart, "{:?}", member.moves);
        assert!(member.moves.iter().all(|(_, reason)| reason == "rebalance"));
        assert!(member.confirmed + 1 >= member.sent, "{} of {}", member.confirmed, member.sent);
    }
    // Full jitter: in no second do more than one in fifty move.
    let mut begun: Vec<_> = fleet.iter().flat_map(|member| &member.moves).map(|(at, _)| *at).collect();
    begun.sort_unstable();
    let crowd = begun.windows(FLEET / 50).find(|crowd| crowd[crowd.len() - 1].since(crowd[0]) < seconds(1));
    assert_eq!(crowd, None);
    assert!(brokers.stored.len() > FLEET * 20);
    assert!(brokers.stored.values().all(|copies| *copies == 1), "nothing is sent twice");
}

/// The settings of one that is due every ten seconds, with two brokers.
fn often() -> Config {
    let uri = "failover:(tcp://a,tcp://b)?startupMaxReconnectAttempts=-1&reconnectDelayJitter=0&randomize=false\
               &rebalance=10000";
    let mut config = config();
    config.brokers = uri.parse().unwrap();
    config
}

/// Whether it says DISCONNECT within that time.
fn leaves(script: &mut Script, within: Duration) -> bool {
    let until = script.now.after(within);
    while script.now < until {
        let due = script.due_in().unwrap_or(within).min(until.since(script.now));
        script.pass(due);
        if script.commands().contains(&"DISCONNECT".to_owned()) {
            return true;
        }
    }
    false
}

#[test]
fn the_period_is_an_option_of_the_list() {
    let period = |uri: &str| uri.parse::<Brokers>().map(|brokers| brokers.reconnect.rebalance);
    assert_eq!(period("failover:(tcp://a,tcp://b)?rebalance=300000").unwrap(), Some(seconds(300)));
    assert_eq!(period("failover:(tcp://a,tcp://b)?rebalance=0").unwrap(), None);
    assert_eq!(period("failover:(tcp://a,tcp://b)").unwrap(), None);
    for wrong in ["failover:(tcp://a,tcp://b)?rebalance=soon", "failover:(tcp://a?rebalance=1,tcp://b)"] {
        let said = period(wrong).unwrap_err().to_string();
        assert!(said.contains("rebalance"), "{said}");
    }
}

#[test]
fn it_is_off_by_default() {
    let mut script = Script::connected(config(), Version::V1_2);
    assert_eq!(script.due_in(), None);
    assert!(!leaves(&mut script, seconds(100_000)));
}

/// Idle, one of two brokers is drawn in each period: in twenty of them it moves at least once.
#[test]
fn an_idle_session_moves_in_good_order_and_says_why() {
    let mut script = Script::connected(often(), Version::V1_2);
    assert!(leaves(&mut script, seconds(200)));
    assert_eq!(script.events(), ["moving: rebalance"]);
    script.hear("RECEIPT\nreceipt-id:1\n\n\0");
    let attempt = script.attempt();
    assert_eq!(attempt.endpoint.host(), "b");
    script.connect(&attempt);
    script.accept(Version::V1_2);
    assert!(script.events().contains(&"moved: connection 2".to_owned()));
}

#[test]
fn it_does_not_move_while_anything_is_in_flight() {
    let long = AtLeastOnce::new().timeout(seconds(100_000));
    type Begin = fn(&mut Script, AtLeastOnce);
    let rows: [(&str, Begin, &str); 4] = [
        ("a kept SEND", |script, how| _ = script.session.send_at_least_once(send_frame("/q", "x"), how), "x"),
        ("a confirmed SEND", |script, _| _ = script.session.send_confirmed(send_frame("/q", "x")), "x"),
        ("a SUBSCRIBE", |script, _| _ = script.session.subscribe(Subscribe::new("/queue/a")), "/queue/a"),
        ("a transaction", |script, _| _ = script.session.begin(), ""),
    ];
    for (what, begin, answered) in rows {
        let mut config = often();
        (config.receipt_timeout, config.timeout) = (seconds(100_000), seconds(100_000));
        let mut script = Script::connected(config, Version::V1_2);
        begin(&mut script, long);
        script.said();
        assert!(!leaves(&mut script, seconds(1000)), "{what}");
        if !answered.is_empty() {
            script.confirm(answered);
            assert!(leaves(&mut script, seconds(200)), "{what}");
        }
    }
}

#[test]
fn it_waits_for_a_message_that_somebody_has() {
    let mut script = Script::connected(often(), Version::V1_2);
    script.session.subscribe(Subscribe::new("/queue/a")).unwrap();
    script.said();
    script.confirm("/queue/a");
    script.hear("MESSAGE\nsubscription:0\nmessage-id:1\nack:1\ndestination:/queue/a\n\nx\0");
    let mut message = script.messages().pop().unwrap();
    assert!(!leaves(&mut script, seconds(1000)));
    script.session.ack(&mut message).unwrap();
    assert_eq!(script.commands(), ["ACK"]);
    assert!(leaves(&mut script, seconds(200)));
}

/// A broker that does not answer costs four seconds at most, and one that refuses nothing: the old one is next.
#[test]
fn a_broker_that_does_not_answer_costs_no_more_than_a_moment() {
    for (answers, dials, costs) in
        [(false, false, Duration::ZERO), (false, true, seconds(2)), (true, true, seconds(2))]
    {
        let mut config = often();
        config.brokers.reconnect.max_attempts = Some(0);
        let mut script = Script::connected(config, Version::V1_2);
        assert!(leaves(&mut script, seconds(200)));
        script.hear("RECEIPT\nreceipt-id:1\n\n\0");
        let left = script.now;
        let attempt = script.attempt();
        assert_eq!(attempt.endpoint.host(), "b");
        if answers {
            script.connect(&attempt);
        } else if !dials {
            script.report(Lost::DialFailed { reason: "connection refused".into(), permanent: false });
        }
        let attempt = script.attempt();
        assert_eq!(attempt.endpoint.host(), "a", "where it has come from");
        assert_eq!(script.now.since(left), costs);
        script.connect(&attempt);
        script.accept(Version::V1_2);
        assert_eq!(script.session.connection().unwrap().endpoint.host(), "a");
    }
}

/// All clients of a broker that is lost come back at one moment. What was due meanwhile is drawn anew.
#[test]
fn after_an_outage_they_do_not_move_at_once() {
    let mut moved = Vec::new();
    for seed in 0..200 {
        let mut config = often();
        config.seed = seed;
        let mut script = Script::connected(config, Version::V1_2);
        script.report(Lost::Eof);
        script.pass(seconds(60));
        script.reconnect(Version::V1_2);
        let back = script.now;
        if leaves(&mut script, seconds(20)) {
            moved.push(script.now.since(back));
        }
    }
    assert!(moved.len() > 80, "{} moved", moved.len());
    let soon = moved.iter().filter(|after| **after < seconds(6)).count();
    assert!(soon * 3 < moved.len() * 4, "{soon} of {} moved as soon as they could", moved.len());
}
