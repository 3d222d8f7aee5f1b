#!/bin/bash
# Gets every source, by the machine's own package configuration, and checks it.
#
# Debian trixie is not the release of the build machine, so apt works here with
# folders of its own, on the mirrors that the machine already uses.
. "$(dirname "$0")/settings.sh"

APT=$WORK/apt
export APT_CONFIG=$APT/apt.conf

# mirror SUITE: the address that the machine uses for that suite.
mirror() {
  APT_CONFIG='' apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
    awk -v suite="$1" '$1 == suite { print $2; exit }'
}

configure_apt() {
  local release security main
  release=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
  main=$(mirror "$release")
  security=$(mirror "$release-security")
  rm -rf "$APT"
  mkdir -p "$APT"/lists/partial "$APT"/cache/archives/partial
  for place in "$main trixie trixie-updates" "$security trixie-security"; do
    read -r uri suites <<<"$place"
    printf 'Types: deb deb-src\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n\n' \
      "$uri" "$suites" /usr/share/keyrings/debian-archive-keyring.gpg
  done >"$APT/trixie.sources"
  cat >"$APT_CONFIG" <<END
Dir::Etc::sourcelist "$APT/trixie.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$APT/lists";
Dir::State::status "/dev/null";
Dir::Cache "$APT/cache";
APT::Architecture "amd64";
APT::Architectures "amd64";
APT::Sandbox::User "root";
END
}

fetch_debian() {
  (cd "$DOWNLOADS" && sha256sum --status -c "$HERE/build/sources.sha256" 2>/dev/null) && return
  configure_apt
  apt-get -qq update
  cd "$DOWNLOADS"
  apt-get -qq source --download-only "python3.13=$PYTHON_VERSION-$DEBIAN_REVISION"
  apt-get -qq download "${DEBIAN_PACKAGES[@]}"
  sha256sum --quiet -c "$HERE/build/sources.sha256"
}

fetch_zones() {
  python3 -m pip download -q --no-deps --require-hashes --only-binary :all: \
    -d "$DOWNLOADS" -r "$HERE/build/requirements.txt"
}

fetch_crates() {
  rm -rf "$WORK/crates"
  cp -r "$HERE/build/crates" "$WORK/crates"
  touch "$WORK/crates/none.rs"
  (cd "$WORK/crates" && cargo vendor -q --locked vendor >/dev/null)
}

unpack_python() {
  local patches=$WORK/debian-patches
  rm -rf "$SOURCE" "$patches"
  mkdir -p "$SOURCE" "$patches"
  tar -xJf "$DOWNLOADS/python3.13_$PYTHON_VERSION.orig.tar.xz" --strip-components=1 -C "$SOURCE"
  tar -xJf "$DOWNLOADS/python3.13_$PYTHON_VERSION-$DEBIAN_REVISION.debian.tar.xz" -C "$patches"
  # Only Debian's corrections; its packaging changes do not fit another target.
  for patch in $(awk '{ print $1 }' "$patches/debian/patches/series" |
    grep -E '^(CVE-|ssl-|dict-|traverse-|issue127330)'); do
    patch -d "$SOURCE" -p1 -s <"$patches/debian/patches/$patch"
  done
  for patch in "$HERE"/build/patches/*.patch; do
    patch -d "$SOURCE" -p1 -s <"$patch"
  done
}

unpack_packages() {
  rm -rf "$WORK/sysroot" "$WORK/build-python"
  mkdir -p "$WORK/sysroot" "$WORK/build-python"
  for package in "$DOWNLOADS"/*.deb; do
    case $package in
      */wasi-libc_*) dpkg -x "$package" "$WORK/sysroot" ;;
      *) dpkg -x "$package" "$WORK/build-python" ;;
    esac
  done
  # Whatever is compiled for the target sees the error numbers of Linux.
  cp "$HERE/errno.h" "$SYSROOT/include/wasm32-wasi/errno.h"
  # Debian's Python of the very version we build, with its own C library.
  cat >"$BUILD_PYTHON" <<'END'
#!/bin/sh
d=$(dirname "$(readlink -f "$0")")
exec "$d/usr/lib64/ld-linux-x86-64.so.2" --library-path "$d/usr/lib/x86_64-linux-gnu" \
  --argv0 "$d/usr/bin/python3.13" "$d/usr/bin/python3.13" "$@"
END
  chmod +x "$BUILD_PYTHON"
}

say "sources"
mkdir -p "$DOWNLOADS"
fetch_debian
fetch_zones
fetch_crates
unpack_python
unpack_packages
