-- expires_at has no index, because every refresh changes it. So a refresh changes no index at all: it is a heap-only
-- update, for which the fill factor leaves room. Prune reads the table along its primary key instead.
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
