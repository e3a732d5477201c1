//! Links of a proxied page: those from the root of their host lead through the proxy again.

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, StatusCode, Uri};

use crate::error::{ApiError, ApiResult};

/// Pages that are longer keep their links as they are.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// The attributes that hold a URL, by element.
const ATTRIBUTES: [(&str, &[&str]); 26] = [
    ("a", &["href"]),
    ("applet", &["codebase"]),
    ("area", &["href"]),
    ("audio", &["src"]),
    ("base", &["href"]),
    ("blockquote", &["cite"]),
    ("body", &["background"]),
    ("button", &["formaction"]),
    ("command", &["icon"]),
    ("del", &["cite"]),
    ("embed", &["src"]),
    ("form", &["action"]),
    ("frame", &["longdesc", "src"]),
    ("head", &["profile"]),
    ("html", &["manifest"]),
    ("iframe", &["longdesc", "src"]),
    ("img", &["longdesc", "src", "usemap"]),
    ("input", &["formaction", "src", "usemap"]),
    ("ins", &["cite"]),
    ("link", &["href"]),
    ("object", &["classid", "codebase", "data", "usemap"]),
    ("q", &["cite"]),
    ("script", &["src"]),
    ("source", &["src"]),
    ("track", &["src"]),
    ("video", &["poster", "src"]),
];

/// Where links come from and should lead.
pub(super) struct Links<'a> {
    /// The proxy's own path, without the last slash.
    pub(super) prefix: &'a str,
    /// The names by which the other side may call itself.
    pub(super) hosts: [&'a str; 2],
}

impl Links<'_> {
    /// The link as the client can follow it, or `None` where it is good as it is.
    fn rewritten(&self, link: &str) -> Option<String> {
        let path = if link.starts_with('/') && !link.starts_with("//") {
            link
        } else {
            let rest = link.strip_prefix("http:").or_else(|| link.strip_prefix("https:"));
            let rest = rest.unwrap_or(link).strip_prefix("//")?;
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (host, path) = rest.split_at(end);
            if !self.hosts.contains(&host) || !path.starts_with('/') {
                return None;
            }
            path
        };
        let within = path.strip_prefix(self.prefix);
        within.is_none().then(|| format!("{}{path}", self.prefix))
    }
}

pub(super) async fn response(links: &Links<'_>, mut response: Response) -> ApiResult<Response> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(response);
    }
    if let Some(location) = response.headers().get(LOCATION) {
        let location = location.to_str().ok().filter(|text| text.parse::<Uri>().is_ok());
        if let Some(new) = location.and_then(|location| links.rewritten(location)) {
            let new = HeaderValue::from_str(&new).expect("a URI and a path are visible ASCII");
            response.headers_mut().insert(LOCATION, new);
        }
        return Ok(response);
    }
    if is_plain_html(&response) { page(links, response).await } else { Ok(response) }
}

fn is_plain_html(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or("").trim();
    kind == "text/html" && !response.headers().contains_key(CONTENT_ENCODING)
}

async fn page(links: &Links<'_>, response: Response) -> ApiResult<Response> {
    let (mut parts, body) = response.into_parts();
    let mut stream = body.into_data_stream();
    let mut whole = BytesMut::new();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| {
            ApiError::unavailable(format!("error trying to reach service: {error}"))
        })?;
        whole.extend_from_slice(&piece);
        if whole.len() > PAGE_BYTES_MAX {
            let read = futures::stream::iter([Ok(whole.freeze())]);
            return Ok(Response::from_parts(parts, Body::from_stream(read.chain(stream))));
        }
    }
    let page = rewrite(links, whole.freeze());
    // The answer to a HEAD has the length of a page that is not there.
    if !page.is_empty() {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(page.len()));
    }
    Ok(Response::from_parts(parts, Body::from(page)))
}

fn rewrite(links: &Links<'_>, page: Bytes) -> Bytes {
    let Ok(text) = std::str::from_utf8(&page) else { return page };
    let mut new = String::with_capacity(text.len() + 1024);
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        new.push_str(before);
        rest = element(links, tag, &mut new);
    }
    new.push_str(rest);
    new.into()
}

