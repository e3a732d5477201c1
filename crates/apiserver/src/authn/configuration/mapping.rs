//! From the claims of a token to a user, as the file says: compiled once.

use std::collections::HashSet;

use api::FieldError;
use api::names::dns_subdomain;
use api::validation::ErrorKind;
use cel::{Declared, Environment, Program, Type};

use super::read::{Jwt, Part, wrong};
use crate::authn::oidc::mapping::{ClaimRule, Expression, From, Mapping, UserRule};

/// Reads what the expressions of an issuer say; nothing where something is wrong with them.
pub(super) fn compile(jwt: &Jwt, path: &str, errors: &mut Vec<FieldError>) -> Option<Mapping> {
    let before = errors.len();
    let mut compiler = Compiler { path, errors, email: false, email_verified: false };
    let claim_rules = compiler.claim_rules(jwt);
    let mappings = &jwt.claim_mappings;
    let username = compiler.part("username", &mappings.username, true);
    let groups = compiler.part("groups", &mappings.groups, false);
    let uid = compiler.uid(&mappings.uid);
    let extra = compiler.extra(jwt);
    compiler.check_email(&mappings.username.expression);
    let user_rules = compiler.user_rules(jwt);
    if errors.len() > before {
        return None;
    }
    Some(Mapping { username: username?, groups, uid, extra, claim_rules, user_rules })
}

struct Compiler<'a> {
    path: &'a str,
    errors: &'a mut Vec<FieldError>,
    email: bool,
    email_verified: bool,
}

