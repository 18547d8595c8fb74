// Package redisstore keeps sessions in Redis, and counts login attempts there. It needs Redis 7.0 or later, or Valkey.
//
// The sessions and the cut-off of a subject are in one hash. Every operation is one command or one script on this key,
// so it is atomic, also in a cluster. A key expires with the last of its sessions.
//
// Sessions are data, not a cache. Configure Redis to write them to disk (appendonly yes) and not to evict them
// (maxmemory-policy noeviction). If Redis loses a session, its user is logged out.
//
// A failover may lose the latest writes. With Options.Replicas, endings wait for replicas.
package redisstore
