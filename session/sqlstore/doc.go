// Package sqlstore keeps sessions in SQLite, PostgreSQL, MySQL or MariaDB through database/sql. It imports no driver.
// The application chooses a driver and opens the *sql.DB.
//
// A refresh is one UPDATE and a check is one SELECT, both by primary key. Statements are prepared once per connection.
// Times are stored in microseconds since 1970.
//
// SQLite allows one writer at a time. Open the database in WAL mode and with a busy timeout, so that other writers wait
// instead of failing. If the service uses a pooler in transaction mode, see Options.NoPrepare.
package sqlstore
