#!/bin/bash
# shellcheck disable=SC2154  # cache and here are lab's
# The recipe of the hosts' root: sourced by `lab`, and run by mmdebstrap as its hook (`base.sh fill ROOT REPO`).
# The digest of this file names the result, so a changed recipe is a new base and never changes one that a lab uses.

# What an administrator's fresh host has; no python3 and no curl, so that pgcluster is seen to need neither.
base_packages=(systemd systemd-sysv dbus openssh-server sudo iproute2)

# What the hosts can install. The second row cannot stand together with the first: fetched by a call of its own.
repo_packages=(postgresql-17 postgresql-client-17 patroni python3-etcd etcd-server etcd-client pgbouncer haproxy keepalived
  vip-manager2 pgbackrest curl iputils-arping systemd-timesyncd nftables python3-consul jq openssl acl dnsmasq systemd-resolved
  libnss-resolve)
repo_packages_apart=(chrony)
# Debian's last Consul is that of 11.
repo_packages_bullseye=(consul)

# In the warm root already; the time and name services stay out, because they change how a host works.
warm_packages=(postgresql-17 postgresql-client-17 patroni python3-etcd etcd-server etcd-client pgbouncer haproxy keepalived
  vip-manager2 pgbackrest curl iputils-arping python3-consul jq openssl acl consul)

# The Debian mirrors of this machine's apt, as one-line sources for trixie; PGCLUSTER_LAB_MIRROR names one where apt knows none.
trixie_sources() {
  local uri origin label codename
  if [[ ${PGCLUSTER_LAB_MIRROR:-} ]]; then
    echo "deb $PGCLUSTER_LAB_MIRROR trixie main"
    return
  fi
  # shellcheck disable=SC2016  # apt's own variables
  apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL) $(CODENAME)' 'Created-By: Packages' |
    while read -r uri origin label codename; do
      [[ $origin == Debian ]] || continue
      case $label:$codename in
        Debian-Security:*) echo "deb $uri trixie-security main" ;;
        Debian:*-updates) echo "deb $uri trixie-updates main" ;;
        Debian:*-*) ;; # backports and the like
        Debian:*) echo "deb $uri trixie main" ;;
      esac
    done | sort -u
}

