# Installs Debian's Docker Engine and Podman for tests, as root. The packages bring services. Those that were not there before
# are not started, neither now nor at the next boot or login.
set -e

services="containerd.service docker.service docker.socket
	podman.service podman.socket podman-restart.service podman-auto-update.service podman-auto-update.timer"
policy=/usr/sbin/policy-rc.d

starts() {
	command -v systemctl > /dev/null && systemctl --quiet "$1" is-enabled "$2" 2> /dev/null
}

new=
for scope in --system --global; do
	for service in $services; do
		starts $scope "$service" || new="$new $scope/$service"
	done
done

# By this, packages ask whether they may start their services.
if ! [ -e $policy ]; then
	trap 'rm -f $policy' EXIT
	printf '#!/bin/sh\nexit 101\n' > $policy
	chmod 755 $policy
fi

apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-remove --no-install-recommends docker.io podman runc busybox-static > /dev/null

for service in $new; do
	! starts "${service%%/*}" "${service#*/}" || systemctl --quiet "${service%%/*}" disable "${service#*/}" 2> /dev/null
done
