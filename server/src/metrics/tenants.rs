//! Tenants as a label: so many of them as the operator wants, and one for the rest. The
//! numbers of a server with a thousand tenants would be more than anybody stores.

use std::collections::HashMap;
use std::sync::Arc;

use sandbox::Principal;

/// The label of a tenant that has none of its own.
const OTHER: &str = "other";

/// The tenants that have a label of their own: those who called first.
#[derive(Clone, Debug, Default)]
pub(super) struct Tenants {
    most: usize,
    known: HashMap<Principal, Arc<str>>,
}

/// The label of a tenant, if there are any.
pub(super) type Label = Option<Arc<str>>;

impl Tenants {
    pub(super) fn new(most: usize) -> Self {
        Self { most, known: HashMap::new() }
    }

    pub(super) fn label(&mut self, principal: Option<&Principal>) -> Label {
        if self.most == 0 {
            return None;
        }
        // A caller whom nobody knows has an empty label: nothing else is told of it.
        let Some(principal) = principal else { return Some(Arc::from("")) };
        if let Some(label) = self.known.get(principal) {
            return Some(Arc::clone(label));
        }
        if self.known.len() >= self.most {
            return Some(Arc::from(OTHER));
        }
        let label = Arc::<str>::from(principal.directory_name());
        self.known.insert(principal.clone(), Arc::clone(&label));
        Some(label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_tenants_have_a_label_and_the_rest_has_one_together() {
        let named = |name: &str| Principal::new(name).unwrap();
        let mut tenants = Tenants::new(2);
        let labels = ["a", "b", "c", "a", "d"].map(|name| tenants.label(Some(&named(name))).unwrap().to_string());
        assert_eq!(labels, ["a", "b", OTHER, "a", OTHER]);
        assert_eq!(tenants.label(None).as_deref(), Some(""));
        assert_eq!(Tenants::new(0).label(Some(&named("a"))), None);
    }
}
