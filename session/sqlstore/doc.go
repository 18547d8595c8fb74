// Package sqlstore keeps sessions in a database through database/sql: SQLite, PostgreSQL, MySQL or MariaDB. It imports
// no driver. The application chooses one and opens the *sql.DB.
//
// A refresh is one UPDATE and a check is one SELECT by primary key, with statements that are prepared once per
// connection. Times are stored as microseconds since 1970.
//
// SQLite allows one writer at a time. Open the database in WAL mode and with a busy timeout, so that other writers wait
// instead of failing. Behind a pooler in transaction mode, see Options.NoPrepare.
package sqlstore
