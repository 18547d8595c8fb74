-- No index on expires_at, which every refresh changes: so a refresh touches no index at all (a heap-only update,
-- for which the fill factor leaves room). Prune reads the whole table instead, and locks only what has expired.
CREATE TABLE IF NOT EXISTS {sessions} (
	id         text COLLATE "C" NOT NULL PRIMARY KEY,
	subject    text COLLATE "C" NOT NULL,
	generation bigint NOT NULL,
	token      bytea  NOT NULL,
	previous   bytea  NOT NULL,
	nonce      bytea  NOT NULL,
	user_agent text   NOT NULL,
	address    text   NOT NULL,
	label      text   NOT NULL,
	auth_time  bigint NOT NULL,
	started_at bigint NOT NULL,
	rotated_at bigint NOT NULL,
	expires_at bigint NOT NULL,
	ends_at    bigint NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX IF NOT EXISTS {sessions}_subject ON {sessions} (subject);
CREATE TABLE IF NOT EXISTS {subjects} (
	subject   text COLLATE "C" NOT NULL PRIMARY KEY,
	cutoff    bigint NOT NULL,
	forget_at bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS {subjects}_forget_at ON {subjects} (forget_at);
