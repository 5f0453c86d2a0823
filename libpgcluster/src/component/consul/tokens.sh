# shellcheck shell=sh
# Policies and tokens of Consul. usage: look|make|forget URL HEADER-FILE CURL-OPTION...
# Standard input has a line for each policy and token that Consul must have: "policy NAME JSON", "token ACCESSOR JSON", or "management ACCESSOR JSON" for
# the token that allows everything once it was replaced. A server may make the latter from its configuration, too, with another accessor.
# look prints "no …" or "another …" for each of them that is missing or differs, and "former token ACCESSOR" for each further token of ours; it fails
# if Consul does not answer. make makes all of them. forget deletes the further tokens.
mode=$1 url=$2 header=$3
shift 3
wished=$(cat)
ours=7067636c
secret=$(printf '%s\n' "$wished" | sed -n 's/^management .*"SecretID":"\([^"]*\)".*/\1/p')
get() { curl -s -m 10 -H "@$header" "$@"; }
manager() { # the accessor of the token that allows everything
  printf 'header = "X-Consul-Token: %s"\n' "$secret" | curl -sf -m 10 -K - "$@" "$url/token/self" | sed -n 's/.*"AccessorID":"\([^"]*\)".*/\1/p'
}
paths() {
  printf '%s\n' "$wished" | while read -r kind name _; do
    case $kind in
      policy) printf ' %s/policy/name/%s' "$url" "$name" ;;
      token) printf ' %s/token/%s' "$url" "$name" ;;
    esac
  done
  printf ' %s/tokens' "$url"
}
look() {
  # shellcheck disable=SC2046 # one word for each URL
  answers=$(get -w '\n=%{http_code}\n' "$@" $(paths)) || exit 1
  manages=
  [ -z "$secret" ] || manages=$(manager "$@")
  printf '%s\n=\n%s\n' "$wished" "$answers" | awk -v ours=$ours -v secret="${secret:+given}" -v manages="$manages" '
    function part(text, pattern) { return match(text, pattern) ? substr(text, RSTART, RLENGTH) : "" }
    function names(text) { return gsub(/"Name":"/, "&", text) }
    function differs(json, got,   rest, one) {
      one = part(json, "\"SecretID\":\"[^\"]*\"")
      if (one != "" && !index(got, one)) return 1
      if (json ~ /"Rules":/) return !index(got, part(json, "\"Rules\":.*\""))
      if (names(json) != names(got)) return 1
      rest = json
      while ((one = part(rest, "\"Name\":\"[^\"]*\"")) != "") {
        if (!index(got, one)) return 1
        rest = substr(rest, index(rest, one) + length(one))
      }
      return 0
    }
    !answered && $0 == "=" { answered = 1; next }
    !answered && $1 == "management" { next }
    !answered { n++; kind[n] = $1; name[n] = $2; json[n] = substr($0, length($1) + length($2) + 3); wanted[$2] = 1; next }
    /^=[0-9][0-9][0-9]$/ { i++; got[i] = body; code[i] = substr($0, 2); body = ""; next }
    { body = body $0 }
    END {
      if (code[n + 1] != "200") exit 1
      for (i = 1; i <= n; i++) {
        if (code[i] !~ /^(200|403|404)$/) exit 1
        if (code[i] != "200") print "no " kind[i] " " name[i]
        else if (differs(json[i], got[i])) print "another " kind[i] " " name[i]
      }
      if (secret != "" && manages == "") print "no token management"
      entries = split(got[n + 1], entry, "\"AccessorID\":\"")
      for (i = 2; i <= entries; i++) {
        one = substr(entry[i], 1, index(entry[i], "\"") - 1)
        if (one in wanted || one == manages) continue
        # A server makes the token that allows everything by these names.
        made = secret != "" && entry[i] ~ /"Description":"(Master Token|Initial Management Token)"/
        if (made || index(one, ours) == 1) print "former token " one
      }
    }'
}
call() { # METHOD PATH: the rest are curl's options, and the body comes by stdin
  method=$1 path=$2
  shift 2
  said=$(curl -sS --fail-with-body --stderr - -m 20 --retry 3 --retry-delay 1 --retry-all-errors -H "@$header" "$@" -X "$method" --data-binary @- "$url/$path") && return
  printf '%s %s: %s\n' "$method" "$path" "$said" >&2
  exit 1
}
make() {
  printf '%s\n' "$wished" | while read -r kind name json; do
    case $kind in
      policy)
        id=$(get -f "$@" "$url/policy/name/$name" | sed -n 's/^{"ID":"\([^"]*\)".*/\1/p')
        printf %s "$json" | call PUT "policy${id:+/$id}" "$@" || exit 1
        ;;
      token | management)
        [ "$kind" = token ] || [ -z "$(manager "$@")" ] || continue
        there=$(get -f "$@" "$url/token/$name") || there=
        its=$(printf %s "$json" | sed -n 's/.*\("SecretID":"[^"]*"\).*/\1/p')
        case $there in
          '') at=token ;;
          *"$its"*) at=token/$name ;;
          *)
            call DELETE "token/$name" "$@" </dev/null || exit 1
            at=token
            ;;
        esac
        printf %s "$json" | call PUT "$at" "$@" || exit 1
        ;;
    esac
  done
}
forget() {
  [ -z "$secret" ] || [ -n "$(manager "$@")" ] || exit 1
  look "$@" | sed -n 's/^former token //p' | while read -r id; do
    call DELETE "token/$id" "$@" </dev/null || exit 1
  done
}
"$mode" "$@"
