//! What the owner of a session does at each turn, and what a broker does: octets go to and fro.

use std::time::Duration;

use bytes::Bytes;
use stomp_proto::Command;
use stomp_session::{Action, Attempt, Endpoint, Lost, Timestamp};
use stomp_testkit::broker::{CrashPoint, Fact, Output, Return};

use super::{
    accounts::key,
    actor::{Dial, NOTE},
    kind::Kind,
    law::{Checked, Law, Violation, demand},
    link::Link,
    model::Model,
    notice::{MARGIN, Scene},
    pipe::{Parcel, reset},
    replay::{check_copy, check_login},
    world::World,
};

/// How long a broker that cannot write waits for its client.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

impl World {
    /// One turn of a client: reading comes before the clock, so that octets that wait count before a peer is called dead.
    pub(super) fn turn(&mut self, number: usize) -> Checked<bool> {
        if !self.is_awake(number) {
            return Ok(false);
        }
        let mut busy = self.finish_dial(number)?;
        busy |= self.read(number)?;
        busy |= self.report_time(number)?;
        busy |= self.collect(number)?;
        busy |= self.write(number)?;
        self.check_turn(number)?;
        Ok(busy)
    }

    /// Whether a client is run. What it could not do meanwhile is excused.
    fn is_awake(&mut self, number: usize) -> bool {
        let Self { actors, links, now, .. } = self;
        let actor = &mut actors[number];
        if actor.stalled_until > *now {
            return false;
        }
        if std::mem::take(&mut actor.was_stalled)
            && let Some(link) = actor.link.and_then(|link| links.get_mut(&link))
        {
            link.watch.last_written = *now;
        }
        true
    }

    fn report_time(&mut self, number: usize) -> Checked<bool> {
        let (now, actor) = (self.now, &mut self.actors[number]);
        if actor.session.poll_timeout().is_none_or(|at| at > now) {
            return Ok(false);
        }
        actor.session.handle_timeout(now);
        let next = actor.session.poll_timeout();
        demand(next.is_none_or(|next| next > now), Law::Ends, || {
            format!("due again at {next:?}, and it is {now}")
        })?;
        Ok(true)
    }

    fn read(&mut self, number: usize) -> Checked<bool> {
        let mut busy = false;
        while let Some(parcel) = self.next_parcel(number) {
            busy = true;
            let actor = &mut self.actors[number];
            let Some(link) = actor.link.and_then(|link| self.links.get_mut(&link)) else { break };
            match parcel {
                Parcel::Octets(octets) => {
                    self.report.octets.1 += octets.len();
                    self.trace.octets(self.now, || format!("client {number} <"), &octets);
                    self.models[link.model].broker.sent(link.connection, octets.len());
                    link.watch.hear(&octets, self.now);
                    actor.note_heard(link, self.models[link.model].kind, self.now);
                    link.input.feed(&octets);
                }
                Parcel::End(reason) => {
                    self.trace.words(self.now, &format!("client {number} hears: {reason}"));
                    actor.note_end(link, self.now);
                    let attempt = link.attempt;
                    actor.session.handle_disconnected(attempt, reason, self.now);
                    self.collect(number)?;
                    self.let_go(number);
                }
            }
            self.collect(number)?;
        }
        Ok(busy)
    }

    /// What has arrived for a client that reads.
    fn next_parcel(&mut self, number: usize) -> Option<Parcel> {
        let actor = self.actors.get(number).filter(|actor| !actor.paused)?;
        let link = self.links.get_mut(&actor.link?)?;
        let most = if self.setting.piece == usize::MAX {
            usize::MAX
        } else {
            1 + self.luck.below(self.setting.piece)
        };
        link.down.take(self.now, most)
    }

    /// Collects what the session tells and wants. Says whether there was anything.
    fn collect(&mut self, number: usize) -> Checked<bool> {
        let mut busy = false;
        let Self { actors, links, models, accounts, trace, report, now, .. } = self;
        let actor = &mut actors[number];
        let mut link = actor.link.and_then(|link| links.get_mut(&link));
        while let Some(event) = match &mut link {
            Some(link) => actor.session.next_event(&mut link.input, *now),
            None => actor.session.poll_event(),
        } {
            busy = true;
            report.note(&event);
            let shown = format!("{event:?}");
            trace.words(*now, &shown);
            demand(!shown.contains("canary"), Law::Secrets, || shown.clone())?;
            let broker = link.as_ref().map_or(usize::MAX, |link| link.model);
            let kind = models.get(broker).map(|model| model.kind);
            let watch = link.as_mut().map(|link| &mut link.watch);
            actor.note(event, &mut Scene { now: *now, watch, broker, kind, accounts })?;
        }
        link.into_iter().try_for_each(|link| actor.check_inbox(&mut link.watch))?;
        while let Some(action) = self.actors[number].session.poll_action() {
            busy = true;
            self.obey(number, action)?;
        }
        Ok(busy)
    }

