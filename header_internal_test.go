package usher

import (
	"fmt"
	"testing"
)

func TestOnlyTheLastFewHeadersAreRemembered(t *testing.T) {
	var hs headers
	for i := range 3 * maxHeaders {
		hs.add(&header{segment: fmt.Sprint(i)})
		for j := range 3 * maxHeaders {
			if known := hs.find(fmt.Sprint(j)) != nil; known != (j <= i && j > i-maxHeaders) {
				t.Errorf("after %d headers number %d is remembered: %v", i+1, j, known)
			}
		}
	}
}
