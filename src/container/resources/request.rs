//! `resources` of a request: field by field, then the whole that they make.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::{Limit, LimitSet, Resources, rules};
use crate::codes::Code;
use crate::container::fields::{Field, Fields, whole};
use crate::container::request::HostLimits;

/// The most microseconds that the kernel takes for a quota (`MAX_BW`, 44 bits).
const MOST_QUOTA: i64 = (1 << 44) - 1;

/// One reading of `resources`: the limits in force so far, and those that this request sets or removes.
struct Reader<'a, 'b> {
    fields: Fields<'a>,
    resources: &'b mut Resources,
    limits: HostLimits<'b>,
    asked: LimitSet,
    set: LimitSet,
}

/// Lays the `resources` of a request over those that are there; `null` removes one, or all. The whole is
/// judged where each field is right.
pub fn merge(fields: &mut Fields<'_>, resources: &mut Resources, limits: HostLimits<'_>) {
    let map = match fields.object("resources") {
        Field::Absent => return,
        Field::Null => {
            *resources = Resources::default();
            return;
        }
        Field::Value(map) => map,
    };
    let before = fields.violations().as_slice().len();
    let (asked, set) = {
        let fields = Fields::new(Value::Object(map), "resources", fields.violations());
        let (asked, set) = (LimitSet::default(), LimitSet::default());
        let mut reader = Reader { fields, resources, limits, asked, set };
        reader.read();
        let (asked, set) = (reader.asked, reader.set);
        reader.fields.finish();
        (asked, set)
    };
    let violations = fields.violations();
    if violations.as_slice().len() == before {
        rules::judge(resources, asked, violations);
    }
    for limit in set.iter().filter(|limit| limits.lacks.contains(*limit)) {
        let message = "cannot be had from this engine on this host: leave it out";
        violations.add(limit.path(), Code::NotSupported, message, Value::Null);
    }
}

impl Reader<'_, '_> {
    fn read(&mut self) {
        let cpus = self.cpus();
        self.keep(Limit::Cpus, cpus, |resources| &mut resources.cpus);
        self.number(Limit::CpuShares, 2..=262_144, |resources| &mut resources.cpu_shares);
        let most = self.limits.cpus;
        let cpuset = self.text(Limit::CpusetCpus, |text| rules::cpuset_problem(text, most));
        self.keep(Limit::CpusetCpus, cpuset, |resources| &mut resources.cpuset_cpus);
        self.number(Limit::CpuPeriod, 1000..=1_000_000, |resources| &mut resources.cpu_period);
        let quota = self.quota();
        self.keep(Limit::CpuQuota, quota, |resources| &mut resources.cpu_quota);
        self.size(Limit::Memory, rules::memory_problem, |resources| &mut resources.memory);
        self.size(Limit::MemoryReservation, rules::memory_problem, |resources| {
            &mut resources.memory_reservation
        });
        self.size(Limit::MemorySwap, rules::swap_problem, |resources| &mut resources.memory_swap);
        let swappiness = self.swappiness();
        self.keep(Limit::MemorySwappiness, swappiness, |resources| &mut resources.memory_swappiness);
        self.number(Limit::Pids, 1..=4_194_304, |resources| &mut resources.pids);
        self.number(Limit::BlkioWeight, 10..=1000, |resources| &mut resources.blkio_weight);
        self.size(Limit::ShmSize, rules::shm_problem, |resources| &mut resources.shm_size);
    }

    fn keep<T>(&mut self, limit: Limit, field: Field<T>, place: impl Fn(&mut Resources) -> &mut Option<T>) {
        match &field {
            Field::Absent => return,
            Field::Null => {}
            Field::Value(_) => self.set.insert(limit),
        }
        self.asked.insert(limit);
        field.replace(place(self.resources));
    }

    fn refuse(&mut self, limit: Limit, message: impl Into<String>, provided: Value) {
        self.fields.violations().add(limit.path(), Code::InvalidResources, message, provided);
    }

    fn number(
        &mut self,
        limit: Limit,
        range: RangeInclusive<i64>,
        place: impl Fn(&mut Resources) -> &mut Option<i64>,
    ) {
        let message = || format!("has to be from {} to {}", range.start(), range.end());
        let field = self.checked(limit, |number| (!range.contains(&number)).then(message));
        self.keep(limit, field, place);
    }

    /// A whole number with a rule of its own.
    fn checked(&mut self, limit: Limit, problem: impl Fn(i64) -> Option<String>) -> Field<i64> {
        match self.fields.integer(limit.as_str()) {
            Field::Value(number) => match problem(number) {
                Some(message) => {
                    self.refuse(limit, message, number.into());
                    Field::Absent
                }
                None => Field::Value(number),
            },
            other => other,
        }
    }

    fn quota(&mut self) -> Field<i64> {
        self.checked(Limit::CpuQuota, |quota| {
            let is_one = quota == -1 || (1000..=MOST_QUOTA).contains(&quota);
            (!is_one).then(|| format!("has to be from 1000 to {MOST_QUOTA} microseconds, or -1 for no limit"))
        })
    }

    /// Docker takes 0 as well; Compose keeps it to itself.
    fn swappiness(&mut self) -> Field<i64> {
        self.checked(Limit::MemorySwappiness, |percent| match percent {
            1..=100 => None,
            0 => Some(
                "has to be from 1 to 100: Compose takes 0 for nothing said; no swap at all is what \
                 memory_swap of the size of memory gives"
                    .to_owned(),
            ),
            _ => Some("has to be from 1 to 100".to_owned()),
        })
    }

    fn cpus(&mut self) -> Field<f64> {
        let most = f64::from(self.limits.cpus.unwrap_or(u32::from(u16::MAX)));
        match self.fields.number("cpus") {
            Field::Value(cpus) if !(0.01..=most).contains(&cpus) => {
                let message = match self.limits.cpus {
                    Some(count) => format!("has to be from 0.01 to {count}, the processors of this host"),
                    None => "has to be at least 0.01".to_owned(),
                };
                self.refuse(Limit::Cpus, message, cpus.into());
                Field::Absent
            }
            field => field,
        }
    }

    fn text(&mut self, limit: Limit, problem: impl Fn(&str) -> Option<String>) -> Field<String> {
        match self.fields.string(limit.as_str()) {
            Field::Value(text) => match problem(&text) {
                Some(message) => {
                    self.refuse(limit, message, text.into());
                    Field::Absent
                }
                None => Field::Value(text),
            },
            other => other,
        }
    }

    /// A size: text, or a number of bytes.
    fn size(
        &mut self,
        limit: Limit,
        problem: impl Fn(&str) -> Option<&'static str>,
        place: impl Fn(&mut Resources) -> &mut Option<String>,
    ) {
        let (text, value) = match self.fields.take(limit.as_str()) {
            Field::Absent => return,
            Field::Null => return self.keep(limit, Field::Null, place),
            Field::Value(Value::String(text)) => (text.clone(), Value::String(text)),
            Field::Value(value @ Value::Number(_)) => (number_as_text(&value), value),
            Field::Value(other) => (String::new(), other),
        };
        match problem(&text) {
            Some(message) => self.refuse(limit, message, value),
            None => self.keep(limit, Field::Value(text), place),
        }
    }
}

fn number_as_text(value: &Value) -> String {
    if value.as_f64() == Some(-1.0) {
        return "-1".to_owned();
    }
    whole(value).map(|bytes| bytes.to_string()).unwrap_or_default()
}
