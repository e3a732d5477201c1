//! The grammars of names: DNS labels and subdomains, label keys and values, and the like.
//!
//! A validator answers what is wrong, in upstream's words; nothing is wrong when it answers nothing.

/// The longest DNS label.
pub const LABEL_LEN_MAX: usize = 63;
/// The longest DNS subdomain.
pub const SUBDOMAIN_LEN_MAX: usize = 253;
const SUFFIX_LEN: usize = 5;
/// The characters upstream makes names of: no vowels, so no words.
const SUFFIX_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

const LABEL_ERROR: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric \
    characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or \
    '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN_ERROR: &str = "a lowercase RFC 1123 subdomain must consist of lower case \
    alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character \
    (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const WILDCARD_ERROR: &str = "a wildcard DNS-1123 subdomain must start with '*.', followed by a \
    valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and \
    end with an alphanumeric character (e.g. '*.example.com', regex used for validation is \
    '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const UNDERSCORE_ERROR: &str = "a lowercase RFC 1123 subdomain must consist of lower case \
    alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric \
    character (e.g. 'example.com', regex used for validation is \
    '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')";
const DNS1035_ERROR: &str = "a DNS-1035 label must consist of lower case alphanumeric characters \
    or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. \
    'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED_ERROR: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must \
    start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', \
    regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE_ERROR: &str = "a valid label must be an empty string or consist of alphanumeric \
    characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. \
    'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const CONFIG_KEY_ERROR: &str = "a valid config key must consist of alphanumeric characters, '-', \
    '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is \
    '[-._a-zA-Z0-9]+')";
const ENV_NAME_ERROR: &str = "a valid environment variable name must consist only of printable \
    ASCII characters other than '='";

/// Upstream's words for a text that is too long.
pub fn too_long(max: usize) -> String {
    format!("must be no more than {max} characters")
}

/// The same of a label's key or value, of which upstream counts bytes.
fn too_many_bytes(max: usize) -> String {
    format!("must be no more than {max} bytes")
}

fn is_lower_alphanumeric(c: u8) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn starts_and_ends(text: &str, edge: fn(u8) -> bool, inner: fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(&first), Some(&last)) => edge(first) && edge(last) && bytes.iter().all(|&c| inner(c)),
        _ => false,
    }
}

fn is_label_text(text: &str) -> bool {
    starts_and_ends(text, is_lower_alphanumeric, |c| is_lower_alphanumeric(c) || c == b'-')
}

