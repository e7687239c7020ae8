//! What the pages say: every text can be translated, and the reasons are those of the program.

use std::collections::{BTreeMap, BTreeSet};

use spa_knockd::reason::{Reason, Stage};

use super::{app, is_generated, json, resources, scripts};

/// Where a directory of this name stands in LuCI's own tree; translators see it.
const HOME: &str = "applications/luci-app-spa-knockd";

/// A string literal at the beginning of the text, and what follows it.
fn literal(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|quote| ['\'', '"'].contains(quote))?;
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((place, character)) = characters.next() {
        match character {
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                't' => '\t',
                other => other,
            }),
            _ if character == quote => return text.get(place + 1..).map(|rest| (value, rest)),
            '\n' => return None,
            _ => value.push(character),
        }
    }
    None
}

/// The texts of a script.
fn translated(file: &str, source: &str) -> Vec<String> {
    let is_name = |before: &str| before.ends_with(|c: char| c.is_alphanumeric() || ['_', '$', '.'].contains(&c));
    let mut found = Vec::new();
    for (place, _) in source.match_indices("_(").filter(|(place, _)| !is_name(&source[..*place])) {
        let rest = source[place + 2..].trim_start();
        let text = literal(rest).filter(|(_, after)| after.trim_start().starts_with(')'));
        let line = source[..place].lines().count();
        let (text, _) = text.unwrap_or_else(|| panic!("{file}:{line}: _() takes one literal string and nothing else"));
        let collapsed = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(text, collapsed, "{file}:{line}: LuCI collapses blanks, and would not find this text");
        assert!(!text.is_empty(), "{file}:{line}: an empty text has no translation");
        found.push(text);
    }
    found
}

/// po/templates/spa-knockd.pot: each text with the files where it stands.
fn template() -> String {
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, source) in scripts() {
        for text in translated(&file, &source) {
            texts.entry(text).or_default().insert(format!("{HOME}/htdocs/luci-static/resources/{file}"));
        }
    }
    for (file, field) in [("luci/menu.d", "title"), ("rpcd/acl.d", "description")] {
        let path = format!("root/usr/share/{file}/luci-app-spa-knockd.json");
        for entry in json(&app().join(&path)).as_object().expect("entries").values() {
            let text = entry[field].as_str().expect("a text for people").to_owned();
            texts.entry(text).or_default().insert(format!("{HOME}/{path}"));
        }
    }
    let mut template = "msgid \"\"\nmsgstr \"Content-Type: text/plain; charset=UTF-8\"\n".to_owned();
    for (text, files) in texts {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        template.push('\n');
        for file in files {
            template = template + "#: " + &file + "\n";
        }
        template = template + "msgid \"" + &escaped + "\"\nmsgstr \"\"\n";
    }
    template
}

/// spa-knockd/reasons.js.
fn reasons() -> String {
    let mut script = "'use strict';\n'require baseclass';\n\n\
         /* Made from src/reason.rs by UPDATE_DOCS=1 cargo test --test luci; a test keeps it true. */\n\
         return baseclass.extend({\n\
         \t/* By its code: what a refusal means, and whether the sender held the keys. */\n\
         \ttable: {\n"
        .to_owned();
    let entries: Vec<String> = Reason::ALL
        .iter()
        .map(|reason| {
            let genuine = reason.stage() > Stage::Authentication;
            let text = reason.text().replace('`', "\"").replace('\\', "\\\\").replace('\'', "\\'");
            format!("\t\t'{}': {{ genuine: {genuine}, text: _('{text}') }}", reason.code())
        })
        .collect();
    script = script + &entries.join(",\n") + "\n\t}\n});\n";
    script
}

#[test]
fn the_reasons_are_those_of_the_program() {
    is_generated(&resources().join("spa-knockd/reasons.js"), &reasons());
}

#[test]
fn the_template_for_translators_has_every_text() {
    is_generated(&resources().join("spa-knockd/reasons.js"), &reasons());
    is_generated(&app().join("po/templates/spa-knockd.pot"), &template());
}

#[test]
fn a_text_is_found_wherever_it_stands() {
    let source = "x = _('one'); E('p', {}, [ _(\"it's\") ]); my_('no'); a._('no'); _( 'don\\'t' )";
    assert_eq!(translated("x.js", source), ["one", "it's", "don't"]);
    for wrong in ["_(name)", "_('a' + b)", "_(`a`)", "_('a', 'b')", "_('a  b')", "_(' a')", "_('')", "_('a"] {
        assert!(std::panic::catch_unwind(|| translated("x.js", wrong)).is_err(), "{wrong}");
    }
}
