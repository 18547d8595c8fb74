package sqltest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite"

	"github.com/go-usher/usher"
	"github.com/go-usher/usher/session"
	"github.com/go-usher/usher/session/sqlstore"
)

// Sessions in a file outlive the process that started them.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "usher-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	open := func() (*session.Manager[usher.Claims], *sql.DB, error) {
		db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "app.db")+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(wal)")
		if err != nil {
			return nil, nil, err
		}
		store, err := sqlstore.New(db, sqlstore.SQLite, nil)
		if err != nil {
			return nil, db, err
		}
		if err := store.Migrate(ctx); err != nil {
			return nil, db, err
		}
		manager, err := session.NewManager(session.Config[usher.Claims]{
			Encoder: usher.Must(usher.NewEncoder[usher.Claims](usher.Must(usher.NewKey("HS256", []byte("a secret of 32 bytes, or of more"))), nil)),
			Store:   store,
			Claims:  func(context.Context, session.Grant) (usher.Claims, error) { return usher.Claims{}, nil },
			Secret:  []byte("another secret of at least 32 bytes"),
		})
		return manager, db, err
	}

	before, db, err := open()
	if err != nil {
		fmt.Println(err)
		return
	}
	tokens, err := before.Start(ctx, "ada", session.About{Label: "kitchen"})
	fmt.Println("started:", err == nil)
	_ = db.Close()

	after, db, err := open()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	_, err = after.Refresh(ctx, tokens.RefreshToken)
	fmt.Println("refreshed:", err == nil)
	list, err := after.List(ctx, "ada")
	fmt.Println(len(list), list[0].Label, err)
	// Output:
	// started: true
	// refreshed: true
	// 1 kitchen <nil>
}
