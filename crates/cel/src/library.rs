//! Functions: what they are called with, and what does it. A library is a table of declarations
//! (text, one overload on a line) and the functions behind the names.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use crate::budget::Budget;
use crate::error::EvalError;
use crate::types::Type;
use crate::value::Value;

mod convert;
mod lists;
mod network;
mod numbers;
mod operators;
mod optional;
mod regex;
mod semver;
mod text_format;
mod texts;
mod times;
mod urls;

pub(crate) use regex::is_regex;

/// A function: of a member function the target comes first.
pub type Function = for<'a> fn(&[Value<'a>], &mut Budget) -> Result<Value<'a>, EvalError>;

/// Declarations and the functions that do what they say.
#[derive(Debug, Clone, Copy)]
pub struct Library {
    /// One on each line: `name: (int, A) -> list(A)`, or `name: string.(int) -> string`
    /// for a member function. Capital letters are type parameters; what is no type of the
    /// language is a type of the library's own.
    pub declarations: &'static str,
    /// By name: one function for all overloads.
    pub functions: &'static [(&'static str, Function)],
}

/// One way to call a function.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Overload {
    pub function: String,
    pub member: bool,
    pub params: Vec<Type>,
    pub result: Type,
    /// How many type parameters it has.
    pub generics: u32,
}

/// All functions of an environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Functions {
    overloads: HashMap<String, Vec<Arc<Overload>>>,
    /// Libraries may share a name: what has no overload for the values passes on to the next.
    functions: HashMap<&'static str, Vec<Function>>,
    /// The libraries' own types.
    pub types: Vec<String>,
}

impl Functions {
    pub(crate) fn add(&mut self, library: &Library) {
        for line in library.declarations.lines().filter(|line| !line.trim().is_empty()) {
            // Declarations are part of the program; a test reads all of them.
            let Some(overload) = declaration(line) else { continue };
            for kind in overload.params.iter().chain([&overload.result]) {
                if let Type::Opaque(name, params) = kind
                    && params.is_empty()
                    && !self.types.iter().any(|known| **known == **name)
                {
                    self.types.push(name.to_string());
                }
            }
            let all = self.overloads.entry(overload.function.clone()).or_default();
            all.push(Arc::new(overload));
        }
        for (name, function) in library.functions {
            self.functions.entry(name).or_default().push(*function);
        }
    }

    pub(crate) fn overloads(&self, function: &str) -> Option<&[Arc<Overload>]> {
        self.overloads.get(function).map(Vec::as_slice)
    }

    pub(crate) fn functions(&self, name: &str) -> Option<&[Function]> {
        self.functions.get(name).map(Vec::as_slice)
    }
}

/// The language's own functions and those that every expression may use.
pub(crate) fn standard() -> &'static Functions {
    static STANDARD: LazyLock<Functions> = LazyLock::new(|| {
        let mut functions = Functions::default();
        for library in [STANDARD_LIBRARY, EXTENDED, NETWORK] {
            functions.add(&library);
        }
        // The other comparisons are called with what `<` is.
        for name in ["_<=_", "_>_", "_>=_"] {
            let renamed = functions.overloads["_<_"].iter().map(|overload| {
                Arc::new(Overload { function: name.to_owned(), ..Overload::clone(overload) })
            });
            let renamed = renamed.collect();
            functions.overloads.insert(name.to_owned(), renamed);
        }
        functions
    });
    &STANDARD
}

const STANDARD_LIBRARY: Library = Library {
    declarations: include_str!("library/standard.txt"),
    functions: &[
        ("!_", operators::not),
        ("_==_", operators::equal),
        ("_!=_", operators::not_equal),
        ("_<_", operators::less),
        ("_<=_", operators::less_or_equal),
        ("_>_", operators::greater),
        ("_>=_", operators::greater_or_equal),
        ("_+_", operators::add),
        ("_-_", numbers::subtract),
        ("_*_", numbers::multiply),
        ("_/_", numbers::divide),
        ("_%_", numbers::modulo),
        ("-_", numbers::negate),
        ("_[_]", operators::index),
        ("_[?_]", optional::index),
        ("_?._", optional::index),
        ("@in", operators::is_in),
        ("cel.@mapInsert", operators::map_insert),
        ("size", operators::size),
        ("type", convert::kind),
        ("dyn", convert::same),
        ("bool", convert::to_bool),
        ("int", convert::to_int),
        ("uint", convert::to_uint),
        ("double", convert::to_double),
        ("string", convert::to_string),
        ("bytes", convert::to_bytes),
        ("timestamp", convert::to_timestamp),
        ("duration", convert::to_duration),
        ("contains", texts::contains),
        ("startsWith", texts::starts_with),
        ("endsWith", texts::ends_with),
        ("matches", regex::matches),
        ("getFullYear", times::full_year),
        ("getMonth", times::month),
        ("getDayOfYear", times::day_of_year),
        ("getDayOfMonth", times::day_of_month),
        ("getDate", times::date),
        ("getDayOfWeek", times::day_of_week),
        ("getHours", times::hours),
        ("getMinutes", times::minutes),
        ("getSeconds", times::seconds),
        ("getMilliseconds", times::milliseconds),
        ("optional.of", optional::of),
        ("optional.ofNonZeroValue", optional::of_non_zero),
        ("optional.none", optional::none),
        ("hasValue", optional::has_value),
        ("value", optional::value),
        ("or", optional::or),
        ("orValue", optional::or_value),
    ],
};

