//! What this machine can enforce around a native program: tried, not guessed.
//!
//! Each form is tried with the real jailer and a program that attempts what it
//! must not be able to do. The best form that holds is used for every run.

pub(in crate::native) mod probe;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use jailer::Enforced;
use serde::{Deserialize, Serialize};

use super::cgroup::Cgroups;
use super::users::Users;
use crate::error::Error;

/// How strongly native programs are separated from the machine and from each
/// other. A later one is stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// System call filter, Landlock with scopes, resource limits and a
    /// watcher, within the server's own namespaces. For one trust domain.
    Container,
    /// What [`Self::Container`] is made of, and namespaces of its own.
    Namespaced,
    /// Namespaces or a user of its own, and control groups for memory and
    /// processes. For several tenants.
    Isolated,
}

impl Tier {
    /// Every tier, the weakest first.
    pub const ALL: [Self; 3] = [Self::Container, Self::Namespaced, Self::Isolated];

    /// The name in configuration and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Namespaced => "namespaced",
            Self::Isolated => "isolated",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Tier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|tier| tier.name() == text)
            .ok_or_else(|| format!("unknown tier `{text}`, expected one of {}", names()))
    }
}

/// The weakest tier that native programs are run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinimumTier {
    /// What follows from whether there are several tenants.
    ByTenants,
    /// This tier or a stronger one.
    AtLeast(Tier),
    /// Native programs are not run.
    Off,
}

/// [`MinimumTier`], once it is known whether there are several tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Minimum {
    /// `None` when native programs are not run.
    pub(in crate::native) tier: Option<Tier>,
    /// Who asks for this tier.
    pub(in crate::native) asked: &'static str,
}

impl MinimumTier {
    /// The minimum that is to be reached for `several` tenants, or for one.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] for less than several tenants need.
    pub(crate) fn of(self, several: bool) -> Result<Minimum, Error> {
        let needed = if several { Tier::Isolated } else { Tier::Container };
        let tier = match self {
            Self::Off => None,
            Self::ByTenants => Some(needed),
            Self::AtLeast(tier) if tier < needed => {
                return Err(Error::Denied {
                    action: format!("serving several tenants with native programs in tier `{tier}`"),
                    reason: format!(
                        "programs of one could reach those of another; `native_tier` must be `{needed}` or `off`, or \
                         be left out"
                    ),
                });
            }
            Self::AtLeast(tier) => Some(tier),
        };
        let asked = if several { "needed for several tenants" } else { "asked for" };
        Ok(Minimum { tier, asked })
    }
}

/// One way to confine programs on this machine.
#[derive(Clone, Debug)]
pub(in crate::native) struct Form {
    pub(in crate::native) namespaces: bool,
    /// Where the settings of the kernel lie that a program sees, which needs namespaces.
    pub(in crate::native) settings: Option<PathBuf>,
    pub(in crate::native) users: Option<Users>,
    pub(in crate::native) cgroups: Option<Cgroups>,
}

impl Form {
    pub(in crate::native) const fn tier(&self) -> Tier {
        match (self.namespaces, self.users.is_some(), self.cgroups.is_some()) {
            (true, _, true) | (_, true, true) => Tier::Isolated,
            (true, _, false) => Tier::Namespaced,
            (false, _, _) => Tier::Container,
        }
    }

    /// The oldest Landlock ABI that will do. Without namespaces only its scopes
    /// keep a program's signals away from the server.
    pub(in crate::native) const fn landlock_abi(&self) -> u32 {
        if self.namespaces { 1 } else { jailer::FIRST_ABI_WITH_SCOPES }
    }

    /// Whether what was enforced is what this form asks for.
    pub(in crate::native) fn is_met_by(&self, enforced: &Enforced) -> bool {
        enforced.namespaces == self.namespaces
            && enforced.identity == self.users.is_some()
            && enforced.landlock_abi >= self.landlock_abi()
            && (enforced.cgroups > 0) == self.cgroups.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_are_ordered_and_have_names() {
        assert!(Tier::Container < Tier::Namespaced && Tier::Namespaced < Tier::Isolated);
        for tier in Tier::ALL {
            assert_eq!(tier.name().parse(), Ok(tier));
        }
        assert!("strong".parse::<Tier>().unwrap_err().contains("container, namespaced, isolated"));
    }

    #[test]
    fn several_tenants_need_the_strongest_tier_and_one_needs_the_weakest() {
        let of = |minimum: MinimumTier, several| minimum.of(several).unwrap().tier;
        for (several, needed) in [(false, Tier::Container), (true, Tier::Isolated)] {
            assert_eq!(of(MinimumTier::ByTenants, several), Some(needed));
            assert_eq!(of(MinimumTier::Off, several), None);
            assert_eq!(of(MinimumTier::AtLeast(Tier::Isolated), several), Some(Tier::Isolated));
        }
        for tier in [Tier::Container, Tier::Namespaced] {
            assert_eq!(of(MinimumTier::AtLeast(tier), false), Some(tier));
            let refused = MinimumTier::AtLeast(tier).of(true).unwrap_err().to_string();
            let expected = format!("serving several tenants with native programs in tier `{tier}` is denied");
            assert!(refused.starts_with(&expected) && refused.contains("`isolated` or `off`"), "{refused}");
        }
    }

    #[test]
    fn a_form_that_is_met_by_less_than_it_asks_for_is_not_met() {
        let form = Form { namespaces: true, settings: None, users: None, cgroups: None };
        let enforced = Enforced { namespaces: true, identity: false, landlock_abi: 4, cgroups: 0, own_locks: true };
        assert!(form.is_met_by(&enforced));
        assert!(!form.is_met_by(&Enforced { namespaces: false, ..enforced }));
        assert!(!form.is_met_by(&Enforced { landlock_abi: 0, ..enforced }));
        let shared = Form { namespaces: false, ..form };
        assert!(!shared.is_met_by(&Enforced { namespaces: false, ..enforced }), "no scopes");
        assert!(shared.is_met_by(&Enforced { namespaces: false, landlock_abi: 6, ..enforced }));
    }
}
