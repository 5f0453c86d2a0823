# shellcheck shell=bash
# Adds a member: OWN-MEMBER WORD... is own_member.sh with its words. etcd refuses while a member has been connected with the others for less than 5 s, which
# nobody can ask for: so ask again, for up to 20 s.
for _ in {1..10}; do
  said=$(bash -c "$@" 2>&1) && exit
  [[ $said == *'unhealthy cluster'* ]] || break
  sleep 2
done
printf '%s\n' "$said" >&2
exit 1
