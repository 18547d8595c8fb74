// Package formvalue reads values of forms, from the query and the body of a request, at a bounded cost.
package formvalue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// InQuery returns the value of the parameter name in a query. count is how often the query has the parameter; if it does
// more than once, count is 2. The error is for a query that can't be read, up to the second value.
//
// url.ParseQuery would take many times the memory of the query.
func InQuery(query, name string) (value string, count int, err error) {
	for pair := range strings.SplitSeq(query, "&") {
		pairName, pairValue, _ := strings.Cut(pair, "=")
		if pairName, err = url.QueryUnescape(pairName); err == nil && pairName == name {
			if count++; count > 1 {
				return "", count, nil
			}
			value, err = url.QueryUnescape(pairValue)
		}
		if err == nil && strings.Contains(pair, ";") { // as in url.ParseQuery
			err = errors.New("invalid semicolon separator in query")
		}
		if err != nil {
			return "", 0, err
		}
	}
	return value, count, nil
}

// ParseBody is r.ParseForm for bodies of up to maxBytes bytes and maxFields fields. If the body exceeds these
// limits or can't be read, parsed is false and err is the reason. After an error, r has no form, and the body can be read
// again from its beginning.
func ParseBody(r *http.Request, maxBytes int64, maxFields int) (parsed bool, err error) {
	if r.ContentLength > maxBytes {
		return false, &http.MaxBytesError{Limit: maxBytes}
	}
	var form []byte
	body := r.Body
	if body != nil {
		form, err = io.ReadAll(io.LimitReader(body, maxBytes+1))
		r.Body = replayed(form, body)
		switch {
		case err != nil:
			return false, err
		case int64(len(form)) > maxBytes:
			return false, &http.MaxBytesError{Limit: maxBytes}
		case bytes.Count(form, []byte("&")) >= maxFields:
			return false, fmt.Errorf("it has more than %d fields", maxFields)
		}
	}
	if err = r.ParseForm(); err != nil {
		r.Form, r.PostForm = nil, nil // ParseForm keeps what it has read
		if body != nil {
			r.Body = replayed(form, body)
		}
	}
	return true, err
}

func replayed(read []byte, body io.ReadCloser) io.ReadCloser {
	return replayedBody{io.MultiReader(bytes.NewReader(read), body), body}
}

// replayedBody is a request body that can be read again from the beginning.
type replayedBody struct {
	io.Reader
	io.Closer
}
