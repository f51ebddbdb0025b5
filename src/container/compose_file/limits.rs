//! The limits under the names that Compose has for them.

use serde_json::{Map, Value, json};

use super::read::as_string;
use crate::container::spec::Resources;

const BLKIO: &str = "blkio_config";

/// Writes the limits into a service.
pub fn write(resources: &Resources, service: &mut Map<String, Value>) {
    let swap = resources.memory_swap.as_ref();
    // Of a negative size Compose takes the number and refuses the text.
    let swap = swap.map(|swap| if swap == "-1" { Value::from(-1) } else { Value::from(swap.as_str()) });
    let limits = [
        ("cpus", resources.cpus.map(Value::from)),
        ("cpu_shares", resources.cpu_shares.map(Value::from)),
        ("cpuset", resources.cpuset_cpus.clone().map(Value::from)),
        ("cpu_period", resources.cpu_period.map(Value::from)),
        ("cpu_quota", resources.cpu_quota.map(Value::from)),
        ("mem_limit", resources.memory.clone().map(Value::from)),
        ("mem_reservation", resources.memory_reservation.clone().map(Value::from)),
        ("memswap_limit", swap),
        ("mem_swappiness", resources.memory_swappiness.map(Value::from)),
        ("pids_limit", resources.pids.map(Value::from)),
        ("shm_size", resources.shm_size.clone().map(Value::from)),
    ];
    for (name, value) in limits {
        service.extend(value.map(|value| (name.to_owned(), value)));
    }
    if let Some(weight) = resources.blkio_weight {
        let config = service.entry(BLKIO).or_insert_with(|| json!({}));
        if let Some(config) = config.as_object_mut() {
            config.insert("weight".to_owned(), weight.into());
        }
    }
}

/// Takes the limits out of a service. What a person has written in a form that is none of ours stays there.
pub fn take(service: &mut Map<String, Value>) -> Resources {
    let weight =
        service.get_mut(BLKIO).and_then(Value::as_object_mut).and_then(|config| number(config, "weight"));
    if service.get(BLKIO).and_then(Value::as_object).is_some_and(Map::is_empty) {
        service.shift_remove(BLKIO);
    }
    Resources {
        cpus: take_as(service, "cpus", |value| as_string(value)?.parse().ok()),
        cpu_shares: number(service, "cpu_shares"),
        cpuset_cpus: take_as(service, "cpuset", as_string),
        cpu_period: number(service, "cpu_period"),
        cpu_quota: number(service, "cpu_quota"),
        memory: take_as(service, "mem_limit", as_string),
        memory_reservation: take_as(service, "mem_reservation", as_string),
        memory_swap: take_as(service, "memswap_limit", as_string),
        memory_swappiness: number(service, "mem_swappiness"),
        pids: number(service, "pids_limit"),
        blkio_weight: weight,
        shm_size: take_as(service, "shm_size", as_string),
    }
}

fn number(map: &mut Map<String, Value>, name: &str) -> Option<i64> {
    take_as(map, name, |value| as_string(value)?.parse().ok())
}

fn take_as<T>(map: &mut Map<String, Value>, name: &str, read: impl Fn(Value) -> Option<T>) -> Option<T> {
    let value = map.get(name).cloned().and_then(read)?;
    map.shift_remove(name);
    Some(value)
}
