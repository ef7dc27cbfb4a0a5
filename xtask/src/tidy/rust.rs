//! What the rules need to know of one Rust file: functions, names, paths that it mentions.
//! Invariant: whatever stands under `#[cfg(test)]` or `#[test]` is marked as test.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::Visit;

/// One function with its length.
#[derive(Debug)]
pub struct Function {
    pub name: String,
    pub line: usize,
    /// From `fn` to the closing brace.
    pub lines: usize,
    /// False in `impl Trait for Type`, where the name is somebody else's choice.
    pub own_name: bool,
    pub test: bool,
}

/// A path as written (`tokio::time::interval`), or the full path of an import.
#[derive(Debug)]
pub struct Mention {
    pub path: String,
    pub line: usize,
    pub test: bool,
}

/// One parsed file.
#[derive(Debug, Default)]
pub struct Parsed {
    pub functions: Vec<Function>,
    /// Names of structs, enums, unions, traits and type aliases.
    pub types: Vec<(String, usize)>,
    pub mentions: Vec<Mention>,
    /// Attributes as compact text: `allow(dead_code)`.
    pub attributes: Vec<Mention>,
    tests: Vec<(usize, usize)>,
    foreign: usize,
}

/// Parses a file.
///
/// # Errors
/// With the parser's words and the line.
pub fn parse(text: &str) -> Result<Parsed, (usize, String)> {
    let fail = |error: syn::Error| (error.span().start().line, error.to_string());
    let file = syn::parse_file(text).map_err(fail)?;
    let mut parsed = Parsed::default();
    parsed.visit_file(&file);
    let tokens: TokenStream = text
        .parse()
        .map_err(|error: proc_macro2::LexError| (1, error.to_string()))?;
    let mut flat = Vec::new();
    flatten(tokens, &mut flat);
    parsed.collect_paths(&flat);
    parsed.mark_tests();
    Ok(parsed)
}

type Token = (String, usize);

fn flatten(tokens: TokenStream, flat: &mut Vec<Token>) {
    for token in tokens {
        let line = token.span().start().line;
        match token {
            TokenTree::Group(group) => {
                flat.push(("(".to_owned(), line));
                flatten(group.stream(), flat);
                flat.push((")".to_owned(), line));
            }
            other => flat.push((other.to_string(), line)),
        }
    }
}

impl Parsed {
    /// Joins `a :: b :: c` of the token list, so that paths inside macros count as well.
    fn collect_paths(&mut self, flat: &[Token]) {
        let is_word = |text: &str| text.starts_with(|c: char| c.is_alphabetic() || c == '_');
        let colons = |at: usize| {
            flat.get(at).is_some_and(|t| t.0 == ":") && flat.get(at + 1).is_some_and(|t| t.0 == ":")
        };
        let mut at = 0;
        while at < flat.len() {
            if !is_word(&flat[at].0) {
                at += 1;
                continue;
            }
            let (mut path, line) = flat[at].clone();
            let declared = at > 0 && flat[at - 1].0 == "mod";
            while colons(at + 1) && flat.get(at + 3).is_some_and(|token| is_word(&token.0)) {
                at += 3;
                path = format!("{path}::{}", flat[at].0);
            }
            if !declared {
                self.mentions.push(Mention {
                    path,
                    line,
                    test: false,
                });
            }
            at += 1;
        }
    }

    fn collect_use(&mut self, tree: &syn::UseTree, prefix: &str) {
        let join = |name: &syn::Ident| match prefix {
            "" => name.to_string(),
            _ => format!("{prefix}::{name}"),
        };
        match tree {
            syn::UseTree::Path(path) => self.collect_use(&path.tree, &join(&path.ident)),
            syn::UseTree::Group(group) => {
                group
                    .items
                    .iter()
                    .for_each(|item| self.collect_use(item, prefix));
            }
            syn::UseTree::Name(name) => self.mention(join(&name.ident), name.ident.span()),
            syn::UseTree::Rename(name) => self.mention(join(&name.ident), name.ident.span()),
            syn::UseTree::Glob(glob) => self.mention(format!("{prefix}::*"), glob.span()),
        }
    }

    fn mention(&mut self, path: String, span: Span) {
        self.mentions.push(Mention {
            path,
            line: span.start().line,
            test: false,
        });
    }

    fn function(&mut self, sig: &syn::Signature, block: &syn::Block) {
        let line = sig.fn_token.span.start().line;
        let end = block.brace_token.span.close().end().line;
        self.functions.push(Function {
            name: sig.ident.to_string(),
            line,
            lines: end + 1 - line,
            own_name: self.foreign == 0,
            test: false,
        });
    }

