//! Which module of a crate names which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::tokens::{Token, tokens, without_tests};

/// A module's place in its crate: empty for the root, `["kafka", "group"]` for `crate::kafka::group`.
pub type ModulePath = Vec<String>;

/// A module and what its own lines name, outside of tests.
#[derive(Debug, Default)]
struct Module {
    children: BTreeSet<String>,
    /// What `use` brings into scope: a name, and the path that it stands for.
    imports: BTreeMap<String, ModulePath>,
    /// Paths as they are named, from the root of the crate.
    named: BTreeSet<ModulePath>,
}

/// The modules of one crate.
#[derive(Debug, Default)]
pub struct Modules(BTreeMap<ModulePath, Module>);

impl Modules {
    /// Reads the crate in a folder: `src/lib.rs` or, without one, `src/main.rs`, and the modules below it.
    ///
    /// # Errors
    /// If a source cannot be read.
    pub fn read(folder: &Path) -> std::io::Result<Self> {
        let src = folder.join("src");
        let library = src.join("lib.rs");
        let root = if library.is_file() { library } else { src.join("main.rs") };
        let mut sources = BTreeMap::new();
        read_below(&root, &src, Vec::new(), &mut sources)?;
        Ok(Self::of(&sources))
    }

    /// The modules of sources by their module's place.
    fn of(sources: &BTreeMap<ModulePath, String>) -> Self {
        let mut modules = Self::default();
        for (path, source) in sources {
            let tokens = without_tests(tokens(source));
            Reader { tokens: &tokens, at: 0, path: path.clone(), modules: &mut modules }.read();
        }
        modules
    }

    /// Which module names something of which other, by their places.
    pub fn edges(&self) -> BTreeSet<(ModulePath, ModulePath)> {
        let mut edges = BTreeSet::new();
        for (from, module) in &self.0 {
            for named in &module.named {
                let to = self.owner(named);
                if to != *from {
                    edges.insert((from.clone(), to));
                }
            }
        }
        edges
    }

    /// The module in which a path ends, once it was followed through what is exported again on the way.
    fn owner(&self, named: &[String]) -> ModulePath {
        let mut at = ModulePath::new();
        let mut rest: Vec<String> = named.to_vec();
        // Imports that name each other have no end.
        for _ in 0..64 {
            let Some(name) = rest.first().cloned() else { return at };
            let Some(module) = self.0.get(&at) else { return at };
            if module.children.contains(&name) {
                at.push(rest.remove(0));
            } else if let Some(target) = module.imports.get(&name) {
                rest = [target.as_slice(), &rest[1..]].concat();
                at.clear();
            } else {
                return at;
            }
        }
        at
    }
}

/// Reads a module's file, then those of the modules that it declares.
fn read_below(
    file: &Path,
    folder: &Path,
    path: ModulePath,
    sources: &mut BTreeMap<ModulePath, String>,
) -> std::io::Result<()> {
    let source = std::fs::read_to_string(file)?;
    let declared = declared(&without_tests(tokens(&source)));
    sources.insert(path.clone(), source);
    for name in declared {
        let beside: PathBuf = folder.join(format!("{name}.rs"));
        let file = if beside.is_file() { beside } else { folder.join(&name).join("mod.rs") };
        // What the build writes is no file of ours.
        if file.is_file() {
            let path = [path.as_slice(), std::slice::from_ref(&name)].concat();
            read_below(&file, &folder.join(&name), path, sources)?;
        }
    }
    Ok(())
}

/// The names of `mod name;`.
fn declared(tokens: &[Token<'_>]) -> Vec<String> {
    let windows = tokens.windows(3);
    windows.filter(|it| it[0] == "mod" && it[2] == ";").map(|it| it[1].to_owned()).collect()
}

/// Reads the tokens of one file.
struct Reader<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    path: ModulePath,
    modules: &'a mut Modules,
}

