//! Commands that need no server of their own: settings, exit codes, definitions as files, the doctor.

use crate::support::{Server, TOKEN, concierge, run, stderr, stdout};

#[test]
fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
    let dir = tempfile::tempdir().unwrap();
    let file = "listen = \"127.0.0.1:1\"\ncache_mb = 1\nlog = \"error\"\n";
    std::fs::write(dir.path().join("concierge.toml"), file).unwrap();
    let output = concierge(dir.path())
        .args(["config", "--json", "--listen", "127.0.0.1:3"])
        .env("CONCIERGE_LISTEN", "127.0.0.1:2")
        .env("CONCIERGE_CACHE_MB", "2")
        .env("CONCIERGE_TOKEN", TOKEN)
        .output()
        .unwrap();
    let config: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let shown = |key: &str| {
        let setting = &config[key];
        format!("{} from {}", setting["value"].as_str().unwrap(), setting["from"].as_str().unwrap())
    };
    assert_eq!(shown("listen"), "127.0.0.1:3 from flag --listen");
    assert_eq!(shown("cache_mb"), "2 from environment CONCIERGE_CACHE_MB");
    assert_eq!(shown("log"), "error from file concierge.toml");
    assert_eq!(shown("data"), "concierge-data from default");
    assert!(!stdout(&output).contains(TOKEN), "a secret is never printed");
}

#[test]
fn exit_codes_tell_failing_from_being_asked_wrongly() {
    let dir = tempfile::tempdir().unwrap();
    let code = |arguments: &[&str]| {
        let output = run(dir.path(), arguments);
        assert!(
            output.status.success() || !stderr(&output).is_empty(),
            "{arguments:?} said nothing"
        );
        output.status.code().unwrap()
    };
    assert_eq!(code(&["--help"]), 0);
    assert_eq!(code(&["config"]), 0);
    assert_eq!(code(&["serve", "--no-such-flag"]), 2);
    assert_eq!(code(&["serve", "--listen", "8080"]), 2);
    assert_eq!(code(&["config", "--config", "absent.toml"]), 2);
    assert_eq!(code(&["import", "--mapping", "absent.toml", "x.csv"]), 2);
    assert_eq!(code(&["decide", "--context", "[]"]), 2);
    assert_eq!(code(&["profile", "user_id", "u1", "--server", "http://127.0.0.1:1"]), 1);
    assert_eq!(code(&["doctor", "--data", "absent", "--log", "error"]), 1);
}

#[test]
fn definitions_are_applied_once_and_only_where_they_differ() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("definitions/audiences");
    std::fs::create_dir_all(&folder).unwrap();
    let vip = folder.join("vip.toml");
    let rule = "state = \"live\"\n[condition]\ntrait = \"plan\"\nop = \"eq\"\nvalue = \"pro\"\n";
    std::fs::write(&vip, rule).unwrap();
    std::fs::write(folder.join("any.json"), r#"{"condition": {"audience": "vip"}}"#).unwrap();
    let server = Server::start(dir.path(), "127.0.0.1:0");
    let apply = |more: &[&str]| {
        let output = run(
            dir.path(),
            &[&["apply", "-f", "definitions", "--server", &server.base], more].concat(),
        );
        (output.status.code().unwrap(), stdout(&output), stderr(&output))
    };
    let (code, said, _) = apply(&["--dry-run"]);
    assert_eq!(code, 0);
    assert_eq!(
        said,
        "audiences/vip: would be created\naudiences/any: checked once what it names is there\n"
    );
    let (code, said, _) = apply(&[]);
    assert_eq!((code, said.as_str()), (0, "audiences/vip: created\naudiences/any: created\n"));
    let (_, said, _) = apply(&[]);
    assert_eq!(said, "audiences/vip: unchanged\naudiences/any: unchanged\n");
    std::fs::write(&vip, rule.replace("\"pro\"", "\"max\"")).unwrap();
    let (_, said, _) = apply(&["--dry-run"]);
    assert_eq!(said, "audiences/vip: would be updated\naudiences/any: unchanged\n");
    std::fs::write(&vip, rule.replace("\"eq\"", "\"equals\"")).unwrap();
    let (code, said, told) = apply(&[]);
    assert_eq!((code, said.as_str()), (1, "audiences/any: unchanged\n"));
    assert!(told.contains("/condition/op"), "{told}");
    assert!(server.terminate().success());
}

#[test]
fn the_doctor_sees_a_sound_directory_and_one_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), "127.0.0.1:0");
    let examine = |base: &str| {
        concierge(dir.path())
            .args(["doctor", "--data", "data"])
            .env("CONCIERGE_SERVER", base)
            .output()
            .unwrap()
    };
    let output = examine(&server.base);
    assert!(stdout(&output).contains("a server has it open"), "{}", stdout(&output));
    assert!(stdout(&output).contains("alive and ready"), "{}", stdout(&output));
    let base = server.base.clone();
    let second = run(dir.path(), &["serve", "--data", "data", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1));
    let told = stderr(&second);
    assert!(told.contains(&format!("in use by process {}; stop it first", server.id())), "{told}");
    assert!(told.contains("with --server instead of --data"), "{told}");
    let third =
        run(dir.path(), &["backup", "--data", "data", "--to", "b1", "--keys-to", "keys.copy"]);
    assert_eq!(third.status.code(), Some(1));
    assert!(stderr(&third).contains("in use by process"), "{}", stderr(&third));
    assert!(!dir.path().join("b1").exists());
    assert!(server.terminate().success());
    let output = examine(&base);
    assert!(stdout(&output).contains("ok     keys are there"), "{}", stdout(&output));
    assert!(output.status.success());
}

#[test]
fn the_definitions_of_the_guide_do_what_it_says_without_a_server_running() {
    let dir = tempfile::tempdir().unwrap();
    let guide = include_str!("../../../../docs/guide/first-steps.md");
    for block in guide.split("```toml\n# ").skip(1) {
        let (path, rest) = block.split_once('\n').unwrap();
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, rest.split("```").next().unwrap()).unwrap();
    }
    let output = run(dir.path(), &["apply", "-f", "definitions", "--data", "data"]);
    let created =
        "audiences/buyers: created\nplacements/home_hero: created\nexperiences/thanks: created\n";
    assert_eq!(stdout(&output), created, "{}", stderr(&output));
    let visits = "at,who,name\n1767225600,u1,Ann\n";
    std::fs::write(dir.path().join("orders.csv"), visits).unwrap();
    let mapping = "time = { column = \"at\", format = \"unix_seconds\" }\n[[events]]\nname = \"Order Completed\"\n\
                   identifiers.user_id = \"who\"\ntraits.first_name = \"name\"\n";
    std::fs::write(dir.path().join("mapping.toml"), mapping).unwrap();
    let import = ["import", "--data", "data", "--mapping", "mapping.toml", "orders.csv"];
    let output = run(dir.path(), &import);
    assert!(stdout(&output).contains("1 events applied"), "{}", stderr(&output));
    let decide = ["decide", "--data", "data", "--user-id", "u1", "--placement", "home_hero"];
    let title = |at: &str| stdout(&run(dir.path(), &[&decide[..], &["--at", at]].concat()));
    assert!(title("2026-01-10").contains("Good to see you, Ann"), "{}", title("2026-01-10"));
    assert!(title("2026-03-10").contains("Welcome"), "{}", title("2026-03-10"));
}
