//! Of `/policy`: where windows are shared, and how that stands.

use serde_json::Value;
use serde_json::json;

use crate::policy::store::Servers;
use crate::policy::store::StoreAddress;
use crate::store::Store;
use crate::time::Tick;

pub(super) fn of(store: &Store, now: Tick) -> Value {
    let config = &store.config;
    let (kind, servers) = match &config.servers {
        Servers::One(address) => ("one", vec![address.to_string()]),
        Servers::Sentinels { addresses, .. } => ("sentinel", texts(addresses)),
        Servers::Cluster(addresses) => ("cluster", texts(addresses)),
    };
    json!({
        "kind": kind,
        "servers": servers,
        "tls": config.tls.is_some(),
        "replicas": config.replicas,
        "place": store.place(now),
        "on_loss": config.on_loss.label(),
        "deadline_seconds": config.deadline.as_secs_f64(),
        "condition": store.condition(now).label(),
        "fault": store.fault().map(|fault| fault.to_string()),
        "owed": store.ledger.owed_admissions(),
        "owed_changes": store.ledger.pool_words().1,
    })
}

fn texts(addresses: &[StoreAddress]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}
