// Package mediatype parses the media type of a request's body at a bounded cost. mime.ParseMediaType may allocate 60
// times the length of a header with many continuation parameters (RFC 2231 §3).
package mediatype

import (
	"mime"
	"net/http"
)

// maxLength is the maximum length in bytes of a Content-Type that is parsed. Those of clients usually have fewer than 100.
const maxLength = 256

// Of returns the media type of the Content-Type header, in lower case and without parameters. It returns "" if there is
// no such header, if it can't be parsed, or if it has more than 256 bytes.
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
