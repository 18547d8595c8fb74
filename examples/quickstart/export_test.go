package main

import "context"

// Run is main without the process around it.
var Run = run

// OpenUsers opens the users of a DATABASE_URL.
func OpenUsers(ctx context.Context, databaseURL string) (*users, error) {
	d, err := parseDatabaseURL(databaseURL)
	if err != nil {
		return nil, err
	}
	return openUsers(ctx, d)
}
