//! The fields of a form as browsers send them (`application/x-www-form-urlencoded`), taken apart strictly.

use zeroize::Zeroizing;

/// Most fields of one form: those of the page, and as many services as may be chosen.
const FIELDS_MAX: usize = 80;

/// A field: its name and its value, which may be a password.
pub(super) type Field = (Zeroizing<String>, Zeroizing<String>);

/// Takes a query or a body apart. `None` for what no browser sends: a field without `=`, a `%` that begins no byte,
/// text that is not UTF-8 or has a control character, too many fields.
pub(super) fn fields(text: &[u8]) -> Option<Vec<Field>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    if text.split(|&byte| byte == b'&').count() > FIELDS_MAX {
        return None;
    }
    text.split(|&byte| byte == b'&').map(field).collect()
}

fn field(text: &[u8]) -> Option<Field> {
    let at = text.iter().position(|&byte| byte == b'=')?;
    let (name, value) = text.split_at_checked(at)?;
    Some((decode(name)?, decode(value.get(1..)?)?))
}

fn decode(text: &[u8]) -> Option<Zeroizing<String>> {
    // All its room from the start: a buffer that grew would leave a part of a password behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (digits, after) = rest.split_first_chunk::<2>()?;
                rest = after;
                let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
                u8::try_from(high? << 4 | low?).ok()?
            }
            byte => byte,
        });
    }
    let text = std::str::from_utf8(&bytes).ok()?;
    (!text.chars().any(char::is_control)).then(|| Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &[u8]) -> Option<Vec<(String, String)>> {
        let fields = fields(text)?;
        Some(fields.into_iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
    }

    fn encode(text: &str) -> String {
        text.bytes().map(|byte| if byte == b' ' { "+".to_owned() } else { format!("%{byte:02X}") }).collect()
    }

    #[test]
    fn fields_are_decoded_in_their_order() {
        let found = read(b"user=al+ice&response=a%2Bb%26%c3%A9&empty=&a=b=c").unwrap();
        let expected = [("user", "al ice"), ("response", "a+b&\u{e9}"), ("empty", ""), ("a", "b=c")];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(read(b""), Some(Vec::new()));
    }

    #[test]
    fn what_no_browser_sends_is_refused() {
        for bad in [
            &b"user"[..],
            b"&",
            b"a=1&",
            b"a=1&&b=2",
            b"a=%",
            b"a=%2",
            b"a=%2&b=1",
            b"a=%zz",
            b"a=%+1",
            b"a=%00",
            b"a=\0",
            b"%00=1",
            b"a=%0D%0A",
            b"a=%7F",
            b"a=%C2%85",
            b"a=%FF",
            b"a=\xff",
            b"a=%C3",
            b"a=%ED%A0%80",
        ] {
            assert_eq!(read(bad), None, "{}", String::from_utf8_lossy(bad));
        }
        assert!(read("a=1&".repeat(79).as_bytes().strip_suffix(b"&").unwrap()).is_some());
        assert_eq!(read(format!("{}a=1", "a=1&".repeat(80)).as_bytes()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(fields) = read(&text) {
                let joined = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
                let again = joined.collect::<Vec<_>>().join("&");
                prop_assert_eq!(read(again.as_bytes()), Some(fields));
            }
        }

        #[test]
        fn any_text_comes_through(name in "\\PC{0,20}", value in "\\PC{0,80}") {
            let sent = format!("{}={}", encode(&name), encode(&value));
            prop_assert_eq!(read(sent.as_bytes()), Some(vec![(name, value)]));
        }
    }
}
