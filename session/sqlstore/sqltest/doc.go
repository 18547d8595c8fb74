// Package sqltest tests package sqlstore on real databases. It is a module of its own, so that their drivers are
// no dependencies of usher.
package sqltest