# Installs on this machine what building and running needs. Not systemd's own daemons: nothing here is started by us.
install_tools() {
  local -A package=([mmdebstrap]=mmdebstrap [systemd-nspawn]=systemd-container [apt-ftparchive]=apt-utils [ip]=iproute2
    [ssh]=openssh-client [ssh-keygen]=openssh-client)
  local tool missing=()
  for tool in "${!package[@]}"; do
    command -v "$tool" >/dev/null || missing+=("${package[$tool]}")
  done
  [[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || missing+=(debian-archive-keyring)
  ((${#missing[@]})) || return 0
  say "installing on this machine: ${missing[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends "${missing[@]}" >&2
}

# mmdebstrap's hook, the network still there: the packages with all that they need, as apt on a host will choose them.
fill() {
  local root=$1 repo=$2 apt=(apt-get -qq -y -o Dpkg::Use-Pty=0 -o APT::Sandbox::User=root)
  mkdir -p "$root/srv/repo/partial"
  mount --bind "$repo" "$root/srv/repo"
  mkdir -p "$repo/partial"
  local download=("${apt[@]}" -o Dir::Cache::archives=/srv/repo install --download-only --no-install-recommends)
  chroot "$root" "${download[@]}" "${repo_packages[@]}" >&2
  chroot "$root" "${download[@]}" "${repo_packages_apart[@]}" >&2
  sed -n 's/ trixie main$/ bullseye main/p' "$root/etc/apt/sources.list" >"$root/etc/apt/sources.list.d/bullseye.list"
  chroot "$root" "${apt[@]}" update >&2
  chroot "$root" "${download[@]}" "${repo_packages_bullseye[@]}" >&2
  rm -rf "$repo/partial" "$repo/lock"
  (cd "$repo" && apt-ftparchive packages . >Packages && apt-ftparchive release . >Release)
  # This root's own apt: only the repository; its lists are dated here, so that installing works at once.
  rm -rf "$root"/etc/apt/sources.list.d/* "$root"/var/lib/apt/lists/*
  echo 'deb [trusted=yes] file:/srv/repo ./' >"$root/etc/apt/sources.list"
  chroot "$root" "${apt[@]}" update >&2
  umount "$root/srv/repo"
  rm -rf "$root/srv/repo/partial"

  chroot "$root" useradd --create-home --shell /bin/bash admin
  echo 'admin ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/admin"
  chmod 440 "$root/etc/sudoers.d/admin"
  rm -f "$root"/etc/ssh/ssh_host_*
  echo 'UseDNS no' >"$root/etc/ssh/sshd_config.d/lab.conf"
  sed -i '/pam_motd/d' "$root/etc/pam.d/sshd" # runs scripts at every login
  echo '# no name server here' >"$root/etc/resolv.conf"
  : >"$root/etc/machine-id"
  chroot "$root" systemctl -q enable systemd-networkd
  chroot "$root" systemctl -q disable systemd-networkd-wait-online
  # Nothing of these is of use in a short-lived host, and all of them take the processor at boot.
  chroot "$root" systemctl -q mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
    fstrim.timer man-db.timer motd-news.timer systemd-pcrlock-make-policy.service console-getty.service
}

# build_base DIR: DIR/root and DIR/repo, all or nothing
build_base() {
  local dir=$1 tmp sources
  install_tools
  sources=$(trixie_sources)
  [[ $sources ]] || die "apt of this machine knows no Debian mirror: name one in PGCLUSTER_LAB_MIRROR"
  rm -rf --one-file-system "$cache"/tmp.* # of builds that were killed: we hold the lock
  tmp=$(mktemp -d "$cache/tmp.XXXXXX")
  mkdir "$tmp/root" "$tmp/repo"
  chmod 755 "$tmp" "$tmp/root" "$tmp/repo"
  say "building the base root and the package repository (once)"
  # The namespaces see to it that a killed build leaves no mount and no process behind.
  unshare --mount --propagation private --pid --fork --kill-child --mount-proc \
    mmdebstrap --quiet --mode=root --variant=minbase --skip=cleanup/apt/lists --include="$(IFS=, && echo "${base_packages[*]}")" \
    --customize-hook="bash '$here/base.sh' fill \"\$1\" '$tmp/repo'" \
    trixie "$tmp/root" - <<<"$sources" >&2
  mv -T "$tmp" "$dir"
}

# build_warm DIR: DIR/warm, a layer above DIR/root in which the packages are installed and nothing starts by itself
build_warm() {
  local dir=$1 tmp
  tmp=$(mktemp -d "$cache/tmp.XXXXXX")
  mkdir "$tmp/warm" "$tmp/work" "$tmp/root"
  chmod 755 "$tmp" "$tmp/warm"
  say "building the warm layer (once)"
  # shellcheck disable=SC2016  # expanded inside
  unshare --mount --propagation private --pid --fork --kill-child --mount-proc bash -euc '
    dir=$1 tmp=$2 root=$2/root; shift 2
    mount -t overlay overlay -o "lowerdir=$dir/root,upperdir=$tmp/warm,workdir=$tmp/work" "$root"
    mount -t proc proc "$root/proc"
    mount --bind /dev "$root/dev"
    mount --bind -o ro "$dir/repo" "$root/srv/repo"
    enabled() { chroot "$root" systemctl --no-legend --state=enabled list-unit-files | cut -d" " -f1 | sort; }
    before=$(enabled)
    printf "#!/bin/sh\nexit 101\n" >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    mkdir -p "$root/etc/postgresql-common/createcluster.d"
    echo "create_main_cluster = false" >"$root/etc/postgresql-common/createcluster.d/lab.conf"
    DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get -qq -y -o Dpkg::Use-Pty=0 -o APT::Sandbox::User=root \
      -o Dpkg::Options::=--force-unsafe-io install --no-install-recommends "$@" </dev/null
    mapfile -t new < <(comm -13 <(echo "$before") <(enabled))
    chroot "$root" systemctl -q disable "${new[@]}"
    rm -f "$root/usr/sbin/policy-rc.d" "$root/etc/postgresql-common/createcluster.d/lab.conf" "$root"/var/cache/apt/*.bin
    rm -rf "$root"/run/* "$root"/tmp/*
    umount "$root/srv/repo" "$root/dev" "$root/proc" "$root"
  ' build "$dir" "$tmp" "${warm_packages[@]}" >&2
  mv -T "$tmp/warm" "$dir/warm"
  rm -rf --one-file-system "$tmp"
}

if [[ ${1:-} == fill && ${BASH_SOURCE[0]} == "$0" ]]; then
  set -euo pipefail
  fill "$2" "$3"
fi
