//! Mistakes between sections, and files that cannot be read.

use spa_knockd::config::load;

use super::{check, demand, keyed, load_text, opening};

#[test]
fn faults_of_the_sections() {
    let good = keyed("");
    let misspelt = good.replace("config access", "config acess");
    let faults = load_text(&misspelt).unwrap_err();
    check(&faults[0], Some(6), None, "did you mean 'access'?", &misspelt);
    check(&faults[1], None, None, "no access section", &misspelt);
    demand(&format!("{good}\nconfig gadget 'x'\n"), Some(12), None, "no such section type");
    demand(&format!("{good}\nconfig spa-knockd\n\toption enabled '1'\n"), Some(12), None, "has no name");
    demand(
        &format!("{good}\nconfig spa-knockd 'main'\n\toption enabled '1'\n\tlist network 'wan'\n"),
        Some(12),
        None,
        "line 1 has a section",
    );
    demand(
        &format!("{good}\nconfig spa-knockd 'other'\n\toption enabled '1'\n"),
        Some(12),
        None,
        "must be named 'main'",
    );
    let (_, access) = good.split_at(good.find("config access").unwrap());
    demand(&format!("{good}\n{access}"), Some(12), None, "line 6 has a section");
    demand(&good.replace("'alice'", "'main'"), Some(6), None, "line 1 has a section");
    demand(&good.replace(" 'alice'", ""), Some(6), None, "as in config access 'alice'");
    demand(&good.replace("alice", &"a".repeat(65)), Some(6), None, "longer than 64");
    demand(access, None, None, "main section is missing");
    demand(&good.replace("option enabled '1'", "option enabled '0'"), Some(2), Some("enabled"), "switched off");
    demand(&good.replace("option enabled '1'", ""), Some(1), Some("enabled"), "switched off");
    demand(&keyed("option enabled 'off'"), None, None, "no access section");
    let many: String = (0..257).map(|number| access.replace("alice", &format!("a{number}"))).collect();
    demand(&good.replace(access, &many), Some(6 + 256 * 5), None, "more than 256");
}

#[test]
fn the_size_of_a_configuration_is_bounded() {
    let many = "config access 'a'\n".repeat(513);
    demand(&many, Some(513), None, "more than 512 sections");
    let long = format!("config access 'a'\n{}", "\tlist source '10.0.0.1'\n".repeat(1025));
    demand(&long, Some(1026), None, "more than 1024 options");
}

#[test]
fn a_text_that_is_no_uci_is_one_fault() {
    demand("config spa-knockd 'main'\n\toption enabled '1", Some(2), None, "never closed");
    demand("config access 'a'\n\toption key 'OpenSesame' 'again'\n", Some(2), None, "too many words");
    demand("OpenSesame\n", Some(1), None, "unknown word");
}

#[test]
fn all_faults_are_collected_in_the_order_of_their_lines() {
    let text =
        keyed("option timeout '0'\n\toption colour 'red'\n\tlist source 'x'").replace("enabled '1'", "max_age 'x'");
    let faults = load_text(&text).unwrap_err();
    let lines: Vec<_> = faults.iter().map(|fault| fault.line.unwrap()).collect();
    assert_eq!(lines, [1, 2, 10, 11, 12], "{faults:#?}");
}

#[test]
fn standalone_mode_must_know_what_it_guards() {
    let standalone =
        |text: String| text.replace("list network 'wan'", "option firewall 'standalone'\n\tlist device 'eth0'");
    let any = standalone(opening("list open 'any'", ""));
    demand(&any, Some(1), None, "cannot know what to guard");
    let protect = any.replace("list device", "list protect 'tcp/22'\n\tlist device");
    assert_eq!(load_text(&protect).unwrap().config.main.protect, ["tcp/22".parse().unwrap()]);
    let open = standalone(opening("list open 'tcp/80'\n\tlist open 'tcp/22'\n\tlist open 'tcp/80'", ""));
    let ports = ["tcp/22".parse().unwrap(), "tcp/80".parse().unwrap()];
    assert_eq!(load_text(&open).unwrap().config.main.protect, ports);
    let some = open.replace("list device", "list protect 'tcp/22'\n\tlist device");
    let warnings = load_text(&some).unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    check(&warnings[0], Some(1), None, "tcp/80 may be opened", &some);
}

#[test]
fn files_are_read_and_their_rights_looked_at() {
    use std::os::unix::fs::PermissionsExt as _;
    let path = std::env::temp_dir().join(format!("spa-knockd-config-{}", std::process::id()));
    std::fs::write(&path, keyed("")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let quiet = load(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let loud = load(&path).unwrap();
    std::fs::write(&path, vec![b'\n'; (1 << 20) + 1]).unwrap();
    let large = load(&path).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    let missing = load(&path).unwrap_err();
    assert_eq!((quiet.warnings.len(), loud.warnings.len()), (0, 1));
    assert!(loud.warnings[0].to_string().contains("mode 0644"), "{}", loud.warnings[0]);
    assert!(large[0].problem.contains("1 MiB"));
    assert!(missing[0].problem.contains("cannot be read"));
    assert!(load(std::path::Path::new("/")).unwrap_err()[0].problem.contains("cannot be read"));
}
