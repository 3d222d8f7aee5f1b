//! What the scopes of this server are called in tokens.

use crate::identity::{Scope, Scopes};

/// The name of each scope in tokens.
#[derive(Clone, Debug)]
pub(crate) struct ScopeNames(Vec<(Scope, String)>);

impl Default for ScopeNames {
    fn default() -> Self {
        Self(Scope::ALL.into_iter().map(|scope| (scope, scope.name().to_owned())).collect())
    }
}

impl ScopeNames {
    /// Calls a scope by another name.
    pub(crate) fn rename(&mut self, scope: Scope, name: &str) {
        self.0.iter_mut().filter(|(known, _)| *known == scope).for_each(|(_, known)| name.clone_into(known));
    }

    /// Whether no two scopes have the same name.
    pub(crate) fn are_distinct(&self) -> bool {
        self.0.iter().enumerate().all(|(place, (_, name))| self.0[..place].iter().all(|(_, other)| other != name))
    }

    /// The name of a scope.
    pub(crate) fn name(&self, scope: Scope) -> &str {
        self.0.iter().find(|(known, _)| *known == scope).map_or(scope.name(), |(_, name)| name)
    }

    /// The names of all scopes.
    pub(super) fn all(&self) -> Vec<&str> {
        self.0.iter().map(|(_, name)| name.as_str()).collect()
    }

    /// The scopes among the words of a token; the others are for somebody else.
    pub(super) fn among(&self, words: &[String]) -> Scopes {
        self.0.iter().filter(|(_, name)| words.contains(name)).map(|(scope, _)| *scope).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_no_scope_of_ours_grant_nothing() {
        let mut names = ScopeNames::default();
        let granted = |names: &ScopeNames, words: &[&str]| {
            names.among(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).to_string()
        };
        assert_eq!(granted(&names, &["openid", "sandbox:read", "SANDBOX:ADMIN", "sandbox:*"]), "sandbox:read");
        names.rename(Scope::Execute, "belljar.run");
        assert_eq!(granted(&names, &["sandbox:execute"]), "");
        assert_eq!(granted(&names, &["belljar.run"]), "sandbox:execute");
        assert!(names.are_distinct());
        names.rename(Scope::Read, "belljar.run");
        assert!(!names.are_distinct());
    }
}
