//! `%include`, `%include_folder` and `%include_keys`.

use super::{Folder, KEYS, configuration, demand};

fn stanza(source: &str) -> String {
    format!("SOURCE {source}\n{KEYS}")
}

#[test]
fn files_are_found_beside_the_file_that_names_them() {
    let folder = Folder::new(&[
        ("access.conf", format!("{}%include sub/one\nOPEN_PORTS tcp/22\n", stanza("10.0.0.1")).as_bytes()),
        ("sub/one", b"%include ./two\n"),
        ("sub/two", stanza("10.0.0.2").as_bytes()),
    ]);
    let config = configuration(&folder.import().unwrap());
    let sources: Vec<_> = config.access.iter().map(|access| access.source[0].to_string()).collect();
    assert_eq!(sources, ["10.0.0.1", "10.0.0.2"]);
    assert_ne!(config.access[0].open, config.access[1].open);
}

#[test]
fn folders_are_read_in_the_order_of_names() {
    let files: Vec<(String, Vec<u8>)> = ["b.conf", "a.conf", "c.conf.old", "d.txt"]
        .iter()
        .zip(1..)
        .map(|(name, number): (_, u32)| (format!("conf.d/{name}"), stanza(&format!("10.0.0.{number}")).into_bytes()))
        .chain([("access.conf".to_owned(), b"%include_folder conf.d\n".to_vec())])
        .collect();
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_slice())).collect();
    let folder = Folder::new(&files);
    let sources = |config: spa_knockd::config::Config| {
        config.access.iter().map(|access| access.source[0].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(sources(configuration(&folder.import().unwrap())), ["10.0.0.2", "10.0.0.1"]);
    let direct = spa_knockd::import::import(Some(&folder.path().join("conf.d")), None).unwrap();
    assert_eq!(sources(configuration(&direct)), ["10.0.0.2", "10.0.0.1"]);
}

#[test]
fn key_files_hold_keys_alone() {
    let with = |keys: &str| {
        Folder::new(&[
            ("access.conf", b"SOURCE ANY\n%include_keys keys\nOPEN_PORTS tcp/22\n"),
            ("keys", keys.as_bytes()),
        ])
        .import()
    };
    assert_eq!(configuration(&with(KEYS).unwrap()).access[0].keys[0].key.bytes(), b"OpenSesame-2024");
    demand(with(&format!("{KEYS}OPEN_PORTS tcp/80\n")), 3, Some("OPEN_PORTS"), "a file of keys cannot set it");
    demand(with(&format!("{KEYS}GPG_DECRYPT_PW x\n")), 3, Some("GPG_DECRYPT_PW"), "GPG is not supported");
    demand(with(&format!("{KEYS}KEYY x\n")), 3, Some("KEYY"), "did you mean KEY?");
    let early =
        Folder::new(&[("access.conf", format!("%include_keys keys\n{}", stanza("ANY")).as_bytes()), ("keys", b"")]);
    demand(early.import(), 1, Some("%include_keys"), "before the first SOURCE");
}

#[test]
fn what_cannot_be_included_is_a_problem() {
    let with = |line: &str, files: &[(&str, &[u8])]| {
        let text = format!("{}{line}\n", stanza("ANY"));
        let mut files = files.to_vec();
        files.push(("access.conf", text.as_bytes()));
        Folder::new(&files).import()
    };
    demand(with("%include nosuch", &[]), 4, None, "cannot be read");
    demand(with("%include_folder nosuch", &[]), 4, None, "cannot be read");
    demand(with("%include_keys nosuch", &[]), 4, None, "cannot be read");
    demand(with("%include .", &[]), 4, None, "no file");
    demand(with("%included x", &[]), 4, None, "there is %include,");
    demand(with("%include access.conf", &[]), 4, None, "includes itself");
    demand(
        with("%include one", &[("one", b"%include two\n"), ("two", b"%include three\n"), ("three", b"")]),
        1,
        None,
        "3 levels",
    );
    demand(with("%include one", &[("one", b"%include access.conf\n")]), 1, None, "includes itself");
    let large = vec![b'\n'; (1 << 20) + 1];
    demand(with("%include one", &[("one", &large)]), 4, None, "1 MiB");
    let many = "%include one\n".repeat(300);
    let problems = with("%include many", &[("many", many.as_bytes()), ("one", b"")]).unwrap_err();
    assert!(problems[0].text.contains("more than 256 files"), "{}", problems[0]);
}

#[test]
fn a_missing_file_is_one_problem() {
    let folder = Folder::new(&[]);
    let problems = folder.import().unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].to_string().contains("access.conf: "), "{}", problems[0]);
}