const EXTENDED: Library = Library {
    declarations: include_str!("library/extended.txt"),
    functions: &[
        ("charAt", texts::char_at),
        ("indexOf", lists::index_of),
        ("lastIndexOf", lists::last_index_of),
        ("lowerAscii", texts::lower),
        ("upperAscii", texts::upper),
        ("replace", texts::replace),
        ("split", texts::split),
        ("substring", texts::substring),
        ("trim", texts::trim),
        ("join", texts::join),
        ("format", text_format::format),
        ("strings.quote", texts::quote),
        ("find", regex::find),
        ("findAll", regex::find_all),
        ("isSorted", lists::is_sorted),
        ("sum", lists::sum),
        ("min", lists::min),
        ("max", lists::max),
        ("sets.contains", lists::set_contains),
        ("sets.equivalent", lists::set_equivalent),
        ("sets.intersects", lists::set_intersects),
    ],
};

const NETWORK: Library = Library {
    declarations: include_str!("library/network.txt"),
    functions: &[
        ("url", urls::url),
        ("isURL", urls::is_url),
        ("getScheme", urls::scheme),
        ("getHost", urls::host),
        ("getHostname", urls::hostname),
        ("getPort", urls::port),
        ("getEscapedPath", urls::escaped_path),
        ("getQuery", urls::query),
        ("ip", network::ip),
        ("isIP", network::is_ip),
        ("ip.isCanonical", network::is_canonical),
        ("family", network::family),
        ("isUnspecified", network::is_unspecified),
        ("isLoopback", network::is_loopback),
        ("isLinkLocalMulticast", network::is_link_local_multicast),
        ("isLinkLocalUnicast", network::is_link_local_unicast),
        ("isGlobalUnicast", network::is_global_unicast),
        ("cidr", network::cidr),
        ("isCIDR", network::is_cidr),
        ("containsIP", network::contains_ip),
        ("containsCIDR", network::contains_cidr),
        ("masked", network::masked),
        ("prefixLength", network::prefix_length),
        ("semver", semver::semver),
        ("isSemver", semver::is_semver),
        ("major", semver::major),
        ("minor", semver::minor),
        ("patch", semver::patch),
        ("isGreaterThan", semver::is_greater),
        ("isLessThan", semver::is_less),
        ("compareTo", semver::compare),
    ],
};

/// A line of a library.
fn declaration(line: &str) -> Option<Overload> {
    let (name, rest) = line.split_once(": ")?;
    let (left, result) = rest.split_once(" -> ")?;
    let mut reader = Reader { rest: left, generics: Vec::new() };
    let mut params = Vec::new();
    let member = !left.starts_with('(');
    if member {
        params.push(reader.kind()?);
        reader.sign(".")?;
    }
    reader.sign("(")?;
    if reader.sign(")").is_none() {
        params.extend(reader.kinds()?);
        reader.sign(")")?;
    }
    let mut reader = Reader { rest: result, generics: reader.generics };
    let result = reader.kind()?;
    let generics = reader.generics.len() as u32;
    reader.rest.is_empty().then_some(())?;
    Some(Overload { function: name.to_owned(), member, params, result, generics })
}

struct Reader<'a> {
    rest: &'a str,
    generics: Vec<char>,
}

impl Reader<'_> {
    fn sign(&mut self, sign: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(sign)?;
        Some(())
    }

    fn kinds(&mut self) -> Option<Vec<Type>> {
        let mut all = vec![self.kind()?];
        while self.sign(", ").is_some() {
            all.push(self.kind()?);
        }
        Some(all)
    }

    fn kind(&mut self) -> Option<Type> {
        let mut end = self.rest.find(['(', ')', ',']).unwrap_or(self.rest.len());
        // The dot before the arguments of a member function is no part of the name.
        if self.rest[..end].ends_with('.') {
            end -= 1;
        }
        let name = &self.rest[..end];
        self.rest = &self.rest[end..];
        let mut params = Vec::new();
        if matches!(name, "list" | "map" | "optional" | "type") && self.sign("(").is_some() {
            params = self.kinds()?;
            self.sign(")")?;
        }
        let mut params = params.into_iter();
        Some(match name {
            "list" => Type::list(params.next()?),
            "map" => Type::map(params.next()?, params.next()?),
            "optional" => Type::optional(params.next()?),
            "type" => Type::Kind(Arc::new(params.next()?)),
            name => self.plain(name),
        })
    }

    fn plain(&mut self, name: &str) -> Type {
        match name {
            "dyn" => Type::Dyn,
            "bool" => Type::Bool,
            "int" => Type::Int,
            "uint" => Type::Uint,
            "double" => Type::Double,
            "string" => Type::String,
            "bytes" => Type::Bytes,
            "timestamp" => Type::Timestamp,
            "duration" => Type::Duration,
            "A" | "B" => {
                let letter = if name == "A" { 'A' } else { 'B' };
                let known = self.generics.iter().position(|c| *c == letter);
                Type::Param(known.unwrap_or_else(|| {
                    self.generics.push(letter);
                    self.generics.len() - 1
                }) as u32)
            }
            name => Type::opaque(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_declaration_is_read_and_done_by_something() {
        let lazy = ["_&&_", "_||_", "_?_:_", "@not_strictly_false"];
        for library in [STANDARD_LIBRARY, EXTENDED, NETWORK] {
            for line in library.declarations.lines() {
                let overload = declaration(line).unwrap_or_else(|| panic!("{line}"));
                let known = standard().functions(&overload.function).is_some();
                assert!(known || lazy.contains(&&*overload.function), "{line}");
            }
        }
    }

    #[test]
    fn declarations_are_read_with_their_parameters() {
        let read = declaration("or: optional(A).(map(A, B)) -> net.IP").unwrap();
        let shown: Vec<String> = read.params.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["optional_type(dyn)", "map(dyn, dyn)"]);
        assert_eq!((read.member, read.generics, read.result), (true, 2, Type::opaque("net.IP")));
    }
}
