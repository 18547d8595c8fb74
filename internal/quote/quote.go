// Package quote shows text from outside in errors and logs: shortened, so that nobody can fill them, and in printable ASCII, so that
// it can't pretend to be something else.
package quote

import "fmt"

// most is the number of bytes that are shown of a longer text.
const most = 64

// Text returns text as a Go string of printable ASCII. Of a text of more than 64 bytes, it returns the first 64 and the length.
func Text(text string) string {
	if len(text) <= most {
		return fmt.Sprintf("%+q", text)
	}
	return fmt.Sprintf("%+q... (%d bytes)", text[:most], len(text))
}
