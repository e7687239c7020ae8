//! Which routers get which program, and what keeps one from a processor that cannot run it.

use std::collections::BTreeSet;
use std::path::Path;

use super::router::Router;
use super::{SOURCES, VERSION, failed, member, pack, sources, succeeded};

/// The words of each line of a table in cross/.
fn table(name: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(Path::new(SOURCES).join("cross").join(name)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

#[test]
fn each_target_has_a_package_of_its_own_name_and_each_package_a_target() {
    let targets: BTreeSet<String> = table("targets").into_iter().map(|words| words[0].clone()).collect();
    assert_eq!(targets.len(), 6);
    let routers = table("routers");
    for line in &routers {
        assert!(line.len() == 3 || line.len() == 4, "{line:?}");
        assert!(targets.contains(&line[1]), "{line:?}");
        // Hard float ends in an illegal instruction on a processor without VFP, the other way round all is well.
        assert!(!line[2].contains("vfp=off") || line[1] == "arm_arm926ej-s", "{line:?}");
    }
    let names: BTreeSet<&String> = routers.iter().map(|line| &line[0]).collect();
    assert_eq!(names.len(), routers.len());
    for target in &targets {
        assert!(routers.iter().any(|line| line[0] == *target && line[1] == *target && line.len() == 3), "{target}");
    }
}

#[test]
fn a_package_says_the_architecture_that_the_router_knows() {
    let sources = sources();
    for target in ["arm_cortex-a7", "arm_arm926ej-s"] {
        let bin = sources.path(&format!("target/cross/bin/{target}/spa-knockd"));
        std::fs::create_dir_all(bin.parent().unwrap()).unwrap();
        std::fs::copy("/bin/true", bin).unwrap();
    }
    let cases = [
        ("arm_cortex-a7", "arm_cortex-a7", true),
        ("arm_cortex-a7-soft", "arm_cortex-a7", false),
        ("arm_cortex-a9_vfpv3-d16", "arm_cortex-a9_vfpv3-d16", true),
        ("arm_cortex-a9", "arm_cortex-a9", false),
    ];
    let names = cases.map(|(name, _, _)| name);
    succeeded(&pack(&sources, &names));
    for (name, architecture, asks) in cases {
        let package = sources.path(&format!("target/cross/packages/{name}/spa-knockd_{VERSION}_{name}.ipk"));
        let control = member(&package, "control.tar.gz", "./control");
        assert!(control.contains(&format!("\nArchitecture: {architecture}\n")), "{name}: {control}");
        let index = std::fs::read_to_string(package.with_file_name("Packages")).unwrap();
        assert!(index.contains(&format!("\nFilename: spa-knockd_{VERSION}_{name}.ipk\n")), "{name}: {index}");
        let script = std::fs::read_to_string(Path::new(SOURCES).join("cross/preinst")).unwrap();
        let packed = member(&package, "control.tar.gz", "--wildcards './[cp]*'");
        assert_eq!(packed.contains(&script), asks, "{name}");
    }
    // The pages run anywhere.
    let pages = sources.path(&format!("target/cross/packages/all/luci-app-spa-knockd_{VERSION}_all.ipk"));
    assert!(!member(&pages, "control.tar.gz", "--wildcards './[cp]*'").contains("VFP"));
}

#[test]
fn a_processor_without_vfp_is_refused_before_anything_is_installed() {
    let router = Router::new();
    let script = std::fs::read_to_string(Path::new(SOURCES).join("cross/preinst")).unwrap();
    let ask = |machine: &str, features: &str, environment: &[&str]| {
        router.0.write("proc/cpuinfo", &format!("processor\t: 0\nFeatures\t: {features}\nCPU part\t: 0xc07\n"));
        // The processor of this machine is another matter.
        let script = format!("uname() {{ echo {machine}; }}\n{script}");
        router.run(environment, &script)
    };
    for features in [
        "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm",
        "half thumb fastmult vfp edsp thumbee vfpv3 vfpv3d16 tls",
    ] {
        assert_eq!(succeeded(&ask("armv7l", features, &[])), "", "{features}");
    }
    // A router of MediaTek's MT7629, whose kernel knows no VFP; and VFPv2, of an older processor.
    for features in
        ["half thumb fastmult edsp tls idiva idivt lpae evtstrm", "half thumb fastmult vfp edsp java tls", ""]
    {
        let refused = failed(&ask("armv7l", features, &[]));
        assert!(refused.contains("VFPv3") && refused.contains("arm_cortex-a7-soft"), "{refused}");
    }
    // 64-bit kernels tell it in other words, and an image is built elsewhere.
    assert_eq!(succeeded(&ask("aarch64", "fp asimd evtstrm crc32 cpuid", &[])), "");
    assert_eq!(succeeded(&ask("armv7l", "half thumb", &["IPKG_INSTROOT=/image"])), "");
}