    fn mark_tests(&mut self) {
        let tests = std::mem::take(&mut self.tests);
        let inside = |line: usize| tests.iter().any(|(from, to)| (*from..=*to).contains(&line));
        self.functions
            .iter_mut()
            .for_each(|item| item.test = inside(item.line));
        self.mentions
            .iter_mut()
            .for_each(|item| item.test = inside(item.line));
        self.attributes
            .iter_mut()
            .for_each(|item| item.test = inside(item.line));
    }

    fn test_item(&mut self, attributes: &[syn::Attribute], span: Span) {
        if attributes.iter().any(is_test) {
            self.tests.push((span.start().line, span.end().line));
        }
    }

    fn named(&mut self, name: &syn::Ident) {
        self.types
            .push((name.to_string(), name.span().start().line));
    }
}

/// `#[test]`, `#[tokio::test]`, `#[cfg(test)]`, `#[cfg(all(test, ..))]`, but not `#[cfg(not(test))]`.
fn is_test(attribute: &syn::Attribute) -> bool {
    let last = attribute
        .path()
        .segments
        .last()
        .map(|segment| segment.ident.to_string());
    match last.as_deref() {
        Some("test") => true,
        Some("cfg") => {
            let condition = compact(&attribute.meta);
            condition == "cfg(test)" || condition.starts_with("cfg(all(test")
        }
        _ => false,
    }
}

fn compact(meta: &syn::Meta) -> String {
    let text = match meta {
        syn::Meta::List(list) => {
            let name = list
                .path
                .segments
                .last()
                .map(|s| s.ident.to_string())
                .unwrap_or_default();
            format!("{name}({})", list.tokens)
        }
        other => other
            .path()
            .segments
            .last()
            .map(|s| s.ident.to_string())
            .unwrap_or_default(),
    };
    text.split_whitespace().collect()
}

impl<'ast> Visit<'ast> for Parsed {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes: &[syn::Attribute] = match item {
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            syn::Item::Struct(item) => &item.attrs,
            syn::Item::Enum(item) => &item.attrs,
            _ => &[],
        };
        self.test_item(attributes, item.span());
        match item {
            syn::Item::Struct(item) => self.named(&item.ident),
            syn::Item::Enum(item) => self.named(&item.ident),
            syn::Item::Union(item) => self.named(&item.ident),
            syn::Item::Trait(item) => self.named(&item.ident),
            syn::Item::Type(item) => self.named(&item.ident),
            syn::Item::Use(item) => self.collect_use(&item.tree, ""),
            _ => {}
        }
        syn::visit::visit_item(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let foreign = usize::from(item.trait_.is_some());
        self.foreign += foreign;
        syn::visit::visit_item_impl(self, item);
        self.foreign -= foreign;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.test_item(&item.attrs, item.span());
        self.function(&item.sig, &item.block);
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        match &item.default {
            Some(block) => self.function(&item.sig, block),
            None => self.functions.push(Function {
                name: item.sig.ident.to_string(),
                line: item.sig.fn_token.span.start().line,
                lines: 1,
                own_name: true,
                test: false,
            }),
        }
        syn::visit::visit_trait_item_fn(self, item);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        let line = attribute.span().start().line;
        self.attributes.push(Mention {
            path: compact(&attribute.meta),
            line,
            test: false,
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn functions_are_measured_and_tests_are_marked() {
        let parsed = parse("fn a() {\n}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\n").unwrap();
        let seen: Vec<_> = parsed
            .functions
            .iter()
            .map(|f| (f.name.as_str(), f.lines, f.test))
            .collect();
        assert_eq!(seen, [("a", 2, false), ("b", 1, true)]);
    }

    #[test]
    fn paths_are_seen_in_macros_and_in_use_groups() {
        let source =
            "use tokio::{time::{interval as tick}, spawn};\nfn a() { select!{ sqlx::query(x) } }";
        let paths: Vec<_> = parse(source)
            .unwrap()
            .mentions
            .into_iter()
            .map(|m| m.path)
            .collect();
        for path in ["tokio::time::interval", "tokio::spawn", "sqlx::query"] {
            assert!(paths.iter().any(|seen| seen == path), "{path} in {paths:?}");
        }
    }

    #[test]
    fn a_condition_on_not_test_is_no_test() {
        let parsed = parse("#[cfg(not(test))]\nfn a() {}").unwrap();
        assert!(!parsed.functions[0].test);
    }
}
