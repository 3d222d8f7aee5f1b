//! The tenants that there are, and what each may use beside what the sandbox bounds.

use std::collections::HashMap;

use sandbox::Principal;
use thiserror::Error;

/// Whom the server serves.
#[derive(Clone, Debug, Default)]
pub(crate) enum Roster {
    /// One user, who has all of the server.
    #[default]
    One,
    /// Tenants: these and, where there is a quota for others, any.
    Many { named: HashMap<Principal, Quota>, others: Option<Quota> },
}

/// What a tenant may use over time. Absent is without a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) calls_per_minute: Option<u64>,
    pub(crate) cpu_seconds_per_day: Option<u64>,
}

/// Why a name is that of no tenant.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum NoTenant {
    #[error("this server has tenants, and one must be named")]
    Unnamed,
    #[error(
        "this server has no tenants: it serves one user, to whom everything belongs. A section `[tenants.{0}]` in \
         belljar.toml makes one"
    )]
    None(String),
    #[error(
        "there is no tenant `{0}`: name it in a section `[tenants.{0}]` of belljar.toml, or let `[tenants.default]` stand for any"
    )]
    Unknown(String),
    #[error("{0}")]
    Name(String),
}

impl Roster {
    /// The tenant of a name that the server or its operator chose, or the one user
    /// where none is named.
    ///
    /// # Errors
    ///
    /// When there is none of that name.
    pub(crate) fn find(&self, name: Option<&str>) -> Result<Principal, NoTenant> {
        match (self, name) {
            (Self::One, None) => Ok(Principal::local()),
            (Self::One, Some(name)) => Err(NoTenant::None(name.chars().take(64).collect())),
            (Self::Many { .. }, None) => Err(NoTenant::Unnamed),
            (Self::Many { named, others }, Some(name)) => {
                let principal = Principal::new(name).map_err(|error| NoTenant::Name(error.to_string()))?;
                if others.is_none() && !named.contains_key(&principal) {
                    return Err(NoTenant::Unknown(name.to_owned()));
                }
                Ok(principal)
            }
        }
    }

    /// Whether a tenant may be of any name.
    pub(crate) const fn takes_any(&self) -> bool {
        matches!(self, Self::Many { others: Some(_), .. })
    }

    /// Whether a tenant of that name is in the configuration.
    pub(crate) fn names(&self, name: &str) -> bool {
        let Self::Many { named, .. } = self else { return false };
        Principal::new(name).is_ok_and(|principal| named.contains_key(&principal))
    }

    /// Whether there is a tenant that may not use everything at any time.
    pub(crate) fn has_quotas(&self) -> bool {
        let Self::Many { named, others } = self else { return false };
        named.values().chain(others).any(|quota| *quota != Quota::default())
    }

    /// What a tenant may use over time.
    pub(crate) fn quota(&self, principal: &Principal) -> Quota {
        match self {
            Self::One => Quota::default(),
            Self::Many { named, others } => named.get(principal).copied().or(*others).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_named_in_the_configuration_or_one_of_any() {
        let found = |roster: &Roster, name| roster.find(name).map(|principal| principal.directory_name().to_owned());
        assert_eq!(found(&Roster::One, None), Ok("local".into()));
        assert!(found(&Roster::One, Some("a")).unwrap_err().to_string().contains("[tenants.a]"));
        let quota = Quota { calls_per_minute: Some(5), cpu_seconds_per_day: None };
        let named = HashMap::from([(Principal::new("a").unwrap(), quota)]);
        let closed = Roster::Many { named: named.clone(), others: None };
        assert_eq!(found(&closed, Some("a")), Ok("a".into()));
        assert_eq!(found(&closed, Some("b")), Err(NoTenant::Unknown("b".into())));
        assert_eq!(found(&closed, None), Err(NoTenant::Unnamed));
        let open = Roster::Many { named, others: Some(Quota::default()) };
        assert_eq!(found(&open, Some("b")), Ok("b".into()));
        for name in ["local", "../b", "B", ""] {
            assert!(matches!(found(&open, Some(name)), Err(NoTenant::Name(_))), "{name}");
        }
        let of = |roster: &Roster, name| roster.quota(&Principal::new(name).unwrap()).calls_per_minute;
        assert_eq!((of(&open, "a"), of(&open, "b"), of(&Roster::One, "a")), (Some(5), None, None));
    }
}
