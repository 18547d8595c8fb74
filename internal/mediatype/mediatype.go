// Package mediatype reads the media type of a request's body, at a cost that is bounded whatever the header says. The
// standard library's mime.ParseMediaType may take 60 times the length of a header that has many continuation parameters
// (RFC 2231 §3).
package mediatype

import (
	"mime"
	"net/http"
)

// maxLength is the most bytes of a Content-Type that is parsed. Those that clients send have fewer than 100.
const maxLength = 256

// Of returns the media type that Content-Type names, in lower case and without parameters. It returns "" if there is no such
// header, if it can't be parsed, or if it has more than 256 bytes.
func Of(h http.Header) string {
	value := h.Get("Content-Type")
	if len(value) > maxLength {
		return ""
	}
	mediaType, _, err := mime.ParseMediaType(value)
	if err != nil {
		return ""
	}
	return mediaType
}
