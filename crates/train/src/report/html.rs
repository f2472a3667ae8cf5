//! The few pieces of HTML that a report is made of.

use std::fmt::Write;

/// Text that stays text inside HTML.
#[must_use]
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A table whose first `text` columns are words and whose others are numbers; cells are HTML already.
#[must_use]
pub(super) fn table(text: usize, head: &[String], rows: &[Vec<String>]) -> String {
    let row = |html: &mut String, tag: &str, cells: &[String]| {
        html.push_str("<tr>");
        for (index, cell) in cells.iter().enumerate() {
            let class = if index < text { "" } else { " class=\"n\"" };
            let _ = write!(html, "<{tag}{class}>{cell}</{tag}>");
        }
        html.push_str("</tr>");
    };
    let mut html = "<div class=\"wide\"><table><thead>".to_owned();
    row(&mut html, "th", head);
    html.push_str("</thead><tbody>");
    for cells in rows {
        row(&mut html, "td", cells);
    }
    html.push_str("</tbody></table></div>\n");
    html
}

/// A PNG inside the page.
#[must_use]
pub(super) fn picture(name: &str, png: &[u8]) -> String {
    let name = escape(name);
    let data = base64(png);
    format!(
        "<figure><figcaption>{name}</figcaption><img alt=\"{name}\" src=\"data:image/png;base64,{data}\"></figure>\n"
    )
}

/// Lines as they are.
#[must_use]
pub(super) fn listing(name: &str, text: &str) -> String {
    format!(
        "<figure><figcaption>{}</figcaption><pre>{}</pre></figure>\n",
        escape(name),
        escape(text)
    )
}

/// Something to unfold.
#[must_use]
pub(super) fn folded(summary: &str, html: &str) -> String {
    format!(
        "<details><summary>{}</summary>{html}</details>\n",
        escape(summary)
    )
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = 0_u32;
        for index in 0..3 {
            group = group << 8 | u32::from(chunk.get(index).copied().unwrap_or(0));
        }
        for index in 0..4 {
            if index <= chunk.len() {
                let digit = group >> (18 - 6 * index) & 63;
                text.push(char::from(DIGITS[digit as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

/// The whole page around its body.
#[must_use]
pub(super) fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{}</title>\n<style>\n{}</style></head>\n\
         <body>\n{body}</body></html>\n",
        escape(title),
        include_str!("style.css")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4648, section 10.
    #[test]
    fn base64_has_the_published_test_vectors() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn text_stays_text() {
        assert_eq!(escape("a<b> & \"c\""), "a&lt;b&gt; &amp; &quot;c&quot;");
    }

    #[test]
    fn words_stand_left_and_numbers_right() {
        let html = table(
            1,
            &["a".into(), "b".into()],
            &[vec!["x".into(), "1".into()]],
        );
        assert!(html.contains("<td>x</td><td class=\"n\">1</td>"), "{html}");
    }
}
