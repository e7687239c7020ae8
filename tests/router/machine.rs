//! A router without a router: a scratch root with busybox, the package's files, the real spa-knockd and nft, and stand-ins
//! for what OpenWrt brings (`tests/router/root`), in namespaces of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Says when it is made ready, and then lives as process 1 until it is killed, and everything in there with it.
const KEEPER: &str = r#"set -e
root=$1
mount -t proc proc "$root/proc"
for device in null urandom; do
	: >"$root/dev/$device"
	mount --bind "/dev/$device" "$root/dev/$device"
done
ip link set lo up
ip link add eth1 type veth peer name isp1
ip link add eth2 type veth peer name isp2
for device in eth1 eth2 isp1 isp2; do ip link set "$device" up; done
ip address add 203.0.113.1/24 dev eth1
ip address add 198.51.100.1/24 dev eth2
echo ready
exec chroot "$root" /bin/busybox ash -c 'while :; do sleep 3600 & wait; done'
"#;

/// The users of a router.
pub(crate) const PASSWD: &str = "root:x:0:0:root:/root:/bin/ash\nnobody:*:65534:65534:nobody:/var:/bin/false\n\
                                 spa-knockd:x:62201:62201::/var/run:/bin/false\n";

/// Counts the routers of this process.
static NUMBER: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Router {
    root: PathBuf,
    keeper: Child,
    /// The keeper's process number outside.
    inside: String,
}

