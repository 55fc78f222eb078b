//! What does an account have? All its services, and what happens to them by time alone.
//!
//! **Invariant:** a world is settled to the present before it is read or changed, so nothing
//! else asks whether a session has expired. No lock is held across an await: every operation
//! is one synchronous function of a world.

pub(crate) mod number;
pub(crate) mod room;
pub(crate) mod service;
pub(crate) mod session;
pub(crate) mod table;

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;

use dashmap::DashMap;

use crate::backend::error::Problem;
use crate::backend::moment::Moment;
use crate::sid::Sid;
use number::Number;
use room::Room;
use room::Share;
use service::Service;
use session::Session;
use table::Table;

/// Why a session is closed that nobody closed.
const EXPIRED: &str = "expired";

/// Every account's world. An account that has nothing takes no memory.
pub(crate) struct Worlds {
    worlds: DashMap<Sid, World>,
    room: Arc<Room>,
}

impl Worlds {
    pub(crate) fn new(max_resources: usize) -> Self {
        Self { worlds: DashMap::new(), room: Arc::new(Room::new(max_resources)) }
    }

    /// Looks at an account's world as it is now. Readers do not wait for each other.
    pub(crate) fn read<T>(
        &self,
        account: Sid,
        now: Moment,
        look: impl FnOnce(&World) -> T,
    ) -> T {
        let due = self.worlds.get(&account).is_some_and(|world| world.is_due(now));
        if due {
            self.write(account, now, |_| ());
        }
        let found = self.worlds.get(&account);
        let nothing;
        look(if let Some(world) = &found {
            world
        } else {
            nothing = self.world();
            &nothing
        })
    }

    /// Changes an account's world.
    pub(crate) fn write<T>(
        &self,
        account: Sid,
        now: Moment,
        change: impl FnOnce(&mut World) -> T,
    ) -> T {
        let mut world = self.worlds.entry(account).or_insert_with(|| self.world());
        world.settle(now);
        let answer = change(&mut world);
        let empty = world.services.is_empty();
        drop(world);
        if empty {
            self.worlds.remove_if(&account, |_, world| world.services.is_empty());
        }
        answer
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.worlds.clear();
    }

    /// How much of the cap is used.
    pub(crate) fn used(&self) -> usize {
        self.room.used()
    }

    fn world(&self) -> World {
        World {
            services: Table::default(),
            names: HashMap::new(),
            homes_by_text: HashMap::new(),
            homes: HashMap::new(),
            deadlines: BTreeSet::new(),
            share: Share::new(Arc::clone(&self.room)),
        }
    }
}

/// One account's world.
pub(crate) struct World {
    pub(crate) services: Table<Service>,
    /// The service of each unique name.
    pub(crate) names: HashMap<String, Sid>,
    /// The service in whose pool a phone number or short code is, by its text.
    homes_by_text: HashMap<String, Sid>,
    /// The same by its SID.
    homes: HashMap<Sid, Sid>,
    /// When something happens by itself to which session of which service.
    deadlines: BTreeSet<(Moment, Sid, Sid)>,
    pub(crate) share: Share,
}

impl World {
    pub(crate) fn service(&self, sid: Sid) -> Result<&Service, Problem> {
        self.services.get(sid).ok_or(Problem::NotFound)
    }

    pub(crate) fn service_mut(&mut self, sid: Sid) -> Result<&mut Service, Problem> {
        self.services.get_mut(sid).ok_or(Problem::NotFound)
    }

    pub(crate) fn session(&self, service: Sid, sid: Sid) -> Result<&Session, Problem> {
        self.service(service)?.sessions.get(sid).ok_or(Problem::NotFound)
    }

    /// The service in whose pool a phone number or short code is, by its text.
    pub(crate) fn home_of_text(&self, text: &str) -> Option<Sid> {
        self.homes_by_text.get(text).copied()
    }

    /// The service in whose pool a phone number or short code is.
    pub(crate) fn home(&self, number: Sid) -> Option<Sid> {
        self.homes.get(&number).copied()
    }

    /// Adds a number to a service's pool.
    pub(crate) fn add_number(&mut self, service: Sid, number: Number) -> Result<(), Problem> {
        let found = self.services.get_mut(service).ok_or(Problem::NotFound)?;
        self.homes_by_text.insert(number.text.clone(), service);
        self.homes.insert(number.sid, service);
        found.pool_mut(number.sid.kind()).insert(number.sid, number);
        Ok(())
    }

    /// Forgets a number of a service's pool.
    pub(crate) fn remove_number(&mut self, service: Sid, number: Sid) -> Result<(), Problem> {
        let pool = self.service_mut(service)?.pool_mut(number.kind());
        let removed = pool.remove(number).ok_or(Problem::NotFound)?;
        self.homes_by_text.remove(&removed.text);
        self.homes.remove(&number);
        self.share.give_back(removed.weight());
        Ok(())
    }

    /// Changes a session, and sees to its deadline afterwards.
    pub(crate) fn change_session<T>(
        &mut self,
        service: Sid,
        session: Sid,
        change: impl FnOnce(&mut Service) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let deadline = |service: &Service| service.sessions.get(session)?.deadline();
        let found = self.services.get_mut(service).ok_or(Problem::NotFound)?;
        let before = deadline(found);
        let answer = change(found);
        let after = deadline(found);
        if before != after {
            if let Some(before) = before {
                self.deadlines.remove(&(before, service, session));
            }
            if let Some(after) = after {
                self.deadlines.insert((after, service, session));
            }
        }
        answer
    }

    /// Forgets a session and everything in it.
    pub(crate) fn remove_session(&mut self, service: Sid, session: Sid) -> Result<(), Problem> {
        let removed = self.change_session(service, session, |service| {
            service.remove_session(session).ok_or(Problem::NotFound)
        })?;
        self.share.give_back(removed.weight());
        Ok(())
    }

    /// Forgets a service and everything in it.
    pub(crate) fn remove_service(&mut self, sid: Sid) -> Result<(), Problem> {
        let service = self.services.remove(sid).ok_or(Problem::NotFound)?;
        self.names.remove(&service.settings.unique_name);
        for number in service.numbers() {
            self.homes_by_text.remove(&number.text);
            self.homes.remove(&number.sid);
        }
        for session in service.sessions.iter() {
            if let Some(deadline) = session.deadline() {
                self.deadlines.remove(&(deadline, sid, session.sid));
            }
        }
        self.share.give_back(service.weight());
        Ok(())
    }

    fn is_due(&self, now: Moment) -> bool {
        self.deadlines.first().is_some_and(|(when, _, _)| *when <= now)
    }

    /// Lets everything happen that time has brought: sessions expire, and old ones go.
    fn settle(&mut self, now: Moment) {
        while let Some((when, service, session)) =
            self.deadlines.first().copied().filter(|(when, _, _)| *when <= now)
        {
            let open = self.session(service, session).is_ok_and(Session::is_open);
            let settled = if open {
                self.change_session(service, session, |service| {
                    service.close(session, EXPIRED, when);
                    Ok(())
                })
            } else {
                self.remove_session(service, session)
            };
            if settled.is_err() {
                self.deadlines.remove(&(when, service, session));
            }
        }
    }
}
