package sqlstore

import (
	"context"
	"errors"
	"strings"
)

// maxAttempts bounds how often a step is run that the database keeps rolling back.
const maxAttempts = 20

// retrying runs do again while the database rolls it back to resolve a conflict: it then says so, and nothing has
// been applied. InnoDB does so to single statements too, when several wait for a row that another one deletes.
func retrying(ctx context.Context, do func() error) error {
	err := do()
	for range maxAttempts - 1 {
		if !rolledBack(err) || ctx.Err() != nil {
			return err
		}
		err = do()
	}
	return err
}

// rolledBack recognizes serialization failures and deadlocks: by SQLSTATE, which PostgreSQL's drivers have a
// method for, and MySQL's driver puts into the text.
func rolledBack(err error) bool {
	if err == nil {
		return false
	}
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) {
		return coded.SQLState() == "40001" || coded.SQLState() == "40P01"
	}
	return strings.Contains(err.Error(), "(40001)")
}
