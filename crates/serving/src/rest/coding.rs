//! Answers of inference in the coding that a client asks for. Clients of the protocol say with every call what their HTTP
//! library understands, but undo a coding in these answers only; so nothing else is ever compressed.

use std::io::Write;

use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::answer::Written;

/// Below this an answer is compressed only for a client that names one coding and nothing else.
const WORTH_BYTES: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    /// With the header of zlib: clients cannot read it without.
    Deflate,
}

impl Coding {
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    fn encode(self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(bytes)?;
                encoder.finish()
            }
        }
    }
}

/// The answer as its client takes it.
pub(super) fn encoded(written: Written, request: &HeaderMap) -> Response {
    let headers = written.headers();
    let coding = wanted(request, written.bytes.len());
    let encoded = coding.and_then(|it| Some((it, it.encode(&written.bytes).ok()?)));
    let mut response = match encoded {
        None => Body::from(written.bytes).into_response(),
        Some((coding, bytes)) => {
            let coding = HeaderValue::from_static(coding.name());
            ([(CONTENT_ENCODING, coding)], Body::from(bytes)).into_response()
        }
    };
    response.headers_mut().extend(headers);
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    response
}

/// The coding of an answer of so many bytes.
fn wanted(request: &HeaderMap, n_bytes: usize) -> Option<Coding> {
    let mut accepted = Vec::new();
    for value in request.get_all(ACCEPT_ENCODING) {
        let value = value.to_str().ok()?.to_ascii_lowercase();
        for item in value.split(',') {
            let mut parts = item.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_owned();
            let weight = parts.find_map(|it| it.strip_prefix("q=")?.parse::<f32>().ok());
            if weight.is_none_or(|it| 0.0 < it) && !name.is_empty() {
                accepted.push(name);
            }
        }
    }
    let is_only = accepted.len() == 1;
    let coding = accepted.iter().find_map(|it| match it.as_str() {
        "gzip" => Some(Coding::Gzip),
        "deflate" => Some(Coding::Deflate),
        _ => None,
    })?;
    (is_only || WORTH_BYTES <= n_bytes).then_some(coding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coding_is_used_where_it_is_asked_for_or_worth_it() {
        let check = |accepted: &str, n_bytes, expected: Option<Coding>| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_str(accepted).unwrap());
            assert_eq!(wanted(&headers, n_bytes), expected, "{accepted} {n_bytes}");
        };
        check("gzip", 10, Some(Coding::Gzip));
        check("deflate", 10, Some(Coding::Deflate));
        check("gzip, deflate, br", 10, None);
        check("gzip, deflate, br", 5000, Some(Coding::Gzip));
        check("br, deflate;q=0.5, gzip;q=0", 5000, Some(Coding::Deflate));
        for other in ["", "br", "zstd", "identity", "gzip;q=0"] {
            check(other, 5000, None);
        }
        assert_eq!(wanted(&HeaderMap::new(), 5000), None);
    }
}
