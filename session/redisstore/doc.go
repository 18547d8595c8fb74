// Package redisstore keeps sessions in Redis, and counts login attempts there.
//
// All that belongs to one subject is one hash: its sessions, and its cut-off. Every step is one command or one
// script over that single key, which is atomic and works on a cluster too. Keys carry the time at which the
// last of their sessions expires, so Redis forgets by itself.
//
// It needs Redis 7.0 or later, or Valkey.
//
// Sessions are data, not a cache: let Redis write them to disk (appendonly yes), and don't let it evict them
// (maxmemory-policy noeviction). What Redis loses, users notice as a logout.
package redisstore
