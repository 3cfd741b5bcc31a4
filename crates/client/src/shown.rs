//! Addresses as people may see them.

/// An address as people may see it: without the user and the password that may be in it.
pub fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |it| it.1);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(shown("http://me:a@b@h:1/v1?a=me@h"), "http://h:1/v1?a=me@h");
        assert_eq!(shown("http://h:1/a@b"), "http://h:1/a@b");
    }
}