impl Compiler<'_> {
    fn add(&mut self, kind: ErrorKind, field: &str, value: &str, detail: &str) {
        self.errors.push(wrong(kind, format!("{}.{field}", self.path), value, detail));
    }

    /// An expression about a variable; a rule's must be true or false.
    fn expression(
        &mut self,
        field: &str,
        text: &str,
        variable: &str,
        is_rule: bool,
    ) -> Option<Expression> {
        let environment: Environment =
            api::cel::environment().with_variable(variable, Declared::anything());
        let program: Program = match environment.compile(text) {
            Ok(program) => program,
            Err(error) => {
                let detail = format!("compilation failed: {error}");
                self.add(ErrorKind::Invalid, field, text, &detail);
                return None;
            }
        };
        if is_rule && !matches!(program.kind(), Type::Bool | Type::Dyn) {
            self.add(ErrorKind::Invalid, field, text, "must evaluate to bool");
            return None;
        }
        Some(Expression::new(text, program))
    }

    fn claim_rules(&mut self, jwt: &Jwt) -> Vec<ClaimRule> {
        let (mut claims, mut expressions) = (HashSet::new(), HashSet::new());
        let mut rules = Vec::new();
        for (index, rule) in jwt.claim_validation_rules.iter().enumerate() {
            let field = format!("claimValidationRules[{index}]");
            match (rule.claim.as_str(), rule.expression.as_str()) {
                ("", "") => {
                    self.add(ErrorKind::Required, &field, "", "claim or expression is required");
                }
                (claim, "") => {
                    if !rule.message.is_empty() {
                        let detail = "may not be specified when claim is set";
                        let field = format!("{field}.message");
                        self.add(ErrorKind::Invalid, &field, &rule.message, detail);
                    }
                    if !claims.insert(claim) {
                        self.add(ErrorKind::Duplicate, &format!("{field}.claim"), claim, "");
                    }
                    let (claim, value) = (claim.to_owned(), rule.required_value.clone());
                    rules.push(ClaimRule::Required { claim, value });
                }
                ("", expression) => {
                    if !rule.required_value.is_empty() {
                        let detail = "may not be specified when expression is set";
                        let field = format!("{field}.requiredValue");
                        self.add(ErrorKind::Invalid, &field, &rule.required_value, detail);
                    }
                    let field = format!("{field}.expression");
                    if !expressions.insert(expression) {
                        self.add(ErrorKind::Duplicate, &field, expression, "");
                        continue;
                    }
                    self.email_verified |= names(expression, "email_verified");
                    let compiled = self.expression(&field, expression, "claims", true);
                    let message = rule.message.clone();
                    rules.extend(compiled.map(|check| ClaimRule::Expression { check, message }));
                }
                (claim, _) => {
                    let detail = "claim and expression can't both be set";
                    self.add(ErrorKind::Invalid, &field, claim, detail);
                }
            }
        }
        rules
    }

    fn part(&mut self, which: &str, part: &Part, required: bool) -> Option<From> {
        let field = format!("claimMappings.{which}");
        match (part.claim.as_str(), part.expression.as_str()) {
            ("", "") => {
                if required {
                    self.add(ErrorKind::Required, &field, "", "claim or expression is required");
                }
                None
            }
            ("", expression) => {
                if let Some(prefix) = &part.prefix {
                    let detail = "prefix can't be set when expression is set";
                    self.add(ErrorKind::Invalid, &format!("{field}.prefix"), prefix, detail);
                }
                if which == "username" {
                    self.email |= names(expression, "email");
                    self.email_verified |= names(expression, "email_verified");
                }
                let field = format!("{field}.expression");
                self.expression(&field, expression, "claims", false).map(From::Expression)
            }
            (claim, "") => {
                if part.prefix.is_none() {
                    let detail = "prefix is required when claim is set. It can be set to an empty string to disable prefixing";
                    self.add(ErrorKind::Required, &format!("{field}.prefix"), "", detail);
                }
                let prefix = part.prefix.clone().unwrap_or_default();
                Some(From::Claim { claim: claim.to_owned(), prefix })
            }
            _ => {
                self.add(ErrorKind::Invalid, &field, "", "claim and expression can't both be set");
                None
            }
        }
    }

    fn uid(&mut self, part: &Part) -> Option<From> {
        let prefixed = Part {
            claim: part.claim.clone(),
            expression: part.expression.clone(),
            prefix: (!part.claim.is_empty()).then(String::new),
        };
        if let Some(prefix) = &part.prefix {
            self.add(
                ErrorKind::Forbidden,
                "claimMappings.uid.prefix",
                prefix,
                "a uid has no prefix",
            );
        }
        self.part("uid", &prefixed, false)
    }

    fn extra(&mut self, jwt: &Jwt) -> Vec<(String, Expression)> {
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for (index, extra) in jwt.claim_mappings.extra.iter().enumerate() {
            let field = format!("claimMappings.extra[{index}]");
            let key = extra.key.as_str();
            for detail in bad_key(key) {
                self.add(ErrorKind::Invalid, &format!("{field}.key"), key, &detail);
            }
            if !seen.insert(key) {
                self.add(ErrorKind::Duplicate, &format!("{field}.key"), key, "");
                continue;
            }
            let (field, text) = (format!("{field}.valueExpression"), &extra.value_expression);
            if text.is_empty() {
                self.add(ErrorKind::Required, &field, "", "");
                continue;
            }
            self.email_verified |= names(text, "email_verified");
            let compiled = self.expression(&field, text, "claims", false);
            found.extend(compiled.map(|value| (key.to_owned(), value)));
        }
        found
    }

    /// An address that nobody has shown to be the user's is no name.
    fn check_email(&mut self, username: &str) {
        if self.email && !self.email_verified {
            let detail = "claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression";
            self.add(ErrorKind::Invalid, "claimMappings.username.expression", username, detail);
        }
    }

    fn user_rules(&mut self, jwt: &Jwt) -> Vec<UserRule> {
        let mut seen = HashSet::new();
        let mut rules = Vec::new();
        for (index, rule) in jwt.user_validation_rules.iter().enumerate() {
            let field = format!("userValidationRules[{index}].expression");
            if rule.expression.is_empty() {
                self.add(ErrorKind::Required, &field, "", "expression is required");
                continue;
            }
            if !seen.insert(&rule.expression) {
                self.add(ErrorKind::Duplicate, &field, &rule.expression, "");
                continue;
            }
            let compiled = self.expression(&field, &rule.expression, "user", true);
            rules.extend(compiled.map(|check| UserRule { check, message: rule.message.clone() }));
        }
        rules
    }
}

/// Does an expression name this claim?
fn names(expression: &str, claim: &str) -> bool {
    let wanted = [format!("claims.{claim}"), format!("claims.?{claim}")];
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    wanted.iter().any(|name| {
        expression
            .match_indices(name.as_str())
            .any(|(at, name)| ends(&expression[at + name.len()..]))
    })
}

/// What is wrong with the name of something else that is told of a user.
fn bad_key(key: &str) -> Vec<String> {
    let (domain, path) = key.split_once('/').unwrap_or((key, ""));
    let mut wrong = match domain.is_empty() || path.is_empty() {
        true => vec!["must be a domain-prefixed path (such as \"acme.io/foo\")".to_owned()],
        false => dns_subdomain(domain),
    };
    if key != key.to_lowercase() {
        wrong.push("must be lowercase".to_owned());
    }
    let reserved = |of: &str| domain == of || domain.ends_with(&format!(".{of}"));
    if reserved("k8s.io") || reserved("kubernetes.io") {
        let detail = "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use";
        wrong.push(detail.to_owned());
    }
    wrong
}
