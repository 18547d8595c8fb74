// Package sqlstore keeps sessions in a database: SQLite, PostgreSQL, or MySQL and MariaDB, over database/sql. It
// imports no driver; the application opens the *sql.DB with one of its choice.
//
// A refresh is one UPDATE, and a check is one SELECT by primary key, with statements that are prepared once on
// each connection. Times are kept as microseconds since 1970.
//
// SQLite has one writer at a time. Let the others wait for it rather than fail: open the database with a busy
// timeout and in WAL mode.
package sqlstore
