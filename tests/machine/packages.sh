# shellcheck shell=sh
# Debian packages for emulated machines, fetched and unpacked but never installed; sourced by what needs them.

say() { echo "machine: $*" >&2; }

need_apt() {
	command -v apt-get >/dev/null && return
	say "emulators and kernels come from Debian's packages: no apt-get here"
	exit 1
}

# What an installation of these packages would add to this system.
lacking() {
	apt-get install --simulate --no-install-recommends "$@" | sed -n 's/^Inst \([^ ]*\) .*/\1/p'
}

# The newest package whose name matches.
newest() { apt-cache search --names-only "$1" | cut -d ' ' -f 1 | sort -V | tail -n 1; }

# Unpacks packages into a directory: unpack DIRECTORY PACKAGE…
unpack() (
	prefix=$1
	shift
	mkdir -p "$prefix/debs"
	cd "$prefix/debs" || exit
	apt-get -o APT::Sandbox::User=root download -qq "$@"
	for deb in *.deb; do
		dpkg-deb --extract "$deb" ..
		rm "$deb"
	done
	rmdir ../debs
)

# From here on apt asks for packages of another architecture, in a state of its own: foreign ARCHITECTURE DIRECTORY
foreign() {
	mkdir -p "$2/lists/partial" "$2/cache/archives/partial"
	: >"$2/status"
	# shellcheck disable=SC2016 # apt expands it
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
	cat >"$2/debian.sources" <<-END
		Types: deb
		URIs: ${mirror:?no mirror of Debian is known to apt}
		Suites: bookworm
		Components: main
		Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
	END
	cat >"$2/apt.conf" <<-END
		Dir::State "$2";
		Dir::State::status "$2/status";
		Dir::Cache "$2/cache";
		Dir::Etc::SourceList "$2/debian.sources";
		Dir::Etc::SourceParts "/dev/null";
		APT::Architecture "$1";
		APT::Architectures { "$1"; };
		APT::Sandbox::User "root";
	END
	export APT_CONFIG="$2/apt.conf"
	apt-get update -qq
}
