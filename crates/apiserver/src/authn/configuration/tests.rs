use serde_json::{Value, json};

use super::*;

fn parse(text: &str) -> Result<AuthenticationConfiguration, String> {
    let text = format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n{text}"
    );
    AuthenticationConfiguration::parse("f", &text).map_err(|error| error.to_string())
}

/// The file has this to be complained of.
#[track_caller]
fn check_wrong(text: &str, expected: &str) {
    let error = parse(text).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

/// The user of these claims, or why there is none.
#[track_caller]
fn check(mappings: &str, claims: Value, expected: Result<Value, &str>) {
    let issuer = "jwt:\n- issuer: {url: \"https://i\", audiences: [us]}\n";
    let found = parse(&format!("{issuer}{mappings}")).unwrap();
    let mut all = json!({"iss": "https://i", "aud": "us", "exp": 1000});
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    let user = found.issuers[0].user_of(&all, 500).map_err(|error| error.to_string());
    let user = user.map(|user| {
        json!({"name": user.name, "uid": user.uid, "groups": user.groups, "extra": user.extra})
    });
    assert_eq!(user, expected.map_err(str::to_owned));
}

#[test]
fn users_follow_from_claims_and_expressions() {
    let plain = "  claimMappings:\n    username: {claim: sub, prefix: \"i:\"}\n    groups: {claim: teams, prefix: \"\"}\n";
    let user = json!({"name": "i:amy", "uid": "", "groups": ["a", "b", "system:authenticated"], "extra": {}});
    check(plain, json!({"sub": "amy", "teams": ["a", "b"]}), Ok(user));
    let nobody = "oidc: parse username claims \"sub\": claim not present";
    check(plain, json!({}), Err(nobody));
    let mapped = r#"  claimMappings:
    username: {expression: "claims.sub + '@' + claims.org"}
    groups: {expression: "claims.roles.split(',')"}
    uid: {claim: id}
    extra: [{key: example.com/org, valueExpression: claims.org}, {key: example.com/none, valueExpression: "''"}]
"#;
    let claims = json!({"sub": "amy", "org": "shop", "roles": "dev,,ops", "id": "7"});
    let user = json!({"name": "amy@shop", "uid": "7", "groups": ["dev", "ops", "system:authenticated"],
        "extra": {"example.com/org": ["shop"]}});
    check(mapped, claims, Ok(user));
    let broken = json!({"sub": "amy", "roles": "", "id": "7"});
    check(
        mapped,
        broken,
        Err("oidc: error evaluating username claim expression: no such key: org"),
    );
}

#[test]
fn rules_keep_users_out() {
    let rules = r#"  claimMappings:
    username: {claim: sub, prefix: ""}
  claimValidationRules:
  - {claim: hd, requiredValue: example.com}
  - {expression: "claims.exp - claims.iat <= 900", message: lives too long}
  userValidationRules:
  - {expression: "!user.username.startsWith('system:')", message: reserved}
"#;
    let claims = |sub: &str, iat: i64| json!({"sub": sub, "hd": "example.com", "iat": iat});
    let amy = json!({"name": "amy", "uid": "", "groups": ["system:authenticated"], "extra": {}});
    check(rules, claims("amy", 400), Ok(amy));
    check(
        rules,
        claims("amy", 0),
        Err(
            "oidc: error evaluating claim validation expression: validation expression 'claims.exp - claims.iat <= 900' failed: lives too long",
        ),
    );
    check(
        rules,
        claims("system:admin", 400),
        Err(
            "oidc: error evaluating user info validation rule: validation expression '!user.username.startsWith('system:')' failed: reserved",
        ),
    );
    check(
        rules,
        json!({"sub": "amy", "iat": 400}),
        Err("oidc: required claim hd not present in ID token"),
    );
}

#[test]
fn what_makes_no_sense_is_told_by_field() {
    let jwt = |issuer: &str, more: &str| format!("jwt:\n- issuer: {{{issuer}}}\n{more}");
    let named = "  claimMappings: {username: {claim: sub, prefix: \"\"}}\n";
    let us = "url: \"https://i\", audiences: [us]";
    assert!(parse(&jwt(us, named)).is_ok());
    check_wrong(
        &jwt("url: \"http://i\", audiences: [us]", named),
        "jwt[0].issuer.url: Invalid value: \"http://i\": URL scheme must be https",
    );
    check_wrong(
        &jwt("url: \"https://i\"", named),
        "jwt[0].issuer.audiences: Required value: at least one jwt[0].issuer.audiences is required",
    );
    check_wrong(
        &jwt("url: \"https://i\", audiences: [a, b]", named),
        "audienceMatchPolicy must be MatchAny for multiple audiences",
    );
    check_wrong(
        &jwt(&format!("{us}, certificateAuthority: none"), named),
        "jwt[0].issuer.certificateAuthority: Invalid value: \"<omitted>\": data does not contain any valid RSA or ECDSA certificates",
    );
    check_wrong(
        &jwt(us, "  claimMappings: {}\n"),
        "jwt[0].claimMappings.username: Required value: claim or expression is required",
    );
    check_wrong(
        &jwt(us, "  claimMappings: {username: {claim: sub}}\n"),
        "prefix is required when claim is set",
    );
    check_wrong(
        &jwt(us, "  claimMappings: {username: {expression: \"claims.(\"}}\n"),
        "jwt[0].claimMappings.username.expression: Invalid value: \"claims.(\": compilation failed",
    );
    check_wrong(
        &jwt(us, "  claimMappings: {username: {expression: claims.email}}\n"),
        "claims.email_verified must be used",
    );
    let extra = "  claimMappings: {username: {claim: sub, prefix: \"\"}, extra: [{key: x.k8s.io/y, valueExpression: \"'a'\"}]}\n";
    check_wrong(
        &jwt(us, extra),
        "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use",
    );
    let twice = format!("{}- issuer: {{{us}}}\n{named}", jwt(us, named));
    check_wrong(&twice, "jwt[1].issuer.url: Duplicate value: \"https://i\"");
    check_wrong(
        "anonymous: {enabled: false, conditions: [{path: /livez}]}\n",
        "enabled should be set to true when conditions are defined",
    );
    check_wrong("other: 1\n", "unknown field");
    let kind = AuthenticationConfiguration::parse("f", "{apiVersion: v1, kind: Pod}");
    assert!(kind.unwrap_err().to_string().contains("it is a Pod of v1"));
}

#[test]
fn those_without_credentials_ask_where_the_file_says() {
    let anonymous = |text: &str| parse(text).unwrap().anonymous;
    assert_eq!(anonymous(""), None);
    assert_eq!(anonymous("anonymous: {enabled: false}\n"), Some(Anonymous::Nowhere));
    assert_eq!(anonymous("anonymous: {enabled: true}\n"), Some(Anonymous::Everywhere));
    let some = anonymous("anonymous: {enabled: true, conditions: [{path: /livez}]}\n").unwrap();
    assert!(some.may_ask("/livez") && !some.may_ask("/api"));
}