    fn obey(&mut self, number: usize, action: Action) -> Checked {
        match action {
            Action::Connect(attempt) => self.dial(number, &attempt),
            _ => {
                self.trace.note(self.now, 3, || format!("client {number} closes"));
                self.actors[number].dial = None;
                self.let_go(number);
                Ok(())
            }
        }
    }

    /// The client has no connection any more; what it has written may still arrive.
    fn let_go(&mut self, number: usize) {
        let Some(link) = self.actors[number].link.take().and_then(|link| self.links.get_mut(&link)) else {
            return;
        };
        link.held = false;
        let arrival = self.now.after(self.setting.latency);
        if self.luck.once_in(2) {
            link.up.reset(arrival);
        } else {
            link.up.end(Lost::Eof, arrival);
        }
    }

    fn dial(&mut self, number: usize, attempt: &Attempt) -> Checked {
        let (now, actor) = (self.now, &mut self.actors[number]);
        self.trace.note(now, 4, || format!("client {number} dials {}", attempt.endpoint));
        let is_alone = actor.link.is_none() && actor.dial.is_none() && actor.closed.is_none();
        demand(is_alone, Law::Schedule, || {
            format!("it dials beside a connection or after the end: {:?}", actor.dial)
        })?;
        let broker = broker_of(&attempt.endpoint);
        actor.course.dial(broker, now)?;
        self.report.dials += 1;
        let hangs = self.nodes[broker].hangs_until > now;
        let ends_at = match actor.cut_off.filter(|(other, until)| *other == broker && *until > now) {
            Some((_, until)) => retransmitted(now, until),
            None => (!hangs).then(|| now.after(self.setting.latency)),
        };
        actor.dial = Some(Dial { attempt: attempt.id, broker, ends_at });
        actor.former = actor.attempt.replace(attempt.id);
        self.report_late(number)
    }

    /// An owner that reports late, or twice: nothing of it counts.
    fn report_late(&mut self, number: usize) -> Checked {
        let is_late = self.luck.once_in(3);
        let (now, actor) = (self.now, &mut self.actors[number]);
        let Some(former) = actor.former.filter(|_| is_late) else { return Ok(()) };
        let input = actor.session.handle_connected(former, None, now);
        demand(input.is_none(), Law::Schedule, || format!("{former} was over and is connected"))?;
        actor.session.handle_disconnected(former, Lost::Eof, now);
        Ok(())
    }

    fn finish_dial(&mut self, number: usize) -> Checked<bool> {
        let (now, actor) = (self.now, &mut self.actors[number]);
        let Some(dial) = actor.dial.take_if(|dial| dial.ends_at.is_some_and(|at| at <= now)) else {
            return Ok(false);
        };
        let node = &self.nodes[dial.broker];
        let (number_of_model, model) = (node.model, &mut self.models[node.model]);
        let dies = !model.is_frozen(now) && model.broker.reach(CrashPoint::Dialled);
        if dies || node.refuses_until > now || node.distrusted_until > now {
            let permanent = !dies && node.refuses_until <= now;
            let reason = if permanent { "certificate not valid" } else { "connection refused" };
            let reason = Lost::DialFailed { reason: reason.into(), permanent };
            actor.session.handle_disconnected(dial.attempt, reason, now);
        } else {
            let input = actor.session.handle_connected(dial.attempt, None, now);
            let twice = actor.session.handle_connected(dial.attempt, None, now);
            let is_once = input.is_some() || actor.is_leaving();
            demand(is_once && twice.is_none(), Law::Schedule, || {
                format!("{} is not connected once", dial.attempt)
            })?;
            // A client that has said goodbye meanwhile has closed it already.
            let Some(input) = input else { return self.collect(number).map(|_| true) };
            let connection = model.broker.connect(now.since_start());
            let place = (number, dial.broker, number_of_model, connection);
            let mut link = Link::new(place, dial.attempt, input, &self.setting, now);
            link.up.hold_up(node.frozen_until);
            link.down.hold_up(node.frozen_until);
            node.server.into_iter().for_each(|name| model.broker.name_server(connection, name));
            if node.closes_until > now {
                model.broker.hang_up(connection);
            }
            actor.link = Some(self.next_link);
            self.links.insert(self.next_link, link);
            self.next_link += 1;
            self.report.connections += 1;
        }
        self.report_late(number)?;
        self.collect(number)?;
        Ok(true)
    }

