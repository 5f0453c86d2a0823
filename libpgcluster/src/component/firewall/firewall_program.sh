#!/bin/sh
# Written by pgcluster: who may connect to this host, as the table inet pgcluster of nftables.
#   load           the rules of /etc/pgcluster/firewall.nft, if there are some
#   widen          rules from standard input that open more than the present ones
#   try SECONDS    rules from standard input; those of before come back after so many seconds, unless somebody confirms
#   confirm        the rules that are tried stay
#   take-back      the rules of before the trial
#   unload         no rules
# /run/pgcluster/firewall/loaded notes the SHA-256 of the rules that were loaded, and of what nft listed then: somebody else's change shows by it.
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
state=/run/pgcluster/firewall
back=pgcluster-firewall-take-back
umask 077
mkdir -p "$state" && cd "$state" && exec 9>lock && flock 9 || exit
sum() { sha256sum | cut -d' ' -f1; }
load() { # FILE
  nft -c -f "$1" && nft -f "$1" || return
  printf '%s %s\n' "$(sum <"$1")" "$(nft -sn list table inet pgcluster | sum)" >loaded.new && mv loaded.new loaded
}
former() {
  printf 'table inet pgcluster\ndelete table inet pgcluster\n'
  nft list table inet pgcluster 2>/dev/null || :
}
end_trial() {
  systemctl stop "$back.timer" 2>/dev/null
  rm -f former.nft former.loaded tried.nft
}
case $1 in
  load)
    [ ! -e /etc/pgcluster/firewall.nft ] || load /etc/pgcluster/firewall.nft
    ;;
  widen)
    cat >widened.nft && load widened.nft
    ;;
  try)
    cat >tried.nft && nft -c -f tried.nft || exit # before anything changes
    # A second trial does not make the first one's rules those of before.
    if [ ! -e former.nft ]; then
      rm -f former.loaded
      [ ! -e loaded ] || cp loaded former.loaded || exit
      former >former.new && mv former.new former.nft || exit
    fi
    systemctl stop "$back.timer" 2>/dev/null
    if ! systemd-run --quiet --collect --unit="$back" --on-active="$2" --timer-property=AccuracySec=100ms "$0" take-back || ! load tried.nft; then
      end_trial
      exit 1
    fi
    ;;
  confirm)
    [ -e former.nft ] || { echo "nobody confirmed the rules in time: the former ones are back" >&2; exit 1; }
    end_trial
    ;;
  take-back)
    [ -e former.nft ] || exit 0
    echo "nobody confirmed the new rules: the former ones come back"
    nft -f former.nft || nft delete table inet pgcluster
    mv former.loaded loaded 2>/dev/null || rm -f loaded
    rm -f former.nft tried.nft
    ;;
  unload)
    end_trial
    nft delete table inet pgcluster 2>/dev/null
    rm -rf "$state"
    ;;
esac
