//! The questions a client may ask; they are answered, not stored.

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Review {
    /// Whose is this token?
    Token,
    /// Who am I?
    Identity,
    /// May somebody do this in this namespace?
    LocalAccess,
    /// May I do this?
    OwnAccess,
    /// What may I do?
    OwnRules,
    /// May somebody do this?
    Access,
}

impl Review {
    /// In discovery order.
    pub(crate) const ALL: [Review; 6] = [
        Review::Identity,
        Review::Token,
        Review::LocalAccess,
        Review::OwnAccess,
        Review::OwnRules,
        Review::Access,
    ];

    /// The question of such a resource.
    pub(super) fn find(group: &str, plural: &str, namespaced: bool) -> Option<Self> {
        Self::ALL.into_iter().find(|review| {
            review.group() == group
                && review.plural() == plural
                && review.is_namespaced() == namespaced
        })
    }

    pub(crate) fn group(self) -> &'static str {
        match self {
            Self::Identity | Self::Token => "authentication.k8s.io",
            _ => "authorization.k8s.io",
        }
    }

    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Token => "tokenreviews",
            Self::Identity => "selfsubjectreviews",
            Self::LocalAccess => "localsubjectaccessreviews",
            Self::OwnAccess => "selfsubjectaccessreviews",
            Self::OwnRules => "selfsubjectrulesreviews",
            Self::Access => "subjectaccessreviews",
        }
    }

    /// The plural without its s.
    pub(crate) fn singular(self) -> &'static str {
        self.plural().strip_suffix('s').unwrap_or(self.plural())
    }

    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Token => "TokenReview",
            Self::Identity => "SelfSubjectReview",
            Self::LocalAccess => "LocalSubjectAccessReview",
            Self::OwnAccess => "SelfSubjectAccessReview",
            Self::OwnRules => "SelfSubjectRulesReview",
            Self::Access => "SubjectAccessReview",
        }
    }

    /// Is it asked within a namespace?
    pub(crate) fn is_namespaced(self) -> bool {
        self == Self::LocalAccess
    }
}
