//! The lists of `deploy/caddy/Caddyfile`: which paths are open, from the roles that the routes declare.
//!
//! The file is written by hand but for these lists: each stands in the line below a comment that names its service. Open
//! is what needs the role `public` or `predict`; everything else takes the password, also what is not declared.

use shadowline_api::Role;
use shadowline_service::routes::Declared;
use shadowline_services::Table;

use crate::source::SourceError;

/// What a list's comment says; the service's name is behind it.
const MARKER: &str = "# Made by `make dashboards`: what is open of ";

/// The lists by the names in their comments.
fn lists(services: Table) -> Vec<(String, Vec<Declared>)> {
    let mut lists = Vec::new();
    for service in services {
        lists.push((service.name.to_owned(), (service.routes)()));
        if let Some(methods) = service.grpc_methods {
            lists.push((format!("{}'s gRPC", service.name), methods()));
        }
    }
    lists
}

/// Makes the file from what it is, with its lists made again.
///
/// # Errors
/// A list without its place in the file, or roles that its paths cannot express.
pub(crate) fn caddyfile(now: &str, services: Table) -> Result<String, SourceError> {
    let place = |name: &str| format!("deploy/caddy/Caddyfile: {name}");
    let mut lines: Vec<String> = now.lines().map(str::to_owned).collect();
    for (name, declared) in lists(services) {
        let marker = format!("{MARKER}{name}");
        let at = lines.iter().position(|it| it.trim() == marker).ok_or_else(|| {
            SourceError::content(place(&name), format!("expected the line `{marker}`"))
        })?;
        let patterns = open(&declared).map_err(|it| SourceError::content(place(&name), it))?;
        let list = lines.get_mut(at + 1).ok_or_else(|| {
            SourceError::content(place(&name), "expected a line below the comment")
        })?;
        *list = format!("\t\tpath {}", patterns.join(" "));
    }
    Ok(lines.join("\n") + "\n")
}

/// The patterns of the paths that need no password.
///
/// # Errors
/// If one of them would open a path that needs one.
fn open(declared: &[Declared]) -> Result<Vec<String>, String> {
    let is_open = |it: &&Declared| matches!(it.role, Role::Public | Role::Predict);
    let mut patterns: Vec<String> =
        declared.iter().filter(is_open).map(|it| pattern(it.path)).collect();
    patterns.sort();
    patterns.dedup();
    // What a shorter one opens already.
    let all = patterns.clone();
    patterns.retain(|it| !all.iter().any(|other| other != it && is_below(it, other)));
    for it in declared.iter().filter(|it| !is_open(it)) {
        if let Some(pattern) = patterns.iter().find(|pattern| opens(pattern, it.path)) {
            return Err(format!("`{pattern}` would open a route: {it}"));
        }
    }
    Ok(patterns)
}

/// A path with `*` in the place of its parameters.
fn pattern(path: &str) -> String {
    let mut pattern = String::new();
    let mut rest = path;
    while let Some((before, parameter)) = rest.split_once('{') {
        pattern.push_str(before);
        pattern.push('*');
        rest = parameter.split_once('}').map_or("", |(_, rest)| rest);
    }
    pattern + rest
}

/// Whether a pattern opens nothing that another does not.
fn is_below(pattern: &str, other: &str) -> bool {
    other.strip_suffix('*').is_some_and(|start| !start.contains('*') && pattern.starts_with(start))
}

/// Whether a pattern matches paths of a route, as Caddy matches: `*` at the end is anything, elsewhere it is anything
/// without a slash; a pattern with several is matched segment by segment. Parameters of the route are anything, too.
fn opens(pattern: &str, path: &str) -> bool {
    if let Some(start) = pattern.strip_suffix('*')
        && !start.contains('*')
    {
        let path = self::pattern(path);
        // Either begins with the other: a parameter may be whatever the pattern asks for.
        return path.starts_with(start)
            || path.split_once('*').is_some_and(|(before, _)| start.starts_with(before));
    }
    let (pattern, path): (Vec<_>, Vec<_>) =
        (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len()
        && pattern.iter().zip(&path).all(|(pattern, path)| segment_opens(pattern, path))
}

fn segment_opens(pattern: &str, path: &str) -> bool {
    match (pattern.split_once('*'), path.split_once('{')) {
        (None, None) => pattern == path,
        // A name may be anything, but the verb behind it stands for itself.
        (Some((_, pattern_verb)), Some((_, path))) => {
            let path_verb = path.split_once('}').map_or("", |(_, verb)| verb);
            pattern_verb == path_verb
        }
        (None, Some((before, _))) => pattern.starts_with(before),
        (Some((before, after)), None) => path.starts_with(before) && path.ends_with(after),
    }
}

#[cfg(test)]
mod tests {
    use shadowline_services::SERVICES;

    use super::*;

    fn declared(path: &'static str, role: Role) -> Declared {
        Declared { path, method: "GET", role }
    }

    #[test]
    fn what_is_public_or_predicts_is_open() {
        let all = [
            declared("/v1/models/{name}:predict", Role::Predict),
            declared("/v1/models/{name}", Role::Read),
            declared("/v2/models/{name}", Role::Predict),
            declared("/v2/models/{name}/infer", Role::Predict),
            declared("/v2/repository/index", Role::Read),
            declared("/livez", Role::Public),
            declared("/metrics", Role::Read),
        ];
        let expected = ["/livez", "/v1/models/*:predict", "/v2/models/*"];
        assert_eq!(open(&all).unwrap(), expected);
    }

    #[test]
    fn a_list_that_would_open_what_takes_the_password_is_refused() {
        let check = |path, guarded| {
            let error = open(&[declared(path, Role::Public), declared(guarded, Role::Admin)]);
            assert!(error.unwrap_err().contains(guarded), "{path} and {guarded}");
        };
        check("/a", "/a");
        check("/a/{name}", "/a/{name}/secret");
        check("/a/{name}", "/a/b");
        check("/a/{name}/b", "/a/{other}/b");
        check("/a/b", "/a/{name}");
    }

    #[test]
    fn only_the_lists_change() {
        let committed =
            "a {\n\t\t# Made by `make dashboards`: what is open of serving\n\t\tpath /\n}\n";
        let mut text = String::new();
        for (name, _) in lists(SERVICES) {
            text += &committed.replace("of serving", &format!("of {name}"));
        }
        let made = caddyfile(&text, SERVICES).unwrap();
        let strip = |it: &str| -> Vec<String> {
            it.lines().filter(|it| !it.contains("\t\tpath ")).map(str::to_owned).collect()
        };
        assert_eq!(strip(&made), strip(&text));
        assert!(made.contains("path / /livez /readyz\n"), "{made}");
        assert!(
            caddyfile("", SERVICES).unwrap_err().to_string().contains("serving: expected the line")
        );
    }
}
