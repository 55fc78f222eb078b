//! The store in the place of `maskgate::admit::Admission`: the same questions, answered by the
//! library of a server whose clock the tests turn.

use std::sync::Mutex;
use std::time::Duration;

use maskgate::admit::Denial;
use maskgate::admit::RateDenial;
use maskgate::admit::window::Bound;
use maskgate::classify::RequestClass;
use maskgate::policy::Policy;
use maskgate::policy::rate::Counting;
use maskgate::policy::rate::RateLimit;
use maskgate::time::Tick;
use maskgate::time::micros;

use crate::support::call;
use crate::support::call::Ask;
use crate::support::call::Caller;
use crate::support::call::Charge;
use crate::support::call::Limit;
use crate::support::library::Form;
use crate::support::library::Library;
use crate::support::server::Engine;
use crate::support::server::Server;

/// What the first tick is on the server's clock (µs).
const BEGIN: u64 = 1_000_000_000_000_000;
const EPOCH: &str = "mg1:{mg7}:epoch";
/// A limit that is lowered and raised again still finds what it asks for.
const KEPT: u32 = 200;

/// A server, and somebody who asks it.
pub(crate) struct Admission {
    caller: Mutex<Caller>,
    _server: Server,
}

impl Admission {
    pub(crate) fn new() -> Self {
        let server = Server::start(Engine::Redis);
        let mut connection = server.connect();
        let loaded = Library::with_manual_clock(Form::Functions).load(&mut connection);
        let caller = Mutex::new(Caller::new(connection, loaded, EPOCH));
        Self { caller, _server: server }
    }

    pub(crate) fn admit(
        &self,
        policy: &Policy,
        class: &RequestClass,
        now: Tick,
    ) -> Result<(), Denial> {
        let rule = &policy.limits.rate;
        let ask = Ask {
            key: format!("mg1:{{mg7}}:w:{class:?}").replace(' ', ""),
            charge: match rule.count {
                Counting::Admitted => Charge::Admitted,
                Counting::Offered => Charge::Offered,
            },
            limit: limit_of(&rule.limit),
            keep: (KEPT, micros(rule.limit.window())),
        };
        let mut caller = self.caller.lock().unwrap();
        caller.clock = Some(BEGIN + now.as_micros());
        let answer = caller.admit(&[ask]);
        let Some(refusal) = answer.refusal else { return Ok(()) };
        Err(Denial::Rate(RateDenial {
            limit: rule.limit,
            set_by: rule.set_by.clone(),
            retry_after: Duration::from_micros(refusal.wait),
            by: match refusal.by {
                call::Bound::Window => Bound::Window,
                call::Bound::Burst => Bound::Burst,
            },
            standing: None,
        }))
    }

    /// Nothing: a server drops what is over by itself.
    #[expect(clippy::unused_self, reason = "those who try it sweep in between")]
    pub(crate) fn sweep(&self, _: &Policy, _: Tick) {}
}

fn limit_of(limit: &RateLimit) -> Limit {
    Limit {
        admissions: limit.admissions().get(),
        span: micros(limit.window()),
        burst: limit.burst_admissions().map(Into::into),
    }
}
