package keyfile_test

import "time"

// advance advances the fake clock of a synctest bubble: no real time passes.
func advance(d time.Duration) { <-time.After(d) }
