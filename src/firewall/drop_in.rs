//! What the package drops into fw4: our declarations, and the rules for each of fw4's chains.

use super::sets::Set;

/// The declarations of all sets, one a line.
#[must_use]
pub fn declarations() -> String {
    Set::ALL.into_iter().map(|set| format!("\t{}\n", set.declaration())).collect()
}

/// The rules of a filter chain that accept what is in these sets, one a line.
#[must_use]
pub fn accepting(sets: &[Set]) -> String {
    sets.iter().map(|set| format!("{} counter accept comment \"spa-knockd\"\n", set.lookup())).collect()
}

/// The rules of a filter chain that drop what is in these sets, one a line.
#[must_use]
pub fn cutting(sets: &[Set]) -> String {
    let rule = |set: &Set| format!("ct state invalid,new {} counter drop comment \"spa-knockd\"\n", set.lookup());
    sets.iter().map(rule).collect()
}

/// The rules of a nat chain that translate what is in these sets, one a line.
#[must_use]
pub fn translating(sets: &[Set]) -> String {
    sets.iter().map(|set| format!("{} comment \"spa-knockd\"\n", set.rule())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drop_ins_say_the_same() {
        macro_rules! file {
            ($place:literal) => {
                include_str!(concat!("../../files/usr/share/spa-knockd/nftables/", $place, ".nft"))
                    .split_inclusive('\n')
                    .filter(|line| !line.starts_with('#'))
                    .collect::<String>()
            };
        }
        assert_eq!(file!("table-pre"), declarations());
        assert_eq!(file!("zone/input"), accepting(&Set::INPUT));
        assert_eq!(file!("zone/forward"), accepting(&Set::FORWARD));
        assert_eq!(file!("chain-pre/forward"), cutting(&Set::CUTS));
        assert_eq!(file!("chain-pre/output"), cutting(&Set::CUTS));
        assert_eq!(file!("chain-pre/dstnat"), translating(&Set::DESTINATION_NAT));
        assert_eq!(file!("chain-pre/srcnat"), translating(&Set::SOURCE_NAT));
    }
}