fn is_name_text(text: &str) -> bool {
    let edge = |c: u8| c.is_ascii_alphanumeric();
    starts_and_ends(text, edge, |c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
}

fn length(text: &str, max: usize) -> Option<String> {
    (text.len() > max).then(|| too_long(max))
}

fn collect<const N: usize>(problems: [Option<String>; N]) -> Vec<String> {
    problems.into_iter().flatten().collect()
}

fn unless(fine: bool, message: &str) -> Option<String> {
    (!fine).then(|| message.to_owned())
}

/// A DNS label (RFC 1123): names of Namespaces, containers, volumes.
pub fn dns_label(text: &str) -> Vec<String> {
    collect([length(text, LABEL_LEN_MAX), unless(is_label_text(text), LABEL_ERROR)])
}

/// A DNS subdomain (RFC 1123): names of most objects.
pub fn dns_subdomain(text: &str) -> Vec<String> {
    let fine = text.split('.').all(is_label_text);
    collect([length(text, SUBDOMAIN_LEN_MAX), unless(fine, SUBDOMAIN_ERROR)])
}

/// A DNS subdomain whose labels may have underscores: search domains of resolvers.
pub fn dns_subdomain_with_underscore(text: &str) -> Vec<String> {
    let inner = |c: u8| is_lower_alphanumeric(c) || b"-_".contains(&c);
    let is_part = |part: &str| {
        starts_and_ends(part.strip_prefix('_').unwrap_or(part), is_lower_alphanumeric, inner)
    };
    let fine = text.split('.').all(is_part);
    collect([length(text, SUBDOMAIN_LEN_MAX), unless(fine, UNDERSCORE_ERROR)])
}

/// `*.` and a DNS subdomain: hosts of Ingresses.
pub fn wildcard_dns_subdomain(text: &str) -> Vec<String> {
    let fine = text.strip_prefix("*.").is_some_and(|rest| rest.split('.').all(is_label_text));
    collect([length(text, SUBDOMAIN_LEN_MAX), unless(fine, WILDCARD_ERROR)])
}

/// A DNS label that starts with a letter (RFC 1035): names of Services.
pub fn dns1035_label(text: &str) -> Vec<String> {
    let letter = text.bytes().next().is_some_and(|c| c.is_ascii_lowercase());
    collect([length(text, LABEL_LEN_MAX), unless(letter && is_label_text(text), DNS1035_ERROR)])
}

/// A name that may have a DNS prefix: keys of labels, annotations and finalizers.
pub fn qualified_name(text: &str) -> Vec<String> {
    let parts: Vec<_> = text.split('/').collect();
    let mut problems = Vec::new();
    let name = match parts[..] {
        [name] => name,
        ["", name] => {
            problems.push("prefix part must be non-empty".to_owned());
            name
        }
        [prefix, name] => {
            problems.extend(dns_subdomain(prefix).iter().map(|p| format!("prefix part {p}")));
            name
        }
        _ => {
            return vec![format!(
                "a valid label key {QUALIFIED_ERROR} with an optional DNS subdomain prefix and '/' \
                 (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    }
    if name.len() > LABEL_LEN_MAX {
        problems.push(format!("name part {}", too_many_bytes(LABEL_LEN_MAX)));
    }
    if !is_name_text(name) {
        problems.push(format!("name part {QUALIFIED_ERROR}"));
    }
    problems
}

/// A label's value.
pub fn label_value(text: &str) -> Vec<String> {
    let fine = text.is_empty() || is_name_text(text);
    let long = (text.len() > LABEL_LEN_MAX).then(|| too_many_bytes(LABEL_LEN_MAX));
    collect([long, unless(fine, LABEL_VALUE_ERROR)])
}

/// A key of a ConfigMap's or Secret's data.
pub fn config_map_key(text: &str) -> Vec<String> {
    let inner = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
    let fine = !text.is_empty() && text.bytes().all(inner);
    let mut problems = collect([length(text, SUBDOMAIN_LEN_MAX), unless(fine, CONFIG_KEY_ERROR)]);
    match text {
        "." => problems.push("must not be '.'".to_owned()),
        ".." => problems.push("must not be '..'".to_owned()),
        _ if text.starts_with("..") => problems.push("must not start with '..'".to_owned()),
        _ => {}
    }
    problems
}

/// The name of an environment variable, by the rule that holds since Kubernetes 1.34.
pub fn env_var_name(text: &str) -> Vec<String> {
    if text.is_empty() {
        return vec!["environment variable name must be non-empty".to_owned()];
    }
    collect([unless(text.bytes().all(|c| (b' '..=b'~').contains(&c) && c != b'='), ENV_NAME_ERROR)])
}

/// The name of a port of a container (IANA service name).
pub fn port_name(text: &str) -> Vec<String> {
    const LEN_MAX: usize = 15;
    let known = |c: u8| is_lower_alphanumeric(c) || c == b'-';
    collect([
        length(text, LEN_MAX),
        unless(
            text.bytes().all(known) && !text.is_empty(),
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
        unless(
            text.bytes().any(|c| c.is_ascii_lowercase()),
            "must contain at least one letter (a-z)",
        ),
        unless(!text.contains("--"), "must not contain consecutive hyphens"),
        unless(
            !text.starts_with('-') && !text.ends_with('-'),
            "must not begin or end with a hyphen",
        ),
    ])
}

/// A path segment: what any name must at least be.
pub fn path_segment(text: &str) -> Vec<String> {
    match text {
        "." | ".." => return vec![format!("may not be '{text}'")],
        _ => {}
    }
    collect(["/", "%"].map(|c| text.contains(c).then(|| format!("may not contain '{c}'"))))
}

/// A name from `metadata.generateName` and given randomness: the prefix, cut so that a DNS label
/// comes out, and five characters.
pub fn generate_name(prefix: &str, random: u64) -> String {
    let mut end = prefix.len().min(LABEL_LEN_MAX - SUFFIX_LEN);
    while !prefix.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{}", &prefix[..end], suffix(random))
}

/// Five characters of the alphabet from given randomness.
pub fn suffix(mut random: u64) -> String {
    let size = SUFFIX_ALPHABET.len() as u64;
    (0..SUFFIX_LEN)
        .map(|_| {
            let c = SUFFIX_ALPHABET[(random % size) as usize];
            random /= size;
            char::from(c)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(validator: fn(&str) -> Vec<String>, good: &[&str], bad: &[&str]) {
        for text in good {
            assert_eq!(validator(text), [""; 0], "{text:?}");
        }
        for text in bad {
            assert!(!validator(text).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn labels_and_subdomains() {
        check(dns_label, &["a", "1", "a-b", &"x".repeat(63)], &["", "-a", "a-", "A", "a.b", "é"]);
        check(dns_label, &[], &[&"x".repeat(64)]);
        check(dns_subdomain, &["a", "a.b-c.1"], &["", ".a", "a.", "a..b", "A", "a_b"]);
        check(dns1035_label, &["a1", "a-1"], &["1a", "", "a.b", "-a"]);
        check(wildcard_dns_subdomain, &["*.a.b"], &["a.b", "*.", "*a.b", "*.*.a"]);
    }

    #[test]
    fn label_keys_and_values() {
        let good = ["a", "a/b", "app.kubernetes.io/name", "A_b.c"];
        check(qualified_name, &good, &["", "/a", "a/", "a/b/c", "A/b", "a b", "-a"]);
        check(label_value, &["", "a", "A_b.c-1"], &["-a", "a b", "a/b", &"x".repeat(64)]);
    }

    #[test]
    fn keys_env_names_and_ports() {
        check(config_map_key, &["a.b", "A_", "-"], &["", ".", "..", "..a", "a/b"]);
        check(env_var_name, &["A", "a b", "1.x-y"], &["", "a=b", "a\n", "é"]);
        check(port_name, &["http", "h2c-1"], &["", "80", "-a", "a--b", "HTTP", &"x".repeat(16)]);
    }

    #[test]
    fn messages_are_upstreams() {
        assert_eq!(
            dns_label("A"),
            ["a lowercase RFC 1123 label must consist of lower case alphanumeric characters or \
              '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or \
              '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"]
        );
        assert_eq!(qualified_name("/a"), ["prefix part must be non-empty"]);
    }

    #[test]
    fn generated_names_are_labels_that_differ() {
        let long = "x".repeat(80);
        for random in [0, 1, 27, u64::MAX] {
            let name = generate_name(&long, random);
            assert_eq!((name.len(), dns_label(&name)), (63, vec![]));
        }
        assert_ne!(generate_name("web-", 1), generate_name("web-", 2));
    }

    #[test]
    fn a_prefix_is_never_cut_inside_a_character() {
        assert!(generate_name(&"é".repeat(40), 7).len() <= 63);
    }
}
