//! Whose stanzas count: those of `--access`, or what fwknopd.conf names.

use spa_knockd::import::{Imported, Problem, import, import_uci};

use super::{Folder, KEYS, configuration, demand};

/// An access.conf with port 22, a folder with port 99, and a fwknopd.conf in which `@` is where they are.
fn folder(server: &str) -> Folder {
    let stanza = |port: &str| format!("SOURCE ANY\n{KEYS}OPEN_PORTS tcp/{port}\n");
    let folder = Folder::new(&[
        ("access.conf", stanza("22").as_bytes()),
        ("access.d/one.conf", stanza("99").as_bytes()),
        ("copy/one.conf", stanza("99").as_bytes()),
    ]);
    let server = server.replace('@', folder.path().to_str().unwrap());
    std::fs::write(folder.path().join("fwknopd.conf"), server).unwrap();
    folder
}

/// Imports what `--access` names, if it is given.
fn with(folder: &Folder, access: Option<&str>) -> Result<Imported, Vec<Problem>> {
    let access = access.map(|access| folder.path().join(access));
    import(access.as_deref(), Some(&folder.path().join("fwknopd.conf")))
}

fn ports(imported: &Imported) -> String {
    format!("{:?}", configuration(imported).access[0].open)
}

#[test]
fn a_folder_of_fwknopd_conf_is_what_counts() {
    let folder = folder("ACCESS_FILE @/access.conf;\nACCESS_FOLDER @/access.d;\n");
    demand(with(&folder, Some("access.conf")), 2, Some("ACCESS_FOLDER"), "never counted; name that folder");
    demand(with(&folder, Some("copy")), 2, Some("ACCESS_FOLDER"), "leave --access out");
    for access in [None, Some("access.d"), Some("copy/../access.d/.")] {
        let imported = with(&folder, access).unwrap();
        assert!(ports(&imported).contains("99"), "{access:?}");
        assert!(!imported.notes.iter().any(|note| note.starts_with("ACCESS_F")), "{:?}", imported.notes);
    }
}

#[test]
fn a_copy_of_a_folder_from_another_machine_is_imported_with_a_note() {
    let folder = folder("ACCESS_FOLDER @/elsewhere;\n");
    let imported = with(&folder, Some("copy")).unwrap();
    let note = imported.notes.iter().find(|note| note.starts_with("ACCESS_FOLDER: ")).unwrap();
    assert!(note.contains("/elsewhere is not on this machine; ") && note.contains("/copy is imported"), "{note}");
    demand(with(&folder, Some("access.conf")), 1, Some("ACCESS_FOLDER"), "never counted");
    let problems = with(&folder, None).unwrap_err();
    assert!(problems[0].text.contains("cannot be read"), "{problems:?}");
}

#[test]
fn another_file_than_that_of_fwknopd_conf_is_a_note_of_both() {
    let folder = folder("FWKNOP_CONF_DIR @;\nACCESS_FILE $FWKNOP_CONF_DIR/access.d/one.conf;\n");
    let imported = with(&folder, Some("access.conf")).unwrap();
    assert!(ports(&imported).contains("22"));
    let note = imported.notes.iter().find(|note| note.starts_with("ACCESS_FILE: ")).unwrap();
    assert!(note.contains("/access.d/one.conf; it is ") && note.contains("/access.conf that is imported"), "{note}");
    for access in [None, Some("access.d/one.conf")] {
        let imported = with(&folder, access).unwrap();
        assert!(ports(&imported).contains("99"), "{access:?}");
        assert!(!imported.notes.iter().any(|note| note.starts_with("ACCESS_FILE")), "{:?}", imported.notes);
    }
}

#[test]
fn what_cannot_be_followed_is_named() {
    for (server, fragment) in [
        ("ACCESS_FILE access.conf\n", "access.conf depends on where fwknopd was started"),
        ("ACCESS_FOLDER $FWKNOP_CONF_DIR/access.d\n", "no line before it sets"),
        ("ACCESS_FOLDER $/access.d\n", "no line before it sets"),
    ] {
        let folder = folder(server);
        demand(with(&folder, None), 1, server.split_once(' ').map(|(name, _)| name), fragment);
    }
    let chain = folder(&format!("ACCESS_FILE /x\n{}", "ACCESS_FILE $ACCESS_FILE\n".repeat(9)));
    demand(with(&chain, None), 10, Some("ACCESS_FILE"), "begins with a variable");
    let problems = with(&folder("MAX_SPA_PACKET_AGE 60\n"), None).unwrap_err();
    assert_eq!((problems.len(), problems[0].line), (1, None), "{problems:?}");
    assert!(problems[0].text.contains("name the access.conf with --access"), "{problems:?}");
}

#[test]
fn a_folder_wins_over_the_sections_of_openwrt() {
    let text = "config global\n\toption uci_enabled '1'\nconfig access\n\toption SOURCE 'ANY'\n\toption KEY 'OpenSesame-2024'\n\
                \toption HMAC_KEY 'Hm@cSecret-77-x'\n\toption OPEN_PORTS 'tcp/22'\nconfig config\n\toption ACCESS_FOLDER '/x'\n";
    let folder = Folder::new(&[("fwknopd", text.as_bytes())]);
    demand(import_uci(&folder.path().join("fwknopd")), 9, Some("ACCESS_FOLDER"), "none of the access sections");
}
