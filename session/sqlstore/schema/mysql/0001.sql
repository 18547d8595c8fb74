-- VARBINARY, because text columns ignore trailing spaces, and often case and accents, in comparisons. The index on
-- expires_at is for Prune, which would otherwise read and lock the whole table.
CREATE TABLE IF NOT EXISTS {sessions} (
	id         VARBINARY(32)  NOT NULL PRIMARY KEY,
	subject    VARBINARY(255) NOT NULL,
	generation BIGINT         NOT NULL,
	token      VARBINARY(32)  NOT NULL,
	previous   VARBINARY(32)  NOT NULL,
	nonce      VARBINARY(16)  NOT NULL,
	user_agent VARBINARY(256) NOT NULL,
	address    VARBINARY(256) NOT NULL,
	label      VARBINARY(256) NOT NULL,
	auth_time  BIGINT         NOT NULL,
	started_at BIGINT         NOT NULL,
	rotated_at BIGINT         NOT NULL,
	expires_at BIGINT         NOT NULL,
	ends_at    BIGINT         NOT NULL,
	INDEX {sessions}_subject (subject),
	INDEX {sessions}_expires_at (expires_at)
) ENGINE = InnoDB;
CREATE TABLE IF NOT EXISTS {subjects} (
	subject   VARBINARY(255) NOT NULL PRIMARY KEY,
	cutoff    BIGINT         NOT NULL,
	forget_at BIGINT         NOT NULL,
	INDEX {subjects}_forget_at (forget_at)
) ENGINE = InnoDB;
