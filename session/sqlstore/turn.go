package sqlstore

import "context"

// turn lets one writer at a time have a database that has only one, and is nil where writers don't hinder each
// other. SQLite makes those that come too late sleep and ask again, up to a tenth of a second at a time, while those
// that come after them get ahead: with a few of them at once most of the time is slept away, and some wait until they
// give up. Writers of other processes, or of the application's own, still meet at the database.
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
