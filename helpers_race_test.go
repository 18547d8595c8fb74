//go:build race

package usher_test

// testRace is true under the race detector, which allocates and takes its time.
const testRace = true
