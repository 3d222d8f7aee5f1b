# Packages of Debian trixie on a machine of another release. Sourced, not run;
# wants WORK.
#
# apt works here with folders of its own, on the mirrors that the machine already
# uses.

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
  apt-get -qq update
}
