//! Where modules of one crate name each other.

use std::collections::{BTreeMap, BTreeSet};

use crate::modules::{ModulePath, Modules};

/// The root's own lines, beside the modules at the top.
const ROOT: &str = "(root)";

/// The circles of a crate: groups of modules of which each leads to each.
///
/// At the top, these are the modules that the root declares and the root's own lines. Below, they are the modules that
/// stand side by side in one: a module and those within it may name each other.
pub fn circles(modules: &Modules) -> Vec<Vec<String>> {
    let mut graphs: BTreeMap<ModulePath, BTreeSet<(String, String)>> = BTreeMap::new();
    for (from, to) in modules.edges() {
        let shared = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
        let parent = from[..shared].to_vec();
        let (from, to) = (from.get(shared), to.get(shared));
        let edge = if shared == 0 {
            let name = |it: Option<&String>| it.map_or(ROOT, |it| it.as_str()).to_owned();
            (name(from), name(to))
        } else if let (Some(from), Some(to)) = (from, to) {
            let name = |it: &str| format!("{}::{it}", parent.join("::"));
            (name(from), name(to))
        } else {
            continue;
        };
        graphs.entry(parent).or_default().insert(edge);
    }
    graphs.values().flat_map(groups).collect()
}

/// The groups of more than one in which each leads to each.
fn groups(edges: &BTreeSet<(String, String)>) -> Vec<Vec<String>> {
    let names: BTreeSet<&str> =
        edges.iter().flat_map(|(from, to)| [from.as_str(), to.as_str()]).collect();
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        names.iter().map(|name| (*name, reachable(name, edges))).collect();
    let mut groups = BTreeSet::new();
    for name in &names {
        let group: Vec<String> = reached[name]
            .iter()
            .filter(|it| reached[*it].contains(name))
            .map(|it| (*it).to_owned())
            .collect();
        if 1 < group.len() {
            groups.insert(group);
        }
    }
    groups.into_iter().collect()
}

fn reachable<'a>(from: &str, edges: &'a BTreeSet<(String, String)>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        for (_, to) in edges.iter().filter(|(it, _)| it == at) {
            if reached.insert(to.as_str()) {
                open.push(to);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::groups;

    #[test]
    fn a_group_is_what_leads_to_each_other() {
        let edge = |it: &str| {
            let (from, to) = it.split_once(' ').unwrap();
            (from.to_owned(), to.to_owned())
        };
        let edges: BTreeSet<_> = ["a b", "b c", "c a", "c d", "d e", "e d", "x a"].map(edge).into();
        assert_eq!(groups(&edges), [vec!["a", "b", "c"], vec!["d", "e"]]);
    }
}
