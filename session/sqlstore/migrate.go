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

	"github.com/go-usher/usher/session/internal/bounded"
)

//go:embed schema
var schemas embed.FS

// Schema returns the SQL that creates the tables of this version, for those who create them with a tool of their own
// or with a role that has more rights. Its errors are the usher.ConfigError values of New.
func Schema(dialect Dialect, opts *Options) (string, error) {
	g, o, err := configure(dialect, opts)
	if err != nil {
		return "", err
	}
	migrations, err := migrations(dialect, o.TablePrefix)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, m := range migrations {
		b.WriteString(m + "\n")
	}
	names := naming(o.TablePrefix)
	b.WriteString(names.Replace(g.createVersion) + ";\n")
	fmt.Fprintf(&b, names.Replace(insertVersion)+";\n", len(migrations))
	return b.String(), nil
}

const (
	selectVersion = `SELECT COALESCE(MAX(version), 0) FROM {schema}`
	insertVersion = `INSERT INTO {schema} (version) VALUES (%d)`
)

// Migrate creates the tables, or brings those of an earlier version up to date. Call it at every start; several
// processes may do so at once. If the tables are up to date it creates nothing, so the role needs no right to.
//
// Then it proves, in a transaction that it rolls back, that this role on this server can do what the store does. It
// returns an error that says what is in the way: a missing right, a read-only server, MySQL's autocommit=0 or
// binlog_format=STATEMENT, or a pooler that mixes up prepared statements.
//
// Tables of a newer version than this package knows are an error.
func (s *Store) Migrate(ctx context.Context) error {
	_, err := bounded.Do(ctx, &s.calls, func(ctx context.Context) (struct{}, error) { return struct{}{}, s.migrate(ctx) })
	return err
}

func (s *Store) migrate(ctx context.Context) error {
	migrations, err := migrations(s.dialect, s.prefix)
	if err != nil {
		return err
	}
	version, err := s.version(ctx, s.db)
	if err == nil && version > len(migrations) {
		return newerError(version, len(migrations))
	}
	if err != nil || version < len(migrations) { // the version can't be read where there is no table
		if err := s.migrateUnderLock(ctx, migrations); err != nil {
			return err
		}
	}
	return s.verifyServer(ctx)
}

func newerError(version, known int) error {
	return fmt.Errorf("sqlstore: the tables have version %d, and this package knows %d: use a newer one", version, known)
}

func (s *Store) version(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) (version int, err error) {
	err = q.QueryRowContext(ctx, naming(s.prefix).Replace(selectVersion)).Scan(&version)
	return version, err
}

// migrateUnderLock runs the migrations on one connection, while no other process does.
func (s *Store) migrateUnderLock(ctx context.Context, migrations []string) (err error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("sqlstore: migrating: %w", err)
	}
	dropped := false
	defer func() {
		if closeErr := conn.Close(); !dropped {
			err = errors.Join(err, closeErr)
		}
	}()
	locked, err := s.lock(ctx, conn)
	if err == nil {
		err = s.runMigrations(ctx, conn, migrations)
	}
	if err == nil {
		err = s.run(ctx, conn, s.grammar.commit)
	}
	if err == nil || !locked {
		return err
	}
	if s.run(context.WithoutCancel(ctx), conn, s.grammar.undo) != nil {
		// This connection still holds the lock. ErrBadConn removes it from the pool.
		dropped = conn.Raw(func(any) error { return driver.ErrBadConn }) != nil
	}
	return err
}

// lock begins the transaction and takes the lock. It reports whether there is something to undo.
func (s *Store) lock(ctx context.Context, conn *sql.Conn) (locked bool, err error) {
	if s.grammar.begin != "" {
		if err := s.run(ctx, conn, s.grammar.begin); err != nil {
			return false, err
		}
		locked = true
	}
	if s.grammar.lock == "" {
		return locked, nil
	}
	var taken int
	names := naming(s.prefix)
	if err := conn.QueryRowContext(ctx, names.Replace(s.grammar.lock)).Scan(&taken); err != nil {
		return locked, fmt.Errorf("sqlstore: migrating: taking the lock %q: %w", names.Replace("{schema}"), err)
	}
	if taken != 1 {
		return locked, fmt.Errorf("sqlstore: migrating: another connection holds the lock %q; SELECT IS_USED_LOCK('%[1]s') names it", names.Replace("{schema}"))
	}
	return true, nil
}

func (s *Store) runMigrations(ctx context.Context, conn *sql.Conn, migrations []string) error {
	const remedy = "; if this role must not create tables, run the SQL that sqlstore.Schema returns with one that may"
	if err := s.run(ctx, conn, s.grammar.createVersion); err != nil {
		return fmt.Errorf("%w%s", err, remedy)
	}
	version, err := s.version(ctx, conn) // another process may just have migrated
	if err != nil {
		return fmt.Errorf("sqlstore: migrating: %w", err)
	}
	if version > len(migrations) {
		return newerError(version, len(migrations))
	}
	for i := version; i < len(migrations); i++ {
		for _, statement := range append(statements(migrations[i]), fmt.Sprintf(insertVersion, i+1)) {
			if err := s.run(ctx, conn, statement); err != nil {
				return fmt.Errorf("%w%s", err, remedy)
			}
		}
	}
	return nil
}

// run runs one statement of a migration.
func (s *Store) run(ctx context.Context, conn *sql.Conn, statement string) error {
	if _, err := conn.ExecContext(ctx, naming(s.prefix).Replace(statement)); err != nil {
		return fmt.Errorf("sqlstore: migrating: %w", err)
	}
	return nil
}

// migrations returns the files of a dialect in order. Migration n leads to version n.
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

// statements splits a migration at the semicolons that end its lines: many drivers take one statement at a time.
func statements(migration string) []string {
	parts := strings.Split(migration, ";\n")
	return slices.DeleteFunc(parts, func(s string) bool { return strings.TrimSpace(s) == "" })
}
