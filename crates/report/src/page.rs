use std::sync::OnceLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;

const STYLE: &str = include_str!("../assets/page.css");
const CHARTS: &str = include_str!("../assets/charts.js");

/// Why a page cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The data of the page cannot be written as JSON.
    #[error("write the data of the page as JSON")]
    Json(#[from] serde_json::Error),
}

/// What a page is put together from.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    /// Plain text.
    pub(crate) title: &'a str,
    /// HTML.
    pub(crate) body: &'a str,
    /// Runs once the body and the data are there.
    pub(crate) script: &'a str,
}

impl Page<'_> {
    /// The whole document; the script finds `data` as `page`.
    pub(crate) fn render(&self, data: &impl Serialize) -> Result<String, PageError> {
        let data = script_safe(&serde_json::to_string(data)?);
        let title = escape(self.title);
        let Self { body, script, .. } = self;
        let library = chart_library();
        Ok(format!(
            "<!DOCTYPE html>\n\
             <html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"generator\" content=\"shadowline {version}\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}\n\
             <noscript><p>This page draws its charts with JavaScript, which is switched off.</p></noscript>\n\
             <script type=\"application/json\" id=\"page-data\">{data}</script>\n\
             <script>{library}</script>\n\
             <script>\n{CHARTS}\n{script}</script>\n</body>\n</html>\n",
            version = env!("CARGO_PKG_VERSION"),
        ))
    }
}

/// The text of plotly.js, with its notice of copyright and licence.
///
/// The crate hands out several scripts in their tags, of which only the chart library is of use here.
fn chart_library() -> &'static str {
    static LIBRARY: OnceLock<String> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let sources = plotly::Plot::offline_js_sources();
        let mut scripts = sources.split("<script type=\"text/javascript\">").skip(1);
        let library = scripts.find(|it| it.contains("plotly.js v")).unwrap_or_default();
        let end = library.rfind("</script>").unwrap_or(library.len());
        library[..end].to_owned()
    })
}

/// Text where HTML expects text or an attribute's value.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// JSON that cannot end the script element it stands in; `<` only occurs within its strings.
fn script_safe(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// Floats as the page's `decodeFloats` reads them: little-endian, in base64, every bit kept.
pub(crate) fn encode_floats(values: impl IntoIterator<Item = f64>) -> String {
    STANDARD.encode(values.into_iter().flat_map(f64::to_le_bytes).collect::<Vec<u8>>())
}

/// Codes as the page's `decodeCodes` reads them.
pub(crate) fn encode_codes(codes: impl IntoIterator<Item = u32>) -> String {
    STANDARD.encode(codes.into_iter().flat_map(u32::to_le_bytes).collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chart_library_is_whole_and_alone() {
        let library = chart_library();
        assert!(library.contains("plotly.js v") && library.contains("MIT license"));
        assert!(library.len() > 1_000_000 && !library.contains("</script>"));
    }

    #[test]
    fn a_page_fetches_nothing_and_no_text_gets_out_of_its_place() {
        let page = Page { title: "a<b", body: "<main></main>", script: "" };
        let html = page.render(&["</script><script>alert(1)</script>"]).unwrap();
        assert!(html.contains("<title>a&lt;b</title>"));
        assert_eq!(html.matches("alert(1)").count(), 1);
        assert!(!html.contains("</script><script>alert"));
        for outside in [" src=\"", "<link", "@import"] {
            let own = html.replace(chart_library(), "");
            assert!(!own.contains(outside), "{outside}");
        }
    }

    #[test]
    fn floats_keep_every_bit() {
        // 1.0 is 0x3ff0000000000000.
        assert_eq!(encode_floats([1.0]), "AAAAAAAA8D8=");
        assert_eq!(encode_codes([1, 256]), "AQAAAAABAAA=");
    }
}
