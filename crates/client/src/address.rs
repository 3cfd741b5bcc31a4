//! Addresses: of a service, and of a path below it.

use reqwest::Url;

use crate::error::ClientError;
use crate::shown::shown;

/// The address of a service, and the connections to it.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    pub(crate) http: reqwest::Client,
    url: Url,
}

impl Base {
    pub(crate) fn new(http: reqwest::Client, address: &str) -> Result<Self, ClientError> {
        let refused = |source| ClientError::Address { address: shown(address), source };
        let url = Url::parse(address).map_err(|error| refused(Some(Box::new(error))))?;
        if url.cannot_be_a_base() || !matches!(url.scheme(), "http" | "https") {
            return Err(refused(None));
        }
        Ok(Self { http, url })
    }

    /// The address of a path below the service's own, with names and values of any form in it.
    pub(crate) fn at(&self, segments: &[&str], query: &[(&str, String)]) -> Url {
        let mut url = self.url.clone();
        // The other case was refused in `new`.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(address: &str) -> Result<Base, ClientError> {
        Base::new(reqwest::Client::new(), address)
    }

    #[test]
    fn names_of_any_form_fit_into_an_address() {
        let at = base("http://h:1/base/").unwrap();
        let at = at.at(&["v1", "a/b c"], &[("spec", "x&y".to_owned())]);
        assert_eq!(at.as_str(), "http://h:1/base/v1/a%2Fb%20c?spec=x%26y");
        assert_eq!(base("http://h:1").unwrap().at(&["v1"], &[]).as_str(), "http://h:1/v1");
        for not_one in ["h", "h:1", "mailto:me@h", "ftp://h"] {
            let error = base(not_one).unwrap_err().to_string();
            assert!(error.contains(not_one) && error.contains("http://127.0.0.1:8000"), "{error}");
        }
    }

    #[test]
    fn an_error_shows_no_password() {
        let error = shadowline_error::chain(&base("http://me:hunter2@h:many").unwrap_err());
        assert!(error.contains("h:many") && !error.contains("hunter2"), "{error}");
    }
}
