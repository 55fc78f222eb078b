//! What would help? The setting of each family of clients that repeats refused calls.
//!
//! Source: the SDKs' own code, and runs of them against refusals.

use super::Report;
use crate::agent::Agent;

/// Of the official SDKs that repeat nothing after a 429 and cannot be told to.
const BY_HAND: &str = "this SDK does not repeat a call after a 429 and has no setting for it: \
    catch the error, wait for Retry-After, send the call again";

/// What would help the families that came back early or not at all.
pub(super) fn helps(report: &Report) -> impl Iterator<Item = (Agent, &'static str)> {
    let needy =
        report.agents.iter().filter(|(_, counts)| counts.early > 0 || counts.gave_up > 0);
    needy.map(|(agent, _)| (*agent, for_agent(*agent)))
}

const fn for_agent(agent: Agent) -> &'static str {
    match agent {
        Agent::TwilioPython => {
            "mount HTTPAdapter(max_retries=Retry(total=5, status_forcelist=[429], \
             allowed_methods=None, raise_on_status=False)) on http_client.session, for http:// \
             and https://; urllib3 then waits for Retry-After, also with POST"
        }
        Agent::TwilioNode => {
            "autoRetry: true with maxRetries: 16; its delays are random and do not follow \
             Retry-After, so it still comes back early, and its usual 3 retries never outlast \
             a spent window"
        }
        Agent::TwilioJava => {
            "this SDK repeats calls after a 5xx, 100 ms apart, but not after a 429: catch the \
             error, wait for Retry-After, send the call again"
        }
        Agent::TwilioGo | Agent::TwilioRuby | Agent::TwilioPhp | Agent::TwilioCsharp => BY_HAND,
        Agent::Curl => {
            "--retry 5: a 429 is repeated then, and Retry-After is waited for; not with \
             -o /dev/null, which curl cannot empty before it retries"
        }
        Agent::Requests => {
            "mount HTTPAdapter(max_retries=Retry(total=5, status_forcelist=[429], \
             allowed_methods=None, raise_on_status=False)) on the session; urllib3 then waits \
             for Retry-After, also with POST"
        }
        Agent::Urllib | Agent::Other | Agent::Unnamed => {
            "after a 429 or 503 wait as many seconds as Retry-After says, then send the same \
             request again"
        }
    }
}
