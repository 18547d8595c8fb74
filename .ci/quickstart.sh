#!/usr/bin/env bash
# bash .ci/quickstart.sh BINARY: starts the quickstart, uses it as a newcomer would, and stops it. The quickstart inherits
# the environment: DATABASE_URL selects the database, and REDIS_URL a Redis.
set -euo pipefail
binary=$(realpath "$1")
email=gate-$(date +%s)-$RANDOM@example.com
password=$(head -c 18 /dev/urandom | base64)
kind=SQLite
[[ -z ${DATABASE_URL:-} ]] || kind=PostgreSQL
[[ -z ${REDIS_URL:-} ]] || kind+=" with Redis"

# All its files are written into this directory.
home=$(mktemp -d)
log=$home/log
cd "$home"
: >"$log"
env HOME="$home" TMPDIR="$home" XDG_CACHE_HOME= XDG_CONFIG_HOME= ADDR=127.0.0.1:0 MAIL_DIR= PUBLIC_URL= "$binary" >"$log" 2>&1 </dev/null &
server=$!
trap 'kill -KILL "$server" 2>/dev/null || true; rm -rf "$home"' EXIT

fail() {
	echo "the quickstart on $kind: $*; its log:" >&2
	cat "$log" >&2
	exit 1
}

# find_address sets address to one that the log names and that responds. The log may also name a database or Redis.
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

# ask WHAT STATUS CURL-ARGUMENTS... sends one request, wants this status, and writes the body to the file answer.
ask() {
	local what=$1 expected=$2 status
	shift 2
	status=$(curl -sS --max-time 20 -o answer -w '%{http_code}' "$@") || fail "$what got no answer"
	[[ $status == "$expected" ]] || fail "$what answered $status instead of $expected: $(cat answer)"
}

# field NAME prints a string member of the last answer's JSON.
field() {
	sed -nE "s/.*\"$1\" *: *\"([^\"]+)\".*/\1/p" answer | grep . || fail "the answer has no $1: $(cat answer)"
}

