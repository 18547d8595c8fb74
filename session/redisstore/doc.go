// Package redisstore keeps sessions in Redis, and counts login attempts there. It needs Redis 7.0 or later, or Valkey.
//
// One hash holds everything of a subject: its sessions and its cut-off. Every step is one command or one script on that
// key, so it is atomic, also in a cluster. A key expires with the last of its sessions.
//
// Sessions are data, not a cache. Let Redis write them to disk (appendonly yes), and don't let it evict them
// (maxmemory-policy noeviction). A session that Redis loses is a logout for its user.
//
// After a failover, Redis may have lost the last moment. Options.Replicas makes endings wait for replicas.
package redisstore
