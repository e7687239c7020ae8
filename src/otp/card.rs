//! The card for the wallet: a list of passwords to strike out, as text and as a page to print.

use std::fmt::Write as _;

use zeroize::Zeroizing;

use super::chain::{Algorithm, Password, Seed};
use super::words;

/// What stands on a card.
#[derive(Clone, Copy, Debug)]
pub struct Card<'a> {
    /// Whose passwords they are.
    pub user: &'a str,
    /// The hash function.
    pub algorithm: Algorithm,
    /// The seed.
    pub seed: &'a Seed,
    /// When it was made, for people.
    pub date: &'a str,
    /// The passwords, the highest number first.
    pub passwords: &'a [(u16, Password)],
}

impl Card<'_> {
    /// Room for the whole card: a text that grows would leave copies of passwords behind.
    fn room(&self) -> Zeroizing<String> {
        Zeroizing::new(String::with_capacity(2_048 + 128 * self.passwords.len()))
    }

    /// What the card says of itself.
    fn head(&self) -> String {
        format!("otp-{} {}, {}", self.algorithm.name(), self.seed.text(), self.date)
    }

    /// As plain text, 45 characters wide.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        let mut card = self.room();
        let _ = write!(
            card,
            "One-time passwords of {}\n{}\nUse them from the top down, strike each out.\n\n",
            self.user,
            self.head()
        );
        for (number, password) in self.passwords {
            let _ = writeln!(card, "[ ] {number:>4}  {}", *words::encode(password));
        }
        card
    }

    /// As a page of HTML that needs nothing else: to be printed, not to be kept.
    #[must_use]
    pub fn html(&self) -> Zeroizing<String> {
        let mut page = self.room();
        let _ = write!(
            page,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>One-time passwords of {user}</title>\n<style>\n\
             body {{ font: 11pt sans-serif; color: #000; background: #fff; margin: 1em }}\n\
             ol {{ columns: 19em; column-gap: 2em; list-style: none; margin: 0; padding: 0 }}\n\
             li {{ break-inside: avoid; font: 10pt monospace; line-height: 1.7; white-space: nowrap }}\n\
             b {{ display: inline-block; width: 2.5em; text-align: right; margin-right: .7em }}\n\
             @page {{ margin: 12mm }}\n@media print {{ body {{ margin: 0 }} }}\n</style>\n\
             <h1>One-time passwords of {user}</h1>\n<p>{head}. Use them from the top down, strike each out.\n<ol>\n",
            user = escaped(self.user),
            head = escaped(&self.head()),
        );
        for (number, password) in self.passwords {
            let _ = writeln!(page, "<li>\u{2610} <b>{number}</b>{}", *words::encode(password));
        }
        page.push_str("</ol>\n</html>\n");
        page
    }
}

/// Text as HTML has it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otp::chain::passwords;

    #[test]
    fn the_next_password_is_on_top_and_all_of_them_are_there() {
        let seed: Seed = "ke1234".parse().unwrap();
        let list = passwords(Algorithm::Md5, b"This is a test.", &seed, 499, 400);
        let card = Card { user: "a<b", algorithm: Algorithm::Md5, seed: &seed, date: "2030-12-31", passwords: &list };
        let text = card.text();
        assert_eq!(text.lines().nth(4), Some("[ ]  499  BOND FOGY DRAB NE RISE MART"));
        assert_eq!(text.lines().nth(1), Some("otp-md5 ke1234, 2030-12-31"));
        assert_eq!(text.lines().count(), 404);
        assert!(text.lines().all(|line| line.len() <= 45));
        let page = card.html();
        assert!(page.contains("<li>\u{2610} <b>499</b>BOND FOGY DRAB NE RISE MART\n"));
        assert!(page.contains("passwords of a&lt;b<") && !page.contains("a<b"));
        assert_eq!(page.matches("<li>").count(), 400);
        for text in [text, page] {
            assert!(text.capacity() >= 2_048 + 128 * 400 && text.len() < text.capacity());
        }
    }
}
