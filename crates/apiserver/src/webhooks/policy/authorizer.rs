//! Answers what expressions ask about access, by the server's own authorizer.

use std::fmt;
use std::sync::Arc;

use api::policy::{Answer, Authorize, Question};

use super::super::asked::Asked;
use crate::authz::{Attributes, Authorizer, Decision};
use crate::user::UserInfo;

/// Whoever writes, and who can be asked about them.
struct Writer {
    user: UserInfo,
    authorizer: Arc<dyn Authorizer>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("user", &self.user).finish_non_exhaustive()
    }
}

/// For the expressions about one write.
pub(super) fn of(asked: &Asked<'_>) -> Arc<dyn Authorize> {
    let (user, authorizer) = (asked.call.user.clone(), asked.call.shared.authorizer.clone());
    Arc::new(Writer { user, authorizer })
}

/// What the write is of.
pub(super) fn of_request(asked: &Asked<'_>) -> Question {
    let kind = asked.call.kind;
    Question {
        group: kind.group.to_string(),
        resource: kind.plural.to_string(),
        subresource: asked.subresource().to_owned(),
        namespace: asked.namespace.clone(),
        name: asked.name.clone(),
        ..Question::default()
    }
}

impl Authorize for Writer {
    fn authorize(&self, question: &Question) -> Answer {
        let account = question.account.as_ref().map(|(namespace, name)| {
            let groups = [
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
            ];
            UserInfo::new(format!("system:serviceaccount:{namespace}:{name}"), groups)
        });
        let decision = self.authorizer.authorize(&Attributes {
            user: account.as_ref().unwrap_or(&self.user),
            verb: &question.verb,
            group: &question.group,
            resource: &question.resource,
            subresource: &question.subresource,
            namespace: &question.namespace,
            name: &question.name,
            path: &question.path,
            fields: &[],
        });
        let allowed = decision.is_allowed();
        let (Decision::Allow(reason) | Decision::Deny(reason)) = decision;
        Answer { allowed, reason }
    }
}
