//! What a credential lets its holder do.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// One scope. Each later one includes those before it, so that whoever may do more
/// need not list what is less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// Looks at what is there and changes nothing.
    Read,
    /// Runs programs, and changes sessions and their files.
    Execute,
    /// All that a credential can let its holder do.
    Admin,
}

impl Scope {
    /// All scopes, from the least to the most.
    pub(crate) const ALL: [Self; 3] = [Self::Read, Self::Execute, Self::Admin];

    /// The name of the scope in tokens, challenges and configuration.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Read => "sandbox:read",
            Self::Execute => "sandbox:execute",
            Self::Admin => "sandbox:admin",
        }
    }

    /// Whether who has it may do what needs `other`.
    const fn includes(self, other: Self) -> bool {
        self as u8 >= other as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|scope| scope.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("a scope must be one of {names}, got {:?}", text.chars().take(40).collect::<String>())
        })
    }
}

/// The scopes of one credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// The scopes that let their holder do everything.
    pub(crate) fn all() -> Self {
        Self::from_iter([Scope::Admin])
    }

    /// The scopes among the words of a list; words that name none are for others, with
    /// whom a token may be shared.
    #[cfg(test)]
    pub(crate) fn among(list: &str) -> Self {
        list.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect()
    }

    /// Whether they let their holder do what needs `needed`.
    pub(crate) fn allow(&self, needed: Scope) -> bool {
        self.0.iter().any(|scope| scope.includes(needed))
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|scope| scope.name()).collect();
        formatter.write_str(&names.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_includes_those_that_are_less_and_none_that_is_more() {
        use Scope::{Admin, Execute, Read};
        for (has, allowed) in [("sandbox:read", 1), ("sandbox:execute", 2), ("sandbox:admin", 3), ("", 0)] {
            let scopes = Scopes::among(has);
            assert_eq!(
                [Read, Execute, Admin].map(|needed| scopes.allow(needed)).iter().filter(|it| **it).count(),
                allowed
            );
            assert!(allowed == 0 || scopes.allow(Read), "{has}");
        }
        assert!(Scopes::all().allow(Admin) && Scopes::default().is_empty());
    }

    #[test]
    fn words_that_are_no_scope_of_ours_grant_nothing() {
        let scopes = Scopes::among("openid  sandbox:read SANDBOX:ADMIN sandbox:* sandbox:admin\u{a0} sandbox");
        assert_eq!(scopes.to_string(), "sandbox:read");
        assert!("sandbox:write".parse::<Scope>().unwrap_err().contains("sandbox:read, sandbox:execute, sandbox:admin"));
    }
}