    /// Writes what the session has, as far as there is room.
    fn write(&mut self, number: usize) -> Checked<bool> {
        let mut busy = false;
        loop {
            let Self { actors, links, now, .. } = self;
            let actor = &mut actors[number];
            let Some(link) = actor.link.and_then(|link| links.get_mut(&link)) else {
                let stray = actor.session.poll_transmit(*now);
                demand(stray.is_none(), Law::Wire, || format!("there is no connection for {stray:?}"))?;
                return Ok(busy);
            };
            if link.up.room() == 0 {
                link.watch.last_written = *now;
                return Ok(busy);
            }
            if link.leftover.is_empty() {
                let Some(octets) = actor.session.poll_transmit(*now) else { return Ok(busy) };
                link.leftover = octets;
            }
            let octets = link.leftover.split_to(link.leftover.len().min(link.up.room()));
            busy = true;
            self.transmit(number, octets)?;
        }
    }

    fn transmit(&mut self, number: usize, octets: Bytes) -> Checked {
        let arrival = self.arrival();
        let Self { actors, links, accounts, trace, report, mishaps, setting, now, .. } = self;
        let actor = &mut actors[number];
        let Some(link) = actor.link.and_then(|link| links.get_mut(&link)) else { return Ok(()) };
        trace.octets(*now, || format!("client {number} >"), &octets);
        check_beat(link, *now)?;
        let is_left = actor.is_moving() || actor.is_leaving();
        link.watch.is_left_just_now = is_left && link.watch.last_heard == *now;
        for frame in link.watch.write(&octets, *now)? {
            actor.check_replay(&mut link.watch, &frame, *now)?;
            link.watch.check_written(&frame)?;
            match frame.command() {
                Command::Disconnect => actor.check_goodbye(&link.watch)?,
                Command::Connect => check_login(link.node, setting, &frame)?,
                Command::Send => {
                    let key = key(frame.body());
                    let entry = accounts.entry(&key);
                    entry.written += 1;
                    demand(entry.written == 1 || entry.repeats, Law::NoRepeat, || {
                        format!("{key} is written again")
                    })?;
                    demand(!entry.withdrawn, Law::NoRepeat, || {
                        format!("{key} was withdrawn and is written")
                    })?;
                    if entry.repeats {
                        check_copy(entry, &frame)?;
                    }
                    let note = frame.header(NOTE.0);
                    demand(note.as_ref().is_some_and(|note| *note == *NOTE.1), Law::Wire, || {
                        format!("{frame:?}")
                    })?;
                }
                _ => {}
            }
        }
        let kept = cut(&mut mishaps.cut_up, octets.len());
        report.octets.0 += octets.len();
        link.up.put(octets.slice(..kept.unwrap_or(octets.len())), arrival);
        if kept.is_some() {
            break_off(link, arrival);
        }
        Ok(())
    }

    fn arrival(&mut self) -> Timestamp {
        let most = usize::try_from(self.setting.latency.as_micros()).unwrap_or(usize::MAX);
        let late = Duration::from_micros(1 + self.luck.below(most) as u64);
        self.now.after(late)
    }

    fn check_turn(&mut self, number: usize) -> Checked {
        let (now, actor) = (self.now, &mut self.actors[number]);
        actor.check_operations(now, &self.setting)?;
        actor.check_leaving(now)?;
        let limit =
            actor.disconnected_at.map(|at| at.after(Duration::from_secs(10)).max(actor.stalled_until));
        demand(actor.closed.is_some() || limit.is_none_or(|limit| now <= limit), Law::Close, || {
            format!("disconnected at {:?}, and it goes on at {now}", actor.disconnected_at)
        })?;
        let Some(link) = actor.link.and_then(|link| self.links.get_mut(&link)) else { return Ok(()) };
        check_beat(link, now)?;
        let silence = now.since(link.watch.last_heard.max(actor.stalled_until));
        let agreed = if actor.paused { 0 } else { link.watch.agreed.incoming };
        let most = Duration::from_millis(agreed * 2 + MARGIN);
        demand(agreed == 0 || silence <= most, Law::DeadPeer, || {
            format!("silent for {silence:?}, and not noticed")
        })
    }

    /// One turn of a broker.
    pub(super) fn serve(&mut self, number: usize) -> Checked<bool> {
        let mut busy = self.models[number].tick(&mut self.luck, self.now);
        let links: Vec<_> = self
            .links
            .iter()
            .filter(|(_, link)| link.model == number && link.served)
            .map(|(id, _)| *id)
            .collect();
        for id in links {
            busy |= self.listen(id);
        }
        busy |= self.speak(number);
        self.enter_facts(number)?;
        if self.models[number].has_crashed() {
            self.fall(number);
        }
        Ok(busy)
    }

