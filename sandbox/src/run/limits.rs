//! What a run may use, what it was asked to use, and what it used.
//!
//! One table, [`Resource`], names every limit with its unit, default and
//! range. [`Limits`], [`RequestedLimits`] and [`Usage`] are that table filled
//! with numbers, so the three always have the same field names, on the wire
//! and in configuration alike.

use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;

/// Something a run can use up. The name ends in its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// Time from start to answer.
    WallTimeMs,
    /// Time on a processor, sleeping not included.
    CpuTimeMs,
    /// WebAssembly instructions, as Wasmtime counts them. Deterministic. It
    /// does not cover work in host functions, nor the length of one bulk
    /// memory operation.
    Fuel,
    /// Linear memory. It does not cover the host's own bookkeeping for a run.
    /// The last of it, as much as the guest image says (2 MiB for CPython), are
    /// for raising the error. A session at its limit may go past it by as much
    /// in a run and 16 MiB in all, so that it can free something.
    MemoryBytes,
    /// Output kept for the reply, per stream. The rest is spooled.
    OutputBytes,
    /// The larger of apparent and allocated size of all workspace files.
    DiskBytes,
    /// Files and directories in the workspace.
    DiskFiles,
    /// Descriptors above standard error.
    OpenFiles,
    /// Processes of a native run. A WebAssembly guest cannot have any.
    Processes,
}

const MIB: u64 = 1 << 20;

impl Resource {
    /// Every resource, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::WallTimeMs,
        Self::CpuTimeMs,
        Self::Fuel,
        Self::MemoryBytes,
        Self::OutputBytes,
        Self::DiskBytes,
        Self::DiskFiles,
        Self::OpenFiles,
        Self::Processes,
    ];

    /// The field name, unit included.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WallTimeMs => "wall_time_ms",
            Self::CpuTimeMs => "cpu_time_ms",
            Self::Fuel => "fuel",
            Self::MemoryBytes => "memory_bytes",
            Self::OutputBytes => "output_bytes",
            Self::DiskBytes => "disk_bytes",
            Self::DiskFiles => "disk_files",
            Self::OpenFiles => "open_files",
            Self::Processes => "processes",
        }
    }

    /// The limit of a run that asks for none.
    pub const fn default_limit(self) -> u64 {
        match self {
            Self::WallTimeMs | Self::CpuTimeMs => 30_000,
            // About three minutes of Python here: the clocks bind first,
            // and a loop that escapes them still ends.
            Self::Fuel => 1_000_000_000_000,
            Self::MemoryBytes | Self::DiskBytes => 256 * MIB,
            // Under 4,000 tokens of whatever programs usually print: 0.4 to
            // 0.6 tokens a byte where it is dense with numbers.
            Self::OutputBytes => 6 << 10,
            Self::DiskFiles => 10_000,
            Self::OpenFiles | Self::Processes => 64,
        }
    }

    /// The highest limit that a request may ask for, unless configured otherwise.
    pub const fn default_ceiling(self) -> u64 {
        match self {
            Self::WallTimeMs | Self::CpuTimeMs => 300_000,
            Self::Fuel => 10_000_000_000_000,
            Self::MemoryBytes | Self::DiskBytes => 1024 * MIB,
            Self::OutputBytes => 256 << 10,
            Self::DiskFiles => 100_000,
            Self::OpenFiles => 512,
            Self::Processes => 256,
        }
    }

    /// The lowest limit that makes sense: below it no program would start. Of
    /// memory and open files each language has a lowest of its own above this one.
    pub const fn minimum(self) -> u64 {
        match self {
            Self::WallTimeMs | Self::CpuTimeMs => 10,
            Self::Fuel => 10_000_000,
            Self::MemoryBytes => MIB,
            Self::OutputBytes => 256,
            Self::DiskBytes | Self::DiskFiles | Self::OpenFiles => 0,
            Self::Processes => 1,
        }
    }

    /// The resource of that field name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resource| resource.name() == name)
    }

    const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Serialize for Resource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Resource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| de::Error::custom(unknown_name(&name)))
    }
}

/// One number for every [`Resource`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits([u64; Resource::ALL.len()]);

/// One number for every [`Resource`] that is known; absent means not asked
/// for, or not measured, and never zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts([Option<u64>; Resource::ALL.len()]);

/// What a request asks for.
pub type RequestedLimits = Amounts;

/// What a run used.
pub type Usage = Amounts;

impl Limits {
    /// The limits of a run that asks for none.
    pub fn defaults() -> Self {
        Self(Resource::ALL.map(Resource::default_limit))
    }

    /// The highest limits that a request may ask for.
    pub fn ceilings() -> Self {
        Self(Resource::ALL.map(Resource::default_ceiling))
    }

    /// The limit on `resource`.
    pub const fn get(&self, resource: Resource) -> u64 {
        self.0[resource.index()]
    }

    /// Sets the limit on `resource`.
    pub const fn set(&mut self, resource: Resource, amount: u64) {
        self.0[resource.index()] = amount;
    }

    /// The lower of both limits, for each resource.
    pub(crate) fn at_most(mut self, others: &Self) -> Self {
        for (resource, other) in others.iter() {
            self.set(resource, self.get(resource).min(other));
        }
        self
    }

