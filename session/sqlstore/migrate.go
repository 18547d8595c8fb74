package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"
)

//go:embed schema
var schemas embed.FS

// Schema returns the SQL that creates the tables as this version wants them, for those who apply it by hand.
// Errors are the usher.ConfigError of New.
func Schema(dialect Dialect, opts *Options) (string, error) {
	_, prefix, err := configure(dialect, opts)
	if err != nil {
		return "", err
	}
	migrations, err := migrations(dialect, prefix)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, m := range migrations {
		b.WriteString(m + "\n")
	}
	names := naming(prefix)
	b.WriteString(names.Replace(createVersion) + ";\n")
	fmt.Fprintf(&b, names.Replace(insertVersion)+";\n", len(migrations))
	return b.String(), nil
}

const (
	createVersion = `CREATE TABLE IF NOT EXISTS {schema} (version INTEGER NOT NULL)`
	insertVersion = `INSERT INTO {schema} (version) VALUES (%d)`
)

// Migrate creates the tables, or brings those of an earlier version up to date. It can be called at every start,
// by several processes at once. A schema that is newer than this version knows is an error.
func (s *Store) Migrate(ctx context.Context) (err error) {
	migrations, err := migrations(s.dialect, s.prefix)
	if err != nil {
		return err
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("sqlstore: migrating: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	names := naming(s.prefix)
	run := func(ctx context.Context, statements ...string) error {
		for _, statement := range statements {
			if _, err := conn.ExecContext(ctx, names.Replace(statement)); err != nil {
				return fmt.Errorf("sqlstore: migrating: %w", err)
			}
		}
		return nil
	}
	if err = run(ctx, s.grammar.lock...); err == nil {
		err = s.migrateLocked(ctx, conn, migrations, run)
	}
	if err == nil {
		err = run(ctx, s.grammar.unlock...)
	}
	if err == nil {
		return nil
	}
	if undoErr := run(context.WithoutCancel(ctx), s.grammar.undo...); undoErr != nil {
		// Nobody may get this connection with its lock: an answer of ErrBadConn drops it.
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	return err
}

func (s *Store) migrateLocked(ctx context.Context, conn *sql.Conn, migrations []string, run func(context.Context, ...string) error) error {
	if err := run(ctx, createVersion); err != nil {
		return err
	}
	var version int
	highest := naming(s.prefix).Replace(`SELECT COALESCE(MAX(version), 0) FROM {schema}`)
	if err := conn.QueryRowContext(ctx, highest).Scan(&version); err != nil {
		return fmt.Errorf("sqlstore: migrating: %w", err)
	}
	if version > len(migrations) {
		return fmt.Errorf("sqlstore: the schema has version %d, and this package knows %d: use a newer one", version, len(migrations))
	}
	for i := version; i < len(migrations); i++ {
		if err := run(ctx, statements(migrations[i])...); err != nil {
			return err
		}
		if err := run(ctx, fmt.Sprintf(insertVersion, i+1)); err != nil {
			return err
		}
	}
	return nil
}

// migrations returns the files of a dialect in order: migration n leads to version n.
func migrations(dialect Dialect, prefix string) ([]string, error) {
	dir := "schema/" + string(dialect)
	entries, err := schemas.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("sqlstore: %w", err)
	}
	var texts []string
	for _, entry := range entries {
		text, err := schemas.ReadFile(dir + "/" + entry.Name())
		if err != nil {
			return nil, fmt.Errorf("sqlstore: %w", err)
		}
		texts = append(texts, naming(prefix).Replace(string(text)))
	}
	return texts, nil
}

// statements splits a migration at the semicolons that end its lines, for drivers that take one statement a time.
func statements(migration string) []string {
	parts := strings.Split(migration, ";\n")
	return slices.DeleteFunc(parts, func(s string) bool { return strings.TrimSpace(s) == "" })
}