# follow_link KIND sets link to that of the newest mail of this kind, without the token, and token_in_link to the token.
# The folder of the mails is in the log.
follow_link() {
	local folder mails=()
	folder=$(sed -nE 's/.*msg="mails are written" to="?([^"]+)"?$/\1/p' "$log")
	[[ -d $folder ]] || fail "did not name a folder of mails"
	for _ in {1..50}; do
		mails=("$folder"/*-"$1".eml)
		[[ ! -e ${mails[-1]} ]] || break
		sleep 0.2
	done
	link=$(grep -oE 'http://[^ ]+#[^ ]+' "${mails[-1]}") || fail "wrote no mail with a link of kind $1 into $folder"
	token_in_link=${link#*#}
	link=${link%%#*}
}

find_address
credentials=$(printf '{"email":"%s","password":"%s"}' "$email" "$password")
json=(-H 'Content-Type: application/json')
ask "registering" 201 "${json[@]}" -d "$credentials" "http://$address/register"
registered=$(field access_token)
ask "GET /me right after registering" 200 -H "Authorization: Bearer $registered" "http://$address/me"
ask "registering again" 409 "${json[@]}" -d "$credentials" "http://$address/register"
ask "a wrong password" 401 "${json[@]}" -d "${credentials/\"password\":\"/&x}" "http://$address/login"
ask "logging in" 200 "${json[@]}" -d "$credentials" "http://$address/login"
token=$(field access_token)
first=$(field refresh_token)
ask "GET /me with the token" 200 -H "Authorization: Bearer $token" "http://$address/me"
grep -qF "$email" answer || fail "GET /me does not name $email: $(cat answer)"
ask "GET /me without a token" 401 "http://$address/me"
ask "GET /me with a changed token" 401 -H "Authorization: Bearer x$token" "http://$address/me"

# The address is verified by the link of a mail, which works once, and not by opening it.
follow_link verify
verification=$token_in_link
ask "opening the link" 200 "$link"
ask "a changed link" 400 "${json[@]}" -d "{\"token\":\"x$verification\",\"password\":\"$password\"}" "$link"
ask "verifying the address" 204 "${json[@]}" -d "{\"token\":\"$verification\",\"password\":\"$password\"}" "$link"
ask "verifying it again" 400 "${json[@]}" -d "{\"token\":\"$verification\",\"password\":\"$password\"}" "$link"
ask "GET /me after the verification" 200 -H "Authorization: Bearer $token" "http://$address/me"
grep -qE '"verified" *: *true' answer || fail "the address is not verified: $(cat answer)"
ask "ending the registration's session" 204 -X DELETE -H "Authorization: Bearer $token" "http://$address/sessions"

# The session is refreshed. A change of password ends a second session, and a logout ends the first.
bearer=(-H "Authorization: Bearer $token")
ask "logging in once more" 200 "${json[@]}" -d "$credentials" "http://$address/login"
second=$(field refresh_token)
ask "refreshing" 200 "${json[@]}" -d "{\"refresh_token\":\"$first\"}" "http://$address/refresh"
refresh=$(field refresh_token)
ask "refreshing with a forged token" 401 "${json[@]}" -d "{\"refresh_token\":\"x$refresh\"}" "http://$address/refresh"
ask "listing sessions" 200 "${bearer[@]}" "http://$address/sessions"
[[ $(grep -oE '"current" *: *(true|false)' answer | sort | tr -d ' \n') == '"current":false"current":true' ]] ||
	fail "the list has not two sessions, one of them the current: $(cat answer)"
ask "listing sessions without a token" 401 "http://$address/sessions"
ask "ending a session that is nobody's" 404 "${bearer[@]}" -X DELETE "http://$address/sessions/x"

new_password=$(head -c 18 /dev/urandom | base64)
change=$(printf '{"old_password":"%s","new_password":"%s"}' "$password" "$new_password")
ask "a wrong old password" 401 "${bearer[@]}" "${json[@]}" -d "${change/\"old_password\":\"/&x}" "http://$address/password"
ask "a short new password" 422 "${bearer[@]}" "${json[@]}" -d "${change/$new_password/short}" "http://$address/password"
ask "changing the password" 204 "${bearer[@]}" "${json[@]}" -d "$change" "http://$address/password"
ask "refreshing the other session" 401 "${json[@]}" -d "{\"refresh_token\":\"$second\"}" "http://$address/refresh"
ask "logging in with the old password" 401 "${json[@]}" -d "$credentials" "http://$address/login"
ask "logging in with the new password" 200 "${json[@]}" -d "${credentials/$password/$new_password}" "http://$address/login"
ask "ending the other sessions" 204 "${bearer[@]}" -X DELETE "http://$address/sessions"
ask "logging out" 204 "${json[@]}" -d "{\"refresh_token\":\"$refresh\"}" "http://$address/logout"
ask "GET /me after the logout" 401 "${bearer[@]}" "http://$address/me"
ask "refreshing after the logout" 401 "${json[@]}" -d "{\"refresh_token\":\"$refresh\"}" "http://$address/refresh"

# A forgotten password is set by the link of another mail, which ends all sessions.
ask "logging in before the reset" 200 "${json[@]}" -d "${credentials/$password/$new_password}" "http://$address/login"
last=$(field refresh_token)
for who in "$email" nobody-"$email"; do
	ask "forgetting the password of $who" 202 "${json[@]}" -d "{\"email\":\"$who\"}" "http://$address/password/forgot"
done
follow_link reset
reset=$token_in_link
third_password=$(head -c 18 /dev/urandom | base64)
ask "a short password" 422 "${json[@]}" -d "{\"token\":\"$reset\",\"password\":\"short\"}" "$link"
ask "setting the password" 204 "${json[@]}" -d "{\"token\":\"$reset\",\"password\":\"$third_password\"}" "$link"
ask "setting it again" 400 "${json[@]}" -d "{\"token\":\"$reset\",\"password\":\"$third_password\"}" "$link"
ask "refreshing after the reset" 401 "${json[@]}" -d "{\"refresh_token\":\"$last\"}" "http://$address/refresh"
ask "logging in with the forgotten password" 401 "${json[@]}" -d "${credentials/$password/$new_password}" "http://$address/login"
ask "logging in after the reset" 200 "${json[@]}" -d "${credentials/$password/$third_password}" "http://$address/login"

kill -TERM "$server"
for _ in {1..50}; do
	kill -0 "$server" 2>/dev/null || break
	sleep 0.2
done
! kill -0 "$server" 2>/dev/null || fail "still runs 10 s after SIGTERM"
status=0
wait "$server" || status=$?
[[ $status == 0 ]] || fail "exited with $status after SIGTERM"
for secret in "$registered" "$token" "$first" "$refresh" "$second" "$last" "$verification" "$reset" "$password" "$new_password" "$third_password"; do
	! grep -qF -e "$secret" "$log" || fail "logged a token or a password"
done
echo "the quickstart on $kind: registered, verified its address, logged in, asked who it is, refreshed, changed and reset its password, logged out, stopped"
