//! What follows from the claims of a token, as an AuthenticationConfiguration says it.

use std::fmt;
use std::sync::Arc;

use api::cel::CALL_COST_MAX;
use cel::{Budget, Program, Value as CelValue, Variables};
use serde_json::{Value, json};

use super::claims::ClaimsError;
use crate::user::UserInfo;

/// An expression of the configuration.
#[derive(Clone)]
pub(crate) struct Expression {
    text: String,
    program: Arc<Program>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A part of a user.
#[derive(Debug, Clone)]
pub(crate) enum From {
    Claim { claim: String, prefix: String },
    Expression(Expression),
}

/// What the claims of a token must be like.
#[derive(Debug, Clone)]
pub(crate) enum ClaimRule {
    Required { claim: String, value: String },
    Expression { check: Expression, message: String },
}

/// What a user must be like.
#[derive(Debug, Clone)]
pub(crate) struct UserRule {
    pub(crate) check: Expression,
    pub(crate) message: String,
}

/// All that is said of the users of an issuer.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    pub(crate) username: From,
    pub(crate) groups: Option<From>,
    pub(crate) uid: Option<From>,
    pub(crate) extra: Vec<(String, Expression)>,
    pub(crate) claim_rules: Vec<ClaimRule>,
    pub(crate) user_rules: Vec<UserRule>,
}

/// Why an expression says nothing of use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MappingError {
    #[error("oidc: error evaluating {what} claim expression: {why}")]
    Part { what: &'static str, why: String },
    #[error("oidc: empty username via CEL expression is not allowed")]
    NoName,
    #[error("oidc: error evaluating {what}: {why}")]
    Rule { what: &'static str, why: String },
}

impl Expression {
    pub(crate) fn new(text: &str, program: Program) -> Self {
        Self { text: text.to_owned(), program: Arc::new(program) }
    }

    /// Its value as JSON, of one variable.
    fn value(&self, name: &'static str, of: &Value) -> Result<Value, String> {
        let mut variables = Variables::new();
        variables.json(name, of);
        let value = self.program.evaluate(&variables, &mut Budget::new(CALL_COST_MAX));
        let value: CelValue<'_> = value.map_err(|error| error.to_string())?;
        value.to_json().ok_or_else(|| "its value has no form in JSON".to_owned())
    }

    fn check(&self, name: &'static str, of: &Value, message: &str) -> Result<(), String> {
        match self.value(name, of)? {
            Value::Bool(true) => Ok(()),
            Value::Bool(false) => {
                Err(format!("validation expression '{}' failed: {message}", self.text))
            }
            _ => Err("validation expression must return a boolean".to_owned()),
        }
    }
}

impl Mapping {
    /// The user of these claims.
    pub(super) fn user(&self, claims: &Value) -> Result<UserInfo, ClaimsError> {
        let mut user = UserInfo::new(self.name(claims)?, self.groups(claims)?);
        user.uid = match &self.uid {
            Some(from) => one_text("uid", from, claims)?,
            None => String::new(),
        };
        for (key, value) in &self.extra {
            let values = value.value("claims", claims).and_then(|value| texts(&value));
            let values = values.map_err(|why| part("extra", why))?;
            if !values.is_empty() {
                user.extra.insert(key.clone(), values);
            }
        }
        user.extra.extend(super::claims::credential(claims));
        self.check_claims(claims)?;
        self.check_user(&user)?;
        Ok(user)
    }

    fn name(&self, claims: &Value) -> Result<String, ClaimsError> {
        if let From::Claim { claim, .. } = &self.username
            && claim == "email"
            && !claims["email_verified"].is_null()
            && claims["email_verified"] != true
        {
            return Err(ClaimsError::EmailNotVerified);
        }
        let name = one_text("username", &self.username, claims)?;
        if name.is_empty() { Err(MappingError::NoName.into()) } else { Ok(name) }
    }

    fn groups(&self, claims: &Value) -> Result<Vec<String>, ClaimsError> {
        match &self.groups {
            None => Ok(Vec::new()),
            Some(From::Claim { claim, prefix }) => {
                let found = texts(&claims[claim.as_str()]);
                let found = found.map_err(|_| ClaimsError::Groups(claim.clone()))?;
                Ok(found.into_iter().map(|group| format!("{prefix}{group}")).collect())
            }
            Some(From::Expression(expression)) => {
                let found = expression.value("claims", claims).and_then(|value| texts(&value));
                Ok(found.map_err(|why| part("group", why))?)
            }
        }
    }

    fn check_claims(&self, claims: &Value) -> Result<(), ClaimsError> {
        for rule in &self.claim_rules {
            match rule {
                ClaimRule::Required { claim, value } => {
                    super::claims::required(claims, claim, value)?;
                }
                ClaimRule::Expression { check, message } => {
                    let what = "claim validation expression";
                    let checked = check.check("claims", claims, message);
                    checked.map_err(|why| MappingError::Rule { what, why })?;
                }
            }
        }
        Ok(())
    }

    fn check_user(&self, user: &UserInfo) -> Result<(), ClaimsError> {
        let given = user.groups.iter().filter(|group| *group != crate::user::AUTHENTICATED);
        let shown = json!({
            "username": user.name,
            "uid": user.uid,
            "groups": given.collect::<Vec<_>>(),
            "extra": user.extra,
        });
        for rule in &self.user_rules {
            let what = "user info validation rule";
            let checked = rule.check.check("user", &shown, &rule.message);
            checked.map_err(|why| MappingError::Rule { what, why })?;
        }
        Ok(())
    }
}

fn part(what: &'static str, why: String) -> MappingError {
    MappingError::Part { what, why }
}

fn one_text(what: &'static str, from: &From, claims: &Value) -> Result<String, ClaimsError> {
    match from {
        From::Claim { claim, prefix } => {
            let found = claims[claim.as_str()].as_str();
            let found = found.ok_or_else(|| ClaimsError::NoUser(claim.clone()))?;
            Ok(format!("{prefix}{found}"))
        }
        From::Expression(expression) => match expression.value("claims", claims) {
            Ok(Value::String(text)) => Ok(text),
            Ok(_) => Err(part(what, "expression must return a string".to_owned()).into()),
            Err(why) => Err(part(what, why).into()),
        },
    }
}

/// A text or a list of texts; empty ones are none.
fn texts(value: &Value) -> Result<Vec<String>, String> {
    let wrong = || "expression must return a string or a list of strings".to_owned();
    let all = match value {
        Value::Null => Vec::new(),
        Value::String(one) => vec![one.clone()],
        Value::Array(all) => {
            let texts = all.iter().map(|one| one.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().ok_or_else(wrong)?
        }
        _ => return Err(wrong()),
    };
    Ok(all.into_iter().filter(|text: &String| !text.is_empty()).collect())
}
