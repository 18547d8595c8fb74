//go:build !race

package jwks_test

// raceEnabled says that the race detector runs, which makes Go's code several times slower, and assembly not.
const raceEnabled = false