    /// Hands a broker what has arrived.
    fn listen(&mut self, id: u64) -> bool {
        let mut busy = false;
        let Some(link) = self.links.get_mut(&id) else { return false };
        let model = &mut self.models[link.model];
        let now = self.now;
        while !model.is_frozen(now) && link.served && !is_blocked(link, model) {
            let Some(parcel) = link.up.take(now, usize::MAX) else { break };
            busy = true;
            match parcel {
                Parcel::Octets(octets) => model.broker.receive(link.connection, &octets, now.since_start()),
                Parcel::End(_) => {
                    model.broker.disconnected(link.connection, now.since_start());
                    link.served = false;
                }
            }
        }
        link.blocked_since = is_blocked(link, model).then(|| link.blocked_since.unwrap_or(now));
        if link.served && link.blocked_since.is_some_and(|since| now >= since.after(WRITE_TIMEOUT)) {
            // RabbitMQ waits half a minute for its write.
            model.broker.disconnected(link.connection, now.since_start());
            (link.served, link.blocked_since) = (false, None);
            link.down.reset(now);
            busy = true;
        }
        busy
    }

    /// Sends on its way what a broker says.
    fn speak(&mut self, number: usize) -> bool {
        let mut busy = false;
        while let Some(output) = self.models[number].broker.poll_output() {
            busy = true;
            let arrival = self.arrival();
            let (Output::Send { connection, .. } | Output::Close { connection }) = output;
            let of_broker = |link: &&mut Link| link.model == number && link.connection == connection;
            let Some(link) = self.links.values_mut().find(of_broker) else { continue };
            match output {
                Output::Send { bytes, .. } => {
                    let kept = cut(&mut self.mishaps.cut_down, bytes.len());
                    link.down.put(bytes.slice(..kept.unwrap_or(bytes.len())), arrival);
                    if kept.is_some() {
                        break_off(link, arrival);
                    }
                }
                Output::Close { .. } => {
                    link.served = false;
                    link.down.end(Lost::Eof, arrival);
                }
            }
        }
        busy
    }

    /// Enters what a broker has done into the accounts.
    fn enter_facts(&mut self, number: usize) -> Checked {
        while let Some(fact) = self.models[number].broker.poll_fact() {
            self.accounts.enter(number, &fact);
            if let Fact::Acknowledged { connection, body } = &fact {
                self.check_acknowledged(number, *connection, &key(body))?;
            }
            if let Fact::AckLost { body, by: Return::Disconnect, .. } = &fact {
                let what = format!("{} was acknowledged, and comes again behind a DISCONNECT", key(body));
                return Err(Violation { law: Law::AtLeastOnce, what });
            }
        }
        Ok(())
    }

    /// A message that the broker takes for consumed was consumed: its user has said so.
    fn check_acknowledged(
        &self,
        number: usize,
        connection: stomp_testkit::broker::ConnectionId,
        key: &str,
    ) -> Checked {
        let link = self.links.values().find(|link| link.model == number && link.connection == connection);
        let Some(link) = link else { return Ok(()) };
        // RabbitMQ takes the cumulative ACK of one subscription for all of them.
        let sweeps = self.models[number].kind == Kind::RabbitMq && link.watch.cumulative;
        let is_allowed = link.watch.allowed.contains(key) || sweeps;
        demand(is_allowed, Law::NoSilentAck, || format!("{key} is acknowledged, and nobody has consumed it"))
    }

    pub(super) fn is_blocked(&self, link: &Link, model: &Model) -> bool {
        is_blocked(link, model)
    }
}

/// The number of a broker, which its name ends with.
pub(super) fn broker_of(endpoint: &Endpoint) -> usize {
    endpoint.host().trim_start_matches('b').parse().unwrap_or_default()
}

/// When the first SYN passes that TCP sends after that, of those which a dial sends.
fn retransmitted(dialled: Timestamp, until: Timestamp) -> Option<Timestamp> {
    [1, 3, 7, 15]
        .into_iter()
        .map(|seconds| dialled.after(Duration::from_secs(seconds)))
        .find(|at| *at > until)
}

/// Whether a broker does not read a connection because it cannot write to it.
fn is_blocked(link: &Link, model: &Model) -> bool {
    model.kind.blocks() && link.down.held() > 0 && link.down.room() == 0
}

/// Counts octets towards a cut: how many of them still pass, if it comes now.
fn cut(after: &mut Option<usize>, octets: usize) -> Option<usize> {
    let left = after.as_mut()?;
    if *left >= octets {
        *left -= octets;
        return None;
    }
    after.take()
}

/// What is on its way arrives, and then the end.
fn break_off(link: &mut Link, arrival: Timestamp) {
    link.up.end(reset(), arrival);
    link.down.end(reset(), arrival);
}

/// The promise of heart-beats is kept.
fn check_beat(link: &Link, now: Timestamp) -> Checked {
    let (agreed, silence) = (link.watch.agreed.outgoing, now.since(link.watch.last_written));
    demand(agreed == 0 || silence.as_millis() <= u128::from(agreed), Law::Beats, || {
        format!("nothing was written for {silence:?}, and {agreed} ms are promised")
    })
}
