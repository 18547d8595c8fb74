package sqlstore

import "context"

// turn lets one writer at a time use a database that allows only one, SQLite. It is nil for the others. Without it,
// SQLite makes writers that come too late sleep and ask again, up to a tenth of a second at a time, while later ones
// get ahead of them: most of the time is slept away, and some wait until they give up. Writers of other processes,
// and the application's own, still meet at the database.
type turn chan struct{}

func (t turn) take(ctx context.Context) error {
	if t == nil {
		return nil
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) give() {
	if t != nil {
		<-t
	}
}
