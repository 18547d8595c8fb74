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

// Schema returns the SQL that creates the tables of this version. Use it to create them with your own migration tool,
// or with a role that has more privileges. It returns the same usher.ConfigError values as New.
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
	names := tableNames(o.TablePrefix)
	b.WriteString(names.Replace(g.createVersion) + ";\n")
	fmt.Fprintf(&b, names.Replace(insertVersion)+";\n", len(migrations))
	return b.String(), nil
}

const (
	selectVersion = `SELECT COALESCE(MAX(version), 0) FROM {schema}`
	insertVersion = `INSERT INTO {schema} (version) VALUES (%d)`
)

// Migrate creates the tables, or updates those of an earlier version. Call it whenever the service starts; several
// processes may do so at once. If the tables are up to date, it creates nothing and the role does not need the
// privilege. Tables of a newer version than this package knows are an error.
//
// Migrate then runs all statements of the store in a transaction that it rolls back. It returns an error if one fails
// or would not take effect: because of a missing privilege, a read-only server, MySQL's autocommit=0 or
// binlog_format=STATEMENT, or a pooler that mixes up prepared statements.
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
	if err != nil || version < len(migrations) { // without the tables, the version can't be read
		if err := s.migrateUnderLock(ctx, migrations); err != nil {
			return err
		}
	}
	return s.verifyServer(ctx)
}

func newerError(version, known int) error {
	return fmt.Errorf("sqlstore: the tables have version %d, but this package knows only %d; use a newer version of the package", version, known)
}

func (s *Store) version(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) (version int, err error) {
	err = q.QueryRowContext(ctx, tableNames(s.prefix).Replace(selectVersion)).Scan(&version)
	return version, err
}

// migrateUnderLock runs the migrations on one connection. The lock prevents other processes from doing so at the same
// time.
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

// lock begins the transaction and takes the lock. It reports whether the caller must undo that.
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
	names := tableNames(s.prefix)
	if err := conn.QueryRowContext(ctx, names.Replace(s.grammar.lock)).Scan(&taken); err != nil {
		return locked, fmt.Errorf("sqlstore: migrating: taking the lock %q: %w", names.Replace("{schema}"), err)
	}
	if taken != 1 {
		return locked, fmt.Errorf("sqlstore: migrating: another connection holds the lock %q; SELECT IS_USED_LOCK('%[1]s') names it", names.Replace("{schema}"))
	}
	return true, nil
}

func (s *Store) runMigrations(ctx context.Context, conn *sql.Conn, migrations []string) error {
	const remedy = "; if this role must not create tables, run the SQL of sqlstore.Schema with a role that may"
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
	if _, err := conn.ExecContext(ctx, tableNames(s.prefix).Replace(statement)); err != nil {
		return fmt.Errorf("sqlstore: migrating: %w", err)
	}
	return nil
}

// migrations returns the migrations of a dialect in order. Migration n updates the tables to version n.
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
		texts = append(texts, tableNames(prefix).Replace(string(text)))
	}
	return texts, nil
}

// statements splits a migration at semicolons at the end of lines, because many drivers accept only one statement at a
// time.
func statements(migration string) []string {
	parts := strings.Split(migration, ";\n")
	return slices.DeleteFunc(parts, func(s string) bool { return strings.TrimSpace(s) == "" })
}
