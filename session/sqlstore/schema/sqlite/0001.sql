CREATE TABLE IF NOT EXISTS {sessions} (
	id         TEXT    NOT NULL PRIMARY KEY,
	subject    TEXT    NOT NULL,
	generation INTEGER NOT NULL,
	token      BLOB    NOT NULL,
	previous   BLOB    NOT NULL,
	nonce      BLOB    NOT NULL,
	user_agent TEXT    NOT NULL,
	address    TEXT    NOT NULL,
	label      TEXT    NOT NULL,
	auth_time  INTEGER NOT NULL,
	started_at INTEGER NOT NULL,
	rotated_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	ends_at    INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS {sessions}_subject ON {sessions} (subject);
CREATE INDEX IF NOT EXISTS {sessions}_expires_at ON {sessions} (expires_at);
CREATE TABLE IF NOT EXISTS {subjects} (
	subject   TEXT    NOT NULL PRIMARY KEY,
	cutoff    INTEGER NOT NULL,
	forget_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS {subjects}_forget_at ON {subjects} (forget_at);