    /// These limits, with every one that `requested` names put in its place, for
    /// a run in a language that needs as much as `minimum` says.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] with field, bound and value when a requested
    /// limit is past its ceiling or below its minimum. Nothing is
    /// clamped: a run under other limits than asked for would surprise.
    pub fn with_requested(
        mut self,
        requested: &RequestedLimits,
        ceilings: &Self,
        minimum: impl Fn(Resource) -> u64,
    ) -> Result<Self, Error> {
        for resource in Resource::ALL {
            let Some(amount) = requested.get(resource) else { continue };
            let minimum = minimum(resource).max(resource.minimum());
            let ceiling = ceilings.get(resource);
            if amount < minimum || amount > ceiling {
                return Err(Error::invalid(
                    format!("limits.{resource}"),
                    format!("must be between {minimum} and {ceiling}, got {amount}"),
                ));
            }
            self.set(resource, amount);
        }
        Ok(self)
    }

    /// Every resource with its limit.
    pub fn iter(&self) -> impl Iterator<Item = (Resource, u64)> + '_ {
        Resource::ALL.into_iter().map(|resource| (resource, self.get(resource)))
    }
}

impl Amounts {
    /// The amount of `resource`, if known.
    pub const fn get(&self, resource: Resource) -> Option<u64> {
        self.0[resource.index()]
    }

    /// Sets the amount of `resource`.
    pub const fn set(&mut self, resource: Resource, amount: u64) {
        self.0[resource.index()] = Some(amount);
    }
}

fn unknown_name(name: &str) -> String {
    let known: Vec<_> = Resource::ALL.iter().map(|resource| resource.name()).collect();
    format!("unknown limit `{}`, expected one of {}", name.escape_debug(), known.join(", "))
}

impl Serialize for Limits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Amounts(self.0.map(Some)).serialize(serializer)
    }
}

impl Serialize for Amounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Names are for people and for the wire; between our own processes the
        // numbers alone will do.
        if !serializer.is_human_readable() {
            return self.0.serialize(serializer);
        }
        let known = Resource::ALL.into_iter().filter_map(|resource| Some((resource, self.get(resource)?)));
        let mut map = serializer.serialize_map(Some(known.clone().count()))?;
        for (resource, amount) in known {
            map.serialize_entry(resource.name(), &amount)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Limits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let amounts = Amounts::deserialize(deserializer)?;
        let mut limits = Self([0; Resource::ALL.len()]);
        for resource in Resource::ALL {
            limits.set(resource, amounts.get(resource).ok_or_else(|| de::Error::missing_field(resource.name()))?);
        }
        Ok(limits)
    }
}

impl<'de> Deserialize<'de> for Amounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Names to numbers; `null` is a limit not asked for.
        struct AmountsVisitor;
        impl<'de> Visitor<'de> for AmountsVisitor {
            type Value = Amounts;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of limits")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Amounts, A::Error> {
                let mut amounts = Amounts::default();
                while let Some(resource) = map.next_key::<Resource>()? {
                    amounts.0[resource.index()] = map.next_value()?;
                }
                Ok(amounts)
            }
        }
        if !deserializer.is_human_readable() {
            return <[Option<u64>; Resource::ALL.len()]>::deserialize(deserializer).map(Self);
        }
        deserializer.deserialize_map(AmountsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_past_its_ceiling_is_refused_with_field_bound_and_value() {
        let mut requested = RequestedLimits::default();
        requested.set(Resource::WallTimeMs, 300_001);
        let error = Limits::defaults().with_requested(&requested, &Limits::ceilings(), Resource::minimum).unwrap_err();
        assert_eq!(error.to_string(), "limits.wall_time_ms must be between 10 and 300000, got 300001");
        requested.set(Resource::WallTimeMs, 300_000);
        let limits = Limits::defaults().with_requested(&requested, &Limits::ceilings(), Resource::minimum).unwrap();
        assert_eq!(limits.get(Resource::WallTimeMs), 300_000);
        assert_eq!(limits.get(Resource::CpuTimeMs), 30_000);
    }

    #[test]
    fn the_lowest_limit_on_memory_is_that_of_the_language() {
        let mut requested = RequestedLimits::default();
        requested.set(Resource::MemoryBytes, 3 * MIB);
        let of = |minimum| Limits::defaults().with_requested(&requested, &Limits::ceilings(), |_| minimum);
        assert_eq!(of(3 * MIB).unwrap().get(Resource::MemoryBytes), 3 * MIB);
        let refused = of(3 * MIB + 1).unwrap_err().to_string();
        assert_eq!(refused, "limits.memory_bytes must be between 3145729 and 1073741824, got 3145728");
    }

    #[test]
    fn defaults_lie_between_minimum_and_ceiling() {
        for resource in Resource::ALL {
            assert!(resource.minimum() <= resource.default_limit(), "{resource}");
            assert!(resource.default_limit() <= resource.default_ceiling(), "{resource}");
        }
    }

    #[test]
    fn names_survive_a_round_trip_and_unknown_ones_do_not() {
        let json = serde_json::to_string(&Limits::defaults()).unwrap();
        assert_eq!(serde_json::from_str::<Limits>(&json).unwrap(), Limits::defaults());
        let error = serde_json::from_str::<Amounts>(r#"{"wall_time": 1}"#).unwrap_err().to_string();
        assert!(error.starts_with("unknown limit `wall_time`, expected one of wall_time_ms"), "{error}");
    }
}
