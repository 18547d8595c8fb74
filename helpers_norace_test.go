//go:build !race

package usher_test

// tokRace is true under the race detector, which allocates and takes its time.
const tokRace = false