impl Router {
    /// A router with lan and wan, each in a zone of its name, a firewall that runs, and this configuration of ours.
    pub(crate) fn new(config: &str) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("router-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy(&source.join("tests/router/root"), &root);
        copy(&source.join("files"), &root);
        for directory in
            ["bin", "usr/bin", "dev", "proc", "tmp/up", "var/run", "usr/share/nftables.d", "etc/nftables.d"]
        {
            fs::create_dir_all(root.join(directory)).expect("mkdir");
        }
        install(Path::new(env!("CARGO_BIN_EXE_spa-knockd")), "usr/sbin/spa-knockd", &root);
        install(&found("busybox"), "bin/busybox", &root);
        install(&found("nft"), "usr/sbin/nft", &root);
        let keeper = Command::new("unshare")
            .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", KEEPER, "sh"])
            .arg(&root)
            .stdout(Stdio::piped())
            .spawn()
            .expect("run unshare");
        let mut this = Self { root, keeper, inside: String::new() };
        let mut ready = String::new();
        let out = this.keeper.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut ready).expect("read from the keeper");
        assert_eq!(ready, "ready\n");
        let pid = this.keeper.id();
        this.inside = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("its child").trim().into();
        this.write("etc/passwd", PASSWD);
        this.write("etc/group", "root:x:0:\nspa-knockd:x:62201:\n");
        this.write("etc/config/network", "config interface 'lan'\n\nconfig interface 'wan'\n");
        this.write("etc/config/firewall", &format!("{}{}", zone("lan", "lan"), zone("wan", "wan wan6")));
        this.configure(config);
        this.up("wan", "eth1");
        this.good("/bin/busybox --install -s && fw4 start && rm /tmp/fw4.calls");
        this
    }

    /// The place of a file, seen from outside.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        fs::write(self.at(path), text).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Writes our configuration, as only root may read it.
    pub(crate) fn configure(&self, text: &str) {
        self.write("etc/config/spa-knockd", text);
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(self.at("etc/config/spa-knockd"), private).expect("chmod");
    }

    /// What the file holds; nothing where there is none.
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_default()
    }

    /// Puts a program there.
    pub(crate) fn program(&self, path: &str, text: &str) {
        self.write(path, text);
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(0o755)).expect("chmod");
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Netifd has brought the network up with this device.
    pub(crate) fn up(&self, network: &str, device: &str) {
        self.write(&format!("tmp/up/{network}"), &format!("{device}\n"));
    }

    /// Runs a shell script there.
    pub(crate) fn run(&self, script: &str) -> Output {
        Command::new("nsenter")
            .args(["--target", &self.inside, "--mount", "--net", "--pid", "chroot"])
            .arg(&self.root)
            .args(["/bin/busybox", "ash", "-c", script])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .output()
            .expect("run nsenter")
    }

    /// Runs a shell script there that must succeed, and gives what it printed.
    pub(crate) fn good(&self, script: &str) -> String {
        let out = self.run(script);
        assert!(out.status.success(), "{script}: {}", said(&out));
        assert_eq!(String::from_utf8_lossy(&out.stderr), "", "{script}");
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// Runs the host's program in the namespaces, with the host's files.
    pub(crate) fn outside(&self, words: &[&str]) {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.inside, "--mount", "--net"]).args(words);
        assert!(command.status().expect("run nsenter").success(), "{words:?}");
    }

    /// Calls the init script, which must neither fail nor print anything.
    pub(crate) fn init(&self, action: &str) {
        let out = self.run(&format!("/etc/init.d/spa-knockd {action}"));
        assert_eq!((out.status.code(), said(&out).as_str()), (Some(0), ""), "{action}: {}", self.read("tmp/log"));
    }

    /// Calls the init script, which must fail and not print anything, for there is no terminal.
    pub(crate) fn refused(&self, action: &str) {
        let out = self.run(&format!("/etc/init.d/spa-knockd {action}"));
        assert_eq!((out.status.code(), said(&out).as_str()), (Some(1), ""), "{action}: {}", self.read("tmp/log"));
    }

    /// The exit status and words of the init script's `status`.
    pub(crate) fn status(&self) -> (i32, String) {
        let out = self.run("/etc/init.d/spa-knockd status");
        assert_eq!(String::from_utf8_lossy(&out.stderr), "");
        (out.status.code().expect("a status"), String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// What was logged since this was asked last.
    pub(crate) fn log(&self) -> String {
        let log = self.read("tmp/log");
        self.write("tmp/log", "");
        log
    }

    /// How often an instance was started.
    pub(crate) fn starts(&self) -> usize {
        self.read("tmp/procd/starts").lines().count()
    }

    /// Waits until the daemon answers, and gives the number of its process.
    pub(crate) fn serving(&self) -> String {
        self.wait("daemon that answers", || self.run("spa-knockd status").status.success());
        self.read("tmp/procd/pid")
    }

    /// Whether the daemon runs.
    pub(crate) fn running(&self) -> bool {
        self.run("kill -0 $(cat /tmp/procd/pid)").status.success()
    }

    /// Waits for what the closure asks.
    pub(crate) fn wait(&self, what: &str, mut ask: impl FnMut() -> bool) {
        let start = Instant::now();
        while !ask() {
            assert!(start.elapsed() < Duration::from_secs(10), "no {what}: {}", self.read("tmp/daemon.log"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The places of our drop-ins.
    pub(crate) fn drop_ins(&self) -> Vec<String> {
        let listed = self.good("cd /usr/share/nftables.d && find . -type f | sort");
        listed.lines().map(|line| line.trim_start_matches("./").to_owned()).collect()
    }

    /// What fw4 was asked for since this was asked last.
    pub(crate) fn fw4_calls(&self) -> String {
        let calls = self.read("tmp/fw4.calls");
        self.write("tmp/fw4.calls", "");
        calls.lines().collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        if let Some(pid) = self.inside.parse().ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// The section of a zone.
pub(crate) fn zone(name: &str, networks: &str) -> String {
    let lists: String = networks.split(' ').map(|network| format!("\tlist network '{network}'\n")).collect();
    format!("config zone\n\toption name '{name}'\n{lists}\n")
}

/// All that a program said.
pub(crate) fn said(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// A program of the host.
fn found(program: &str) -> PathBuf {
    let out = Command::new("which").arg(program).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output();
    let out = out.expect("run which");
    assert!(out.status.success(), "{program} is missing: tests/setup.sh lab installs it");
    PathBuf::from(String::from_utf8_lossy(&out.stdout).trim())
}

/// Puts a program of the host there, and the libraries that it needs.
fn install(program: &Path, path: &str, root: &Path) {
    link(program, &root.join(path));
    let out = Command::new("ldd").arg(program).output().expect("run ldd");
    for word in String::from_utf8_lossy(&out.stdout).split_whitespace().filter(|word| word.starts_with('/')) {
        let target = root.join(word.trim_start_matches('/'));
        if !target.exists() {
            link(Path::new(word), &target);
        }
    }
}

/// Another name for a file, or a copy where it is on another disk.
fn link(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("a directory")).expect("mkdir");
    let from = fs::canonicalize(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    if fs::hard_link(&from, to).is_err() {
        fs::copy(&from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    }
}

/// Copies a tree; scripts can be run there, whoever checked them out.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("mkdir");
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("copy");
            let is_script = fs::read(&target).expect("read").starts_with(b"#!");
            let mode = if is_script { 0o755 } else { 0o644 };
            fs::set_permissions(&target, fs::Permissions::from_mode(mode)).expect("chmod");
        }
    }
}
