//! A page in the making: markup of ours, and texts of anybody's, which never become markup.

/// Room for a usual page.
const ROOM: usize = 8_192;

/// HTML that grows.
#[derive(Debug)]
pub(super) struct Html(String);

impl Html {
    pub(super) fn new() -> Self {
        Self(String::with_capacity(ROOM))
    }

    /// Adds markup of the program's own.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds text, wherever it comes from: between tags, or inside of a value in double quotes.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // What turns the direction of writing would turn the page's own words around, too.
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => self.0.push('\u{fffd}'),
                other => self.0.push(other),
            }
        }
        self
    }

    /// Adds a text of the table, with this in the place of its `{}`.
    pub(super) fn filled(&mut self, template: &str, with: &str) -> &mut Self {
        match template.split_once("{}") {
            Some((before, after)) => self.text(before).text(with).text(after),
            None => self.text(template),
        }
    }

    /// Adds text between these two pieces of markup.
    pub(super) fn within(&mut self, before: &'static str, text: &str, after: &'static str) -> &mut Self {
        self.raw(before).text(text).raw(after)
    }

    /// Adds a field that is sent back and not seen.
    pub(super) fn hidden(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.raw("<input type=hidden name=").raw(name).within(" value=\"", value, "\">")
    }

    /// The page.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_never_becomes_markup() {
        let mut html = Html::new();
        html.within("<p title=\"", "\"><script>alert('1')</script>&amp;", "\">").hidden("user", "a\"b\u{202e}");
        assert_eq!(
            html.into_string(),
            "<p title=\"&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;\">\
             <input type=hidden name=user value=\"a&quot;b\u{fffd}\">"
        );
    }

    #[test]
    fn a_text_of_the_table_takes_one_value() {
        let filled = |template, with| {
            let mut html = Html::new();
            html.filled(template, with);
            html.into_string()
        };
        assert_eq!(filled("for {}.", "<{}>"), "for &lt;{}&gt;.");
        assert_eq!(filled("for all", "me"), "for all");
    }

    proptest! {
        #[test]
        fn no_character_of_markup_is_left(text in any::<String>()) {
            let mut html = Html::new();
            html.text(&text);
            let escaped = html.into_string();
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
            prop_assert!(escaped.split('&').skip(1).all(|rest| rest.split_once(';').is_some()));
        }
    }
}
