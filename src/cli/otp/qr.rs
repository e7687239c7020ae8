//! A QR code as a terminal can show it.

use qrcodegen::{QrCode, QrCodeEcc};
use zeroize::Zeroizing;

/// Light modules that a reader wants around the code.
const MARGIN: i32 = 2;

/// The code in half blocks, light on a dark terminal; `None` where the text is too long for any code.
pub(super) fn code(text: &str) -> Option<Zeroizing<String>> {
    let code = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
    let range = -MARGIN..code.size().saturating_add(MARGIN);
    let mut shown = Zeroizing::new(String::with_capacity(1 << 14));
    for y in range.clone().step_by(2) {
        for x in range.clone() {
            shown.push(match (code.get_module(x, y), code.get_module(x, y.saturating_add(1))) {
                (false, false) => '\u{2588}',
                (false, true) => '\u{2580}',
                (true, false) => '\u{2584}',
                (true, true) => ' ',
            });
        }
        shown.push('\n');
    }
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corners_of_a_code_are_there_within_its_margin() {
        let shown = code("otpauth://totp/x").unwrap();
        let lines: Vec<Vec<char>> = shown.lines().map(|line| line.chars().collect()).collect();
        let width = lines[0].len();
        assert!(lines.iter().all(|line| line.len() == width));
        assert_eq!(lines.len(), width.div_ceil(2));
        assert!(lines[0].iter().all(|block| *block == '█'));
        let finder: String = lines[1].iter().skip(2).take(7).collect();
        assert_eq!(finder, " ▄▄▄▄▄ ");
        assert_eq!(code(&"x".repeat(3000)), None);
    }
}
