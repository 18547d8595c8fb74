#!/usr/bin/env bash
# bash .ci/quickstart.sh BINARY: does with the quickstart what a newcomer does first, and stops it. It inherits the
# environment, so DATABASE_URL chooses the database.
set -euo pipefail
binary=$(realpath "$1")
email=gate-$(date +%s)-$RANDOM@example.com
password=$(head -c 18 /dev/urandom | base64)
kind=SQLite
[[ -z ${DATABASE_URL:-} ]] || kind=PostgreSQL

# Whatever it writes goes into this directory.
home=$(mktemp -d)
log=$home/log
cd "$home"
env HOME="$home" TMPDIR="$home" XDG_CACHE_HOME= XDG_CONFIG_HOME= ADDR=127.0.0.1:0 "$binary" >"$log" 2>&1 </dev/null &
server=$!
trap 'kill -KILL "$server" 2>/dev/null || true; rm -rf "$home"' EXIT

fail() {
	echo "the quickstart on $kind: $*; its log:" >&2
	cat "$log" >&2
	exit 1
}

# The address is one that its log names and that answers (the log may name a database server, too).
find_address() {
	for _ in {1..150}; do
		kill -0 "$server" 2>/dev/null || fail "ended before it served"
		while read -r address; do
			[[ $(curl -s --max-time 2 -o answer -w '%{http_code}' "http://$address/") != 200 ]] || return 0
		done < <(grep -oE '127\.0\.0\.1:[1-9][0-9]*' "$log" | sort -u)
		sleep 0.2
	done
	fail "did not log an address at which GET / answers 200 within half a minute"
}

# ask WHAT STATUS CURL-ARGUMENTS...: one request, whose answer is then in the file answer.
ask() {
	local what=$1 expected=$2 status
	shift 2
	status=$(curl -sS --max-time 20 -o answer -w '%{http_code}' "$@") || fail "$what got no answer"
	[[ $status == "$expected" ]] || fail "$what answered $status instead of $expected: $(cat answer)"
}

find_address
credentials=$(printf '{"email":"%s","password":"%s"}' "$email" "$password")
json=(-H 'Content-Type: application/json')
ask "registering" 201 "${json[@]}" -d "$credentials" "http://$address/register"
ask "registering again" 409 "${json[@]}" -d "$credentials" "http://$address/register"
ask "a wrong password" 401 "${json[@]}" -d "${credentials/\"password\":\"/&x}" "http://$address/login"
ask "logging in" 200 "${json[@]}" -d "$credentials" "http://$address/login"
token=$(sed -nE 's/.*"access_token" *: *"([^"]+)".*/\1/p' answer)
[[ -n $token ]] || fail "the login has no access_token: $(cat answer)"
ask "GET /me with the token" 200 -H "Authorization: Bearer $token" "http://$address/me"
grep -qF "$email" answer || fail "GET /me does not name $email: $(cat answer)"
ask "GET /me without a token" 401 "http://$address/me"
ask "GET /me with a changed token" 401 -H "Authorization: Bearer x$token" "http://$address/me"

kill -TERM "$server"
for _ in {1..50}; do
	kill -0 "$server" 2>/dev/null || break
	sleep 0.2
done
! kill -0 "$server" 2>/dev/null || fail "still runs 10 s after SIGTERM"
status=0
wait "$server" || status=$?
[[ $status == 0 ]] || fail "exited with $status after SIGTERM"
! grep -qF -e "$token" -e "$password" "$log" || fail "logged a token or a password"
echo "the quickstart on $kind: registered, logged in, asked who it is, stopped"
