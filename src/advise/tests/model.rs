//! Random answers, told to the seats and to lists that are searched from end to end.
//!
//! `MASKGATE_SEED=… cargo test --lib advise::` repeats a run.

use std::cmp::Reverse;
use std::num::NonZeroU32;
use std::time::Duration;

use fastrand::Rng;

use super::most;
use super::participant;
use super::service;
use super::sid;
use crate::advise::ADVISE_EVERY;
use crate::advise::KEPT_FOR;
use crate::advise::Resource;
use crate::advise::Seat;
use crate::advise::Seats;
use crate::sid::Sid;
use crate::sid::SidKind;
use crate::time::Tick;

const RUNS: u64 = 25;
const STEPS: usize = 800;
const SERVICES: u32 = 3;
const SESSIONS: u32 = 6;
const NUMBERS: u32 = 4;
/// Fewer than all sessions together may have, so that some have to make room.
const ROOM: usize = 22;

/// The reference: one row for each session, and for each thing that was said.
#[derive(Default)]
struct Plain {
    sessions: Vec<Row>,
    in_use: Vec<(Resource, u32, Tick)>,
    advised: Vec<(Resource, Tick)>,
}

struct Row {
    session: Resource,
    seen: Tick,
    /// Participant and number; who was seen least lately comes first.
    seats: Vec<(Sid, Sid)>,
}

/// What the log would say: the number and its participants.
type Said = Vec<(Sid, u32)>;

impl Plain {
    fn seats(&self, session: Resource) -> Vec<(Sid, Sid)> {
        let row = self.sessions.iter().find(|row| row.session == session);
        row.map(|row| row.seats.clone()).unwrap_or_default()
    }

    fn count(&self, number: Resource) -> u32 {
        let rows = self.sessions.iter().filter(|row| row.session.service == number.service);
        let seats = rows.flat_map(|row| &row.seats).filter(|(_, at)| *at == number.sid);
        u32::try_from(seats.count()).unwrap()
    }

    fn total(&self) -> usize {
        self.sessions.iter().map(|row| row.seats.len()).sum()
    }

    fn set(&mut self, session: Resource, seats: Vec<(Sid, Sid)>, now: Tick) {
        let at = self.sessions.iter().position(|row| row.session == session);
        let before = at.map(|at| self.sessions.swap_remove(at).seen);
        if !seats.is_empty() {
            let seen = before.map_or(now, |before| before.max(now));
            self.sessions.push(Row { session, seen, seats });
        }
    }

    fn join(&mut self, session: Resource, list: &[Seat], whole: bool, now: Tick) {
        let mut seats = if whole { Vec::new() } else { self.seats(session) };
        for seat in list {
            seats.retain(|(participant, _)| *participant != seat.participant);
            seats.extend(seat.number.map(|number| (seat.participant, number)));
            while seats.len() > 2 {
                seats.remove(0);
            }
        }
        self.set(session, seats, now);
    }

    /// What is to be said of the numbers that have more than before.
    fn say(
        &mut self,
        session: Resource,
        before: &[(Sid, Sid)],
        advise: NonZeroU32,
        now: Tick,
    ) -> Said {
        let after = self.seats(session);
        let count =
            |seats: &[(Sid, Sid)], number| seats.iter().filter(|s| s.1 == number).count();
        let mut raised: Vec<_> = after.iter().map(|(_, number)| *number).collect();
        raised.dedup();
        raised.retain(|number| count(&after, *number) > count(before, *number));
        let mut said = Said::new();
        for sid in raised {
            let number = Resource { sid, ..session };
            let is_new = !self
                .advised
                .iter()
                .any(|(of, at)| *of == number && now < at.plus(ADVISE_EVERY));
            if self.count(number) > advise.get() && is_new {
                self.advised.push((number, now));
                said.push((sid, self.count(number)));
            }
        }
        said
    }

    fn make_room(&mut self) {
        while self.total() > ROOM {
            let oldest = (0..self.sessions.len())
                .min_by_key(|at| (self.sessions[*at].seen, self.sessions[*at].session));
            self.sessions.swap_remove(oldest.unwrap());
        }
    }

    fn sweep(&mut self, now: Tick) {
        self.sessions.retain(|row| now < row.seen.plus(KEPT_FOR));
        self.in_use.retain(|(_, _, seen)| now < seen.plus(KEPT_FOR));
    }

    fn in_use(&self, number: Resource) -> Option<u32> {
        self.in_use.iter().find(|(of, ..)| *of == number).map(|(_, in_use, _)| *in_use)
    }
}

/// Both, told the same.
struct World {
    rng: Rng,
    seats: Seats,
    plain: Plain,
    now: Tick,
}

impl World {
    fn resource(&mut self, kind: SidKind, of: u32) -> Resource {
        let service = service(self.rng.u32(..SERVICES));
        Resource { service, sid: sid(kind, self.rng.u32(..of)) }
    }

    fn seat(&mut self) -> Seat {
        let at = sid(SidKind::PhoneNumber, self.rng.u32(..NUMBERS));
        let number = (self.rng.u8(..8) > 0).then_some(at);
        Seat { participant: participant(self.rng.u32(..4)), number }
    }

