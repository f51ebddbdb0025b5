//! The rules for limits, from outside.

use serde_json::{Value, json};

use super::rules::cpuset_problem;
use super::{Limit, LimitSet, Resources, merge};
use crate::codes::Code;
use crate::container::fields::Fields;
use crate::container::options::Allowed;
use crate::container::request::HostLimits;
use crate::container::violation::{Violation, Violations};

fn merged_on(lacks: LimitSet, current: &Resources, wanted: Value) -> Result<Resources, Vec<Violation>> {
    let mut resources = current.clone();
    let mut violations = Violations::default();
    let mut fields = Fields::new(Value::from_iter([("resources".to_owned(), wanted)]), "", &mut violations);
    merge(&mut fields, &mut resources, HostLimits { cpus: Some(4), lacks, allowed: &Allowed::default() });
    violations.into_result(resources).map_err(|violations| violations.as_slice().to_vec())
}

fn merged(current: &Resources, wanted: Value) -> Result<Resources, Vec<Violation>> {
    merged_on(LimitSet::default(), current, wanted)
}

fn made(wanted: Value) -> Resources {
    merged(&Resources::default(), wanted).unwrap()
}

fn refused(current: &Resources, wanted: Value) -> Vec<(String, Code)> {
    let violations = merged(current, wanted).unwrap_err();
    violations.into_iter().map(|violation| (violation.field, violation.code)).collect()
}

#[test]
fn the_bounds_of_each_limit_are_dockers() {
    let bounds: [(&str, &[Value], &[Value]); 10] = [
        ("cpu_shares", &[json!(2), json!(262_144), json!(1024.0)], &[json!(1), json!(262_145), json!(-1)]),
        ("cpu_period", &[json!(1000), json!(1_000_000)], &[json!(999), json!(1_000_001)]),
        (
            "cpu_quota",
            &[json!(1000), json!(-1), json!(17_592_186_044_415_i64)],
            &[json!(0), json!(999), json!(-2)],
        ),
        ("blkio_weight", &[json!(10), json!(1000)], &[json!(9), json!(1001)]),
        ("memory_swappiness", &[json!(1), json!(100)], &[json!(0), json!(-1), json!(101)]),
        ("memory_reservation", &[json!("6m"), json!(6_291_456)], &[json!("5m"), json!("")]),
        (
            "shm_size",
            &[json!(1), json!("64m"), json!("0.5g")],
            &[json!(0), json!("-1"), json!(1.5), json!([])],
        ),
        (
            "cpuset_cpus",
            &[json!("0"), json!("0-3"), json!("1,3,0-1")],
            &[json!(""), json!("4"), json!("2-1")],
        ),
        ("pids", &[json!(1)], &[json!(0)]),
        ("cpus", &[json!(0.01), json!(4)], &[json!(0), json!(4.1)]),
    ];
    for (field, good, bad) in bounds {
        for value in good {
            assert!(merged(&Resources::default(), json!({field: value})).is_ok(), "{field} {value}");
        }
        for value in bad {
            let expected = vec![(format!("resources.{field}"), Code::InvalidResources)];
            assert_eq!(refused(&Resources::default(), json!({field: value})), expected, "{field} {value}");
        }
    }
}

#[test]
fn a_list_of_processors_follows_dockers_grammar() {
    for good in ["0", "0,1", "0-1,1-3", "8191"] {
        assert_eq!(cpuset_problem(good, None), None, "{good}");
    }
    for bad in
        ["", ",", "0,", "0 ", "0-", "-1", "1-0", "a", "0--1", "+1", "00", "8192", "99999999999", "0-1-2"]
    {
        assert!(cpuset_problem(bad, None).is_some(), "{bad}");
    }
    assert!(cpuset_problem("0-2", Some(2)).unwrap().contains("from 0 to 1"));
}

#[test]
fn limits_that_exclude_each_other_are_named_with_the_remedy() {
    let none = Resources::default();
    let bad = |field: &str| vec![(format!("resources.{field}"), Code::InvalidResources)];
    assert_eq!(refused(&none, json!({"cpus": 1, "cpu_quota": 5000})), bad("cpu_quota"));
    assert_eq!(refused(&none, json!({"cpus": 1, "cpu_period": 5000})), bad("cpu_period"));
    assert_eq!(refused(&none, json!({"memory_swap": "1g"})), bad("memory_swap"));
    assert_eq!(refused(&none, json!({"memory_swap": -1})), bad("memory_swap"));
    assert_eq!(refused(&none, json!({"memory": "1g", "memory_swap": "1023m"})), bad("memory_swap"));
    assert_eq!(
        refused(&none, json!({"memory": "1g", "memory_reservation": "1025m"})),
        bad("memory_reservation")
    );
    assert_eq!(made(json!({"memory": "1g", "memory_swap": -1})).memory_swap.as_deref(), Some("-1"));
    assert!(
        merged(&none, json!({"memory": "1g", "memory_swap": "1024m", "memory_reservation": "1g"})).is_ok()
    );
    let violations = merged(&none, json!({"cpus": 1, "cpu_quota": 5000})).unwrap_err();
    assert!(violations[0].message.contains("remove cpus with null"), "{}", violations[0].message);
}

#[test]
fn the_merged_whole_is_judged_and_what_was_asked_for_is_named() {
    let current = made(json!({"memory": "64m", "memory_swap": "128m", "memory_reservation": "32m"}));
    let bad = |field: &str| vec![(format!("resources.{field}"), Code::InvalidResources)];
    assert_eq!(refused(&current, json!({"memory": "256m"})), bad("memory"), "more than memory_swap");
    assert_eq!(refused(&current, json!({"memory": "16m"})), bad("memory"), "less than memory_reservation");
    assert_eq!(refused(&current, json!({"memory": null})), bad("memory"), "memory_swap needs it");
    assert!(merged(&current, json!({"memory": null, "memory_swap": null})).is_ok());
    let quota = made(json!({"cpu_quota": 5000}));
    assert_eq!(refused(&quota, json!({"cpus": 1})), bad("cpus"));
    assert!(merged(&quota, json!({"cpus": 1, "cpu_quota": null})).is_ok());
    assert_eq!(merged(&current, Value::Null), Ok(Resources::default()));
}

#[test]
fn what_the_host_lacks_is_not_supported_when_it_is_set_and_not_when_it_is_removed() {
    let lacks: LimitSet = [Limit::BlkioWeight, Limit::MemorySwap].into_iter().collect();
    let current = made(json!({"blkio_weight": 10}));
    let violations = merged_on(lacks, &current, json!({"blkio_weight": 20, "cpus": 1})).unwrap_err();
    assert_eq!(violations.len(), 1);
    assert_eq!(
        (violations[0].field.as_str(), violations[0].code),
        ("resources.blkio_weight", Code::NotSupported)
    );
    assert!(merged_on(lacks, &current, json!({"blkio_weight": null, "cpus": 1})).is_ok());
    assert!(merged_on(lacks, &current, json!({"cpus": 1})).is_ok());
}
