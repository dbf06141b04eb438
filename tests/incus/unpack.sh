#!/bin/sh
# Unpacks Debian's Incus, and what it needs and is not installed, into the folder that is named, and installs nothing: a package
# would start services. Debian 12 has it among its backports.
set -e
mkdir -p "$1/apt/lists/partial" "$1/apt/archives/partial"
cd "$1"
here=$(pwd)
. /etc/os-release
debian() {
	apt-get -qq -o Dir::Etc::SourceList="$here/apt/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$here/apt/lists" \
		-o Dir::Cache="$here/apt" -o APT::Sandbox::User=root "$@"
}
# The machine's own mirror of Debian.
mirror() {
	apt-get indextargets --format '$(REPO_URI)' "Codename: $VERSION_CODENAME" | head -n 1
}
[ -n "$(mirror)" ] || apt-get update -qq
signed=/usr/share/keyrings/debian-archive-keyring.gpg
for suite in "$VERSION_CODENAME" "$VERSION_CODENAME-backports"; do
	echo "deb [signed-by=$signed] $(mirror) $suite main"
done > apt/sources.list
debian update
debian install --download-only --yes --no-install-recommends --target-release "$VERSION_CODENAME-backports" \
	incus-base busybox-static > /dev/null
mkdir -p etc usr/bin usr/lib
for package in apt/archives/*.deb; do
	dpkg-deb -x "$package" .
done
# As where both are one.
for folder in bin sbin lib; do
	[ ! -d "$folder" ] || { mkdir -p "usr/$folder" && cp -a "$folder/." "usr/$folder/" && rm -r "$folder"; }
done
rm -r apt
# Whom root may be inside of a container.
echo root:1000000:65536 > etc/subuid
echo root:1000000:65536 > etc/subgid