    fn step(&mut self) {
        let hours = if self.rng.u8(..40) == 0 { self.rng.u64(..20) } else { 0 };
        let micros = if self.rng.bool() { self.rng.u64(..20_000_000) } else { 0 };
        self.now =
            self.now.plus(Duration::from_hours(hours)).plus(Duration::from_micros(micros));
        let session = self.resource(SidKind::Session, SESSIONS);
        let number = self.resource(SidKind::PhoneNumber, NUMBERS);
        match self.rng.u8(..32) {
            0..=12 => self.join(session, false),
            13..=20 => self.join(session, true),
            21..=23 => self.leave(session),
            24..=26 => {
                self.seats.session_ended(session);
                self.plain.set(session, Vec::new(), self.now);
            }
            27 => {
                self.seats.service_gone(session.service);
                self.seats.sweep(Some(most(1)), self.now);
                self.plain.sweep(self.now);
                let is_other = |of: &Resource| of.service != session.service;
                self.plain.sessions.retain(|row| is_other(&row.session));
                self.plain.in_use.retain(|(of, ..)| is_other(of));
            }
            28 | 29 => {
                let in_use = self.rng.u32(..100);
                self.seats.number_seen(number, in_use, self.now);
                self.plain.in_use.retain(|(of, ..)| *of != number);
                self.plain.in_use.push((number, in_use, self.now));
            }
            30 => self.take_out(number),
            _ => {
                self.seats.sweep(Some(most(1)), self.now);
                self.plain.sweep(self.now);
            }
        }
    }

    fn join(&mut self, session: Resource, whole: bool) {
        let count = if whole { self.rng.usize(..4) } else { 1 };
        let list: Vec<_> = (0..count).map(|_| self.seat()).collect();
        let advise = most(self.rng.u32(1..5));
        let said = if whole {
            self.seats.participants_of(session, &list, advise, self.now)
        } else {
            self.seats.participant(session, list[0], advise, self.now).into_iter().collect()
        };
        let before = self.plain.seats(session);
        if list.iter().filter(|seat| seat.number.is_some()).count() <= 2 {
            self.plain.join(session, &list, whole, self.now);
        }
        let expected = self.plain.say(session, &before, advise, self.now);
        self.plain.make_room();
        for said in &said {
            let number = Resource { service: said.service, sid: said.number };
            assert_eq!((said.service, said.advised), (session.service, advise));
            assert_eq!(said.in_use, self.plain.in_use(number));
        }
        let said: Said = said.iter().map(|said| (said.number, said.participants)).collect();
        assert_eq!(said, expected);
    }

    fn leave(&mut self, session: Resource) {
        let who = self.seat().participant;
        self.seats.participant_gone(session, who);
        let row = self.plain.sessions.iter().find(|row| row.session == session);
        let seen = row.map_or(self.now, |row| row.seen);
        let mut seats = self.plain.seats(session);
        seats.retain(|(participant, _)| *participant != who);
        self.plain.set(session, seats, seen);
    }

    fn take_out(&mut self, number: Resource) {
        self.seats.number_gone(number);
        self.plain.in_use.retain(|(of, ..)| *of != number);
        for row in &mut self.plain.sessions {
            if row.session.service == number.service {
                row.seats.retain(|(_, at)| *at != number.sid);
            }
        }
        self.plain.sessions.retain(|row| !row.seats.is_empty());
    }

    fn compare(&self) {
        let (seats, plain) = (&self.seats, &self.plain);
        assert_eq!(seats.participants(), plain.total());
        let mut above = Vec::new();
        for service in (0..SERVICES).map(service) {
            for sid in (0..SESSIONS).map(|each| sid(SidKind::Session, each)) {
                let session = Resource { service, sid };
                assert_eq!(seats.tracks(session), !plain.seats(session).is_empty());
            }
            let mut numbers = Vec::new();
            for sid in (0..NUMBERS).map(|each| sid(SidKind::PhoneNumber, each)) {
                let number = Resource { service, sid };
                numbers.push((plain.count(number), plain.in_use(number), sid));
                above.extend((plain.count(number) > 2).then_some(number));
            }
            numbers.retain(|(count, in_use, _)| *count > 0 || in_use.is_some());
            numbers
                .sort_by_key(|(count, in_use, sid)| (Reverse(*count), Reverse(*in_use), *sid));
            let view = seats.view(service, self.now).numbers.into_iter();
            let shown = view.map(|view| {
                (view.participants, view.in_use.map(|in_use| in_use.sessions), view.number)
            });
            assert_eq!(shown.collect::<Vec<_>>(), numbers);
        }
        assert_eq!(seats.numbers_above(most(2)), above.len());
    }
}

#[test]
fn any_sequence_of_answers_comes_to_what_plain_lists_come_to() {
    let given = std::env::var("MASKGATE_SEED").ok().map(|seed| seed.parse().unwrap());
    let seeds = given.map_or(0..RUNS, |seed| seed..seed + 1);
    for seed in seeds {
        println!("MASKGATE_SEED={seed}");
        let mut world = World {
            rng: Rng::with_seed(seed),
            seats: Seats::with_room_for(ROOM),
            plain: Plain::default(),
            now: Tick::default(),
        };
        for _ in 0..STEPS {
            world.step();
            world.compare();
        }
    }
}