/// Copies a tag, or a comment, or a `<` that is none; returns what comes behind.
fn element<'a>(links: &Links<'_>, text: &'a str, new: &mut String) -> &'a str {
    if text.starts_with("<!--") {
        let end = text.find("-->").map_or(text.len(), |at| at + 3);
        new.push_str(&text[..end]);
        return &text[end..];
    }
    let name_end =
        text[1..].find(|c: char| !c.is_ascii_alphanumeric()).map_or(text.len(), |n| n + 1);
    let name = text[1..name_end].to_ascii_lowercase();
    let known = ATTRIBUTES.iter().find(|(element, _)| *element == name);
    new.push_str(&text[..name_end]);
    let mut rest = &text[name_end..];
    let Some((_, attributes)) = known else { return rest };
    while !rest.is_empty() && !rest.starts_with('>') {
        rest = attribute(links, attributes, rest, new);
    }
    rest
}

/// Copies one attribute, or what stands before it.
fn attribute<'a>(links: &Links<'_>, known: &[&str], text: &'a str, new: &mut String) -> &'a str {
    let is_name = |c: char| !(c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/' | '"' | '\''));
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    if end == 0 {
        let first = text.chars().next().map_or(0, char::len_utf8);
        new.push_str(&text[..first]);
        return &text[first..];
    }
    let (name, rest) = text.split_at(end);
    new.push_str(name);
    let Some(value) = rest.trim_start().strip_prefix('=') else { return rest };
    let value = value.trim_start();
    new.push_str(&rest[..rest.len() - value.len()]);
    let (quote, value) = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => (Some(quote), &value[1..]),
        _ => (None, value),
    };
    let end = match quote {
        Some(quote) => value.find(quote),
        None => value.find(|c: char| c.is_ascii_whitespace() || c == '>'),
    };
    let (link, rest) = value.split_at(end.unwrap_or(value.len()));
    let is_link = known.contains(&name.to_ascii_lowercase().as_str());
    let rewritten = if is_link { links.rewritten(link.trim()) } else { None };
    new.extend(quote);
    new.push_str(rewritten.as_deref().unwrap_or(link));
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINKS: Links<'_> = Links { prefix: "/p/proxy", hosts: ["10.0.0.1:80", "api:6443"] };

    #[track_caller]
    fn check(page: &str, expected: &str) {
        let rewritten = rewrite(&LINKS, Bytes::copy_from_slice(page.as_bytes()));
        assert_eq!(std::str::from_utf8(&rewritten).unwrap(), expected);
    }

    #[track_caller]
    fn unchanged(page: &str) {
        check(page, page);
    }

    #[test]
    fn links_from_the_root_lead_through_the_proxy() {
        check("<a href=\"/x\">test</a>", "<a href=\"/p/proxy/x\">test</a>");
        check("<IMG alt='/x' SRC = '/x?y'/>", "<IMG alt='/x' SRC = '/p/proxy/x?y'/>");
        check("<a href=/x>t</a>", "<a href=/p/proxy/x>t</a>");
        check("<a href='http://10.0.0.1:80/x'>", "<a href='/p/proxy/x'>");
        check("<link rel=a href=\"//api:6443/x\">", "<link rel=a href=\"/p/proxy/x\">");
    }

    #[test]
    fn other_links_stay() {
        unchanged("<a href=\"x/y\">");
        unchanged("<a href=\"https://elsewhere/x\">");
        unchanged("<a href=\"/p/proxy/x\">");
        unchanged("<a href=\"mailto:a@b\" title=\"/x\">");
        unchanged("<b href=\"/x\">");
        unchanged("<!-- <a href=\"/x\"> --> 1 < 2 <");
    }

    #[test]
    fn a_redirect_leads_through_the_proxy() {
        assert_eq!(LINKS.rewritten("http://10.0.0.1:80/login"), Some("/p/proxy/login".into()));
        assert_eq!(LINKS.rewritten("/login"), Some("/p/proxy/login".into()));
        assert_eq!(LINKS.rewritten("login"), None);
    }
}
