//! What a caller must be allowed to, to use a route or a method.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a caller must be allowed to do: every REST route and every gRPC method needs one role.
///
/// A role is a kind of use, not a person: somebody may hold several. The order is that of trust, least first, so
/// that a list sorts by it; it does not say that a role includes those before it. Predicting and reading results
/// are separate: a client that sends requests need not see what was judged.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Asking without credentials: whether a service lives and is ready, and how its interface is described.
    Public,
    /// Sending requests to models and asking what they take: `ModelInfer`, `ModelMetadata`, `POST /prediction`.
    Predict,
    /// Seeing what is there, without changing it: specs, checks, alerts, lists of packages, status.
    Read,
    /// Changing what is judged and what alerts: registering, changing, disabling and deleting metric specs.
    Operate,
    /// Changing what runs: installing and removing packages, `RepositoryModelLoad` and `RepositoryModelUnload`.
    Admin,
}

impl Role {
    /// Every role, the least trusted first.
    pub const ALL: [Self; 5] =
        [Self::Public, Self::Predict, Self::Read, Self::Operate, Self::Admin];

    /// Returns the name as it stands in documents and settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Predict => "predict",
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_written_and_read_by_its_name() {
        for role in Role::ALL {
            let text = serde_json::to_string(&role).unwrap();
            assert_eq!(text, format!("\"{role}\""));
            assert_eq!(serde_json::from_str::<Role>(&text).unwrap(), role);
        }
        assert!(serde_json::from_str::<Role>("\"root\"").is_err());
    }

    #[test]
    fn roles_are_in_the_order_of_trust() {
        assert!(Role::ALL.is_sorted());
    }
}
