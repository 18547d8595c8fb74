// Package quote formats untrusted text for errors and logs. It truncates the text, so clients can't fill logs, and
// writes it in printable ASCII, so it can't imitate other lines.
package quote

import "fmt"

// most is the maximum number of bytes that are shown.
const most = 64

// Text returns text as a Go string literal in printable ASCII. If text has more than 64 bytes, it returns the first 64
// and the length.
func Text(text string) string {
	if len(text) <= most {
		return fmt.Sprintf("%+q", text)
	}
	return fmt.Sprintf("%+q... (%d bytes)", text[:most], len(text))
}

// Truncate returns text, or its first most bytes and "..." if it is longer.
func Truncate(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return text[:most] + "..."
}
