//! Which kinds somebody should look at twice when they change.

use serde::{Deserialize, Serialize};

use super::Resource;

/// What a change of a resource can do beyond the resource itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// It defines a kind: with it go all resources of that kind.
    Definition,
    /// Everything in a namespace goes with it.
    Namespace,
    /// It holds data, or says where data is held.
    Data,
    /// It says who may do what.
    Rights,
    /// It judges or changes what others ask of the cluster.
    Admission,
    /// It says who may reach whom.
    Network,
    /// It holds what nobody should read.
    Secret,
}

impl Risk {
    /// Returns what a resource can do to others; nothing for most kinds.
    pub fn of(resource: &Resource) -> Option<Self> {
        Some(match (resource.group.as_str(), resource.kind.as_str()) {
            ("apiextensions.k8s.io", "CustomResourceDefinition") => Self::Definition,
            ("", "Namespace") => Self::Namespace,
            ("", "PersistentVolume" | "PersistentVolumeClaim")
            | ("apps", "StatefulSet")
            | ("storage.k8s.io", "StorageClass") => Self::Data,
            ("rbac.authorization.k8s.io", _) | ("", "ServiceAccount") => Self::Rights,
            ("admissionregistration.k8s.io", _) | ("apiregistration.k8s.io", "APIService") => Self::Admission,
            ("networking.k8s.io", "NetworkPolicy") => Self::Network,
            ("", "Secret") => Self::Secret,
            _ => return None,
        })
    }

    /// Returns it in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Definition => "defines a kind",
            Self::Namespace => "holds a whole namespace",
            Self::Data => "holds data",
            Self::Rights => "grants rights",
            Self::Admission => "judges what others ask for",
            Self::Network => "opens or closes traffic",
            Self::Secret => "is not shown",
        }
    }
}