impl Reader<'_> {
    fn read(&mut self) {
        self.module().children.extend([]);
        let mut depth = 0_usize;
        // Modules written in this file: their names are in `path`, and here the depth at which each ends.
        let mut inside = Vec::new();
        while let Some(&token) = self.tokens.get(self.at) {
            match token {
                "mod" if self.is(2, ";") || self.is(2, "{") => {
                    let name = self.tokens[self.at + 1].to_owned();
                    self.module().children.insert(name.clone());
                    if self.is(2, "{") {
                        inside.push(depth);
                        depth += 1;
                        self.path.push(name);
                        self.module().children.extend([]);
                    }
                    self.at += 3;
                }
                "{" => {
                    depth += 1;
                    self.at += 1;
                }
                "}" => {
                    depth = depth.saturating_sub(1);
                    if inside.last() == Some(&depth) {
                        inside.pop();
                        self.path.pop();
                    }
                    self.at += 1;
                }
                // `use<…>` is a bound.
                "use" if !self.is(1, "<") => self.import(),
                _ if self.begins_path() => {
                    let path = self.segments();
                    if let Some(path) = self.absolute(&path) {
                        self.module().named.insert(path);
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    fn module(&mut self) -> &mut Module {
        self.modules.0.entry(self.path.clone()).or_default()
    }

    fn is(&self, ahead: usize, token: &str) -> bool {
        self.tokens.get(self.at + ahead) == Some(&token)
    }

    /// Whether a path begins here: a name with `::` behind it and none before it.
    fn begins_path(&self) -> bool {
        let after = self.at.checked_sub(1).is_some_and(|it| self.tokens[it] == "::");
        !after && self.is(1, "::") && is_name(self.tokens[self.at])
    }

    /// The names of a path, parted by `::`.
    fn segments(&mut self) -> Vec<String> {
        let mut segments = vec![self.tokens[self.at].to_owned()];
        self.at += 1;
        while self.is(0, "::") && self.tokens.get(self.at + 1).is_some_and(|it| is_name(it)) {
            segments.push(self.tokens[self.at + 1].to_owned());
            self.at += 2;
        }
        segments
    }

    /// A path from the root of the crate; `None` if it leads into another crate, or is of a type and not of a module.
    fn absolute(&mut self, path: &[String]) -> Option<ModulePath> {
        let mut base = match path[0].as_str() {
            "crate" => ModulePath::new(),
            "self" | "super" => self.path.clone(),
            name => {
                let module = self.module();
                return if module.children.contains(name) {
                    Some([self.path.as_slice(), path].concat())
                } else {
                    None
                };
            }
        };
        let mut rest = &path[1..];
        if path[0] == "super" {
            base.pop();
        }
        while rest.first().is_some_and(|it| it == "super") {
            base.pop();
            rest = &rest[1..];
        }
        Some([base.as_slice(), rest].concat())
    }

    /// Reads `use …;`. What is exported again is no dependency of the module that does it.
    fn import(&mut self) {
        let before = self.at.checked_sub(1).map_or("", |it| self.tokens[it]);
        let exported = before == "pub" || before == ")";
        self.at += 1;
        let mut leaves = Vec::new();
        self.tree(&[], &mut leaves);
        for (path, name) in leaves {
            let Some(path) = self.absolute(&path) else { continue };
            let module = self.module();
            if let Some(name) = name {
                module.imports.insert(name, path.clone());
            }
            if !exported {
                module.named.insert(path);
            }
        }
    }

    /// Reads a tree of imports, up to the token that ends it: its paths, and the names that they have here.
    fn tree(&mut self, prefix: &[String], leaves: &mut Vec<(Vec<String>, Option<String>)>) {
        let mut path = prefix.to_vec();
        let mut itself = false;
        while let Some(&token) = self.tokens.get(self.at) {
            match token {
                "{" => {
                    self.at += 1;
                    loop {
                        self.tree(&path, leaves);
                        let more = self.is(0, ",");
                        self.at += 1;
                        if !more {
                            return;
                        }
                    }
                }
                "*" => {
                    self.at += 1;
                    leaves.push((path, None));
                    return;
                }
                "as" => {
                    let name = self.tokens.get(self.at + 1).map(|it| (*it).to_owned());
                    self.at += 2;
                    leaves.push((path, name));
                    return;
                }
                "::" => self.at += 1,
                "," | "}" | ";" => break,
                // Of `{self}`, the path before it.
                "self" if !path.is_empty() => {
                    itself = true;
                    self.at += 1;
                }
                name if is_name(name) => {
                    path.push(name.to_owned());
                    self.at += 1;
                }
                _ => break,
            }
        }
        // Behind the comma after the last of a list there is nothing.
        if path.len() == prefix.len() && !itself {
            return;
        }
        let name = path.last().cloned();
        leaves.push((path, name));
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|it: char| it.is_alphabetic() || it == '_')
}

#[cfg(test)]
mod tests {
    use super::Modules;

    fn edges(sources: &[(&str, &str)]) -> Vec<String> {
        let path =
            |it: &str| it.split("::").filter(|it| !it.is_empty()).map(str::to_owned).collect();
        let sources = sources.iter().map(|(it, source)| (path(it), (*source).to_owned())).collect();
        let edges = Modules::of(&sources).edges();
        edges.iter().map(|(from, to)| format!("{} {}", from.join("::"), to.join("::"))).collect()
    }

    #[test]
    fn paths_of_every_form_are_followed() {
        let root = "mod a; mod b; mod c; mod d; pub use b::B;";
        let a = "use crate::{B, c::{self, C as D},}; fn f() -> super::d::E { c::f() }";
        let expected = ["a b", "a c", "a d"];
        assert_eq!(edges(&[("", root), ("a", a), ("b", ""), ("c", ""), ("d", "")]), expected);
    }

    #[test]
    fn exporting_again_is_no_dependency_and_using_is() {
        let root = "mod a; mod b; pub use a::A; use b::B; fn f() { a::g() }";
        assert_eq!(edges(&[("", root), ("a", ""), ("b", "")]), [" a", " b"]);
        let root = "mod a; pub(crate) use a::A;";
        assert!(edges(&[("", root), ("a", "")]).is_empty());
    }

    #[test]
    fn modules_within_a_file_have_a_place_of_their_own() {
        let root = "mod a; mod b;";
        let a = "mod inner { use super::super::b::B; } fn f() { super::b::f() }";
        assert_eq!(edges(&[("", root), ("a", a), ("b", "")]), ["a b", "a::inner b"]);
    }

    #[test]
    fn tests_do_not_count() {
        let a = "#[cfg(test)] mod tests { use crate::b::B; }";
        assert!(edges(&[("", "mod a; mod b;"), ("a", a), ("b", "")]).is_empty());
    }
}
