package usher

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// TokenSource is a place where a request carries its token. The functions named From… return them; which ones
// a middleware looks at is [MiddlewareOptions].Sources. A source that holds two tokens is a 400, like a
// request with tokens in two sources.
type TokenSource struct {
	kind sourceKind
	// name is what the header, cookie, field or parameter is called; for the Authorization header it is the
	// scheme, for WebSockets the marker.
	name string
}

type sourceKind byte

const (
	sourceNone sourceKind = iota // the zero TokenSource
	sourceAuthorization
	sourceHeader
	sourceCookie
	sourceQuery
	sourceForm
	sourceWebSocket
)

// FromBearer finds the token in "Authorization: Bearer …" (RFC 6750 §2.1). The scheme's case does not matter.
// An Authorization header of another scheme carries no token; "Bearer" with nothing after it carries a bad one.
func FromBearer() TokenSource { return FromAuthorization("Bearer") }

// FromAuthorization finds the token in the Authorization header behind another scheme, such as "JWT", or, if
// scheme is "", as the whole value of the header.
func FromAuthorization(scheme string) TokenSource { return TokenSource{sourceAuthorization, scheme} }

// FromHeader finds the token as the whole value of a header of another name, such as "X-Access-Token".
func FromHeader(name string) TokenSource {
	if equalFold(name, "Authorization") {
		return FromAuthorization("")
	}
	return TokenSource{sourceHeader, http.CanonicalHeaderKey(name)}
}

// FromCookie finds the token in a cookie. Browsers send cookies along with requests that other sites make them
// send, so such a token counts only where [http.CrossOriginProtection] lets the request pass; a request with
// an Upgrade header (a WebSocket) is checked as if it were a POST. An empty cookie is no token.
func FromCookie(name string) TokenSource { return TokenSource{sourceCookie, name} }

// FromQuery finds the token in a parameter of the URL (RFC 6750 §2.3). It is a last resort, for clients that
// can do nothing else: URLs end up in logs, in histories and in Referer headers. The response to such a
// request gets Referrer-Policy: no-referrer and Cache-Control: private.
func FromQuery(name string) TokenSource { return TokenSource{sourceQuery, name} }

// FromForm finds the token in a field of a form in the body (RFC 6750 §2.2): of a POST, PUT or PATCH request
// of type application/x-www-form-urlencoded. One of more than 64 KiB is a 400. The handler finds the form parsed.
func FromForm(name string) TokenSource { return TokenSource{sourceForm, name} }

// FromWebSocketProtocol finds the token in the Sec-WebSocket-Protocol header of a WebSocket's opening request,
// as the element after marker: it is the only header that browsers let a page set, by
// new WebSocket(url, [marker, token]). The response names the marker alone as the protocol chosen.
func FromWebSocketProtocol(marker string) TokenSource { return TokenSource{sourceWebSocket, marker} }

// maxForm is the most bytes of a form that is searched for a token.
const maxForm = 64 << 10

// Find returns the token that the request carries here, and whether it carries one; an empty one counts, but for
// cookies. The error is ErrManyTokens, or a [*Rejection] for a request that can't be read. The middleware does this by
// itself: Find is for handlers of one's own, such as one that exchanges a refresh token. It knows nothing of
// cross-origin requests.
func (s TokenSource) Find(r *http.Request) (token string, found bool, err error) {
	switch s.kind {
	case sourceAuthorization:
		token, found, err = only(r.Header["Authorization"])
		if found && s.name != "" {
			token, found = cutScheme(token, s.name)
		}
		return token, found, err
	case sourceHeader:
		return only(r.Header[s.name])
	case sourceCookie:
		return s.findInCookies(r)
	case sourceQuery:
		if r.URL == nil || r.URL.RawQuery == "" {
			return "", false, nil
		}
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return "", false, badRequest("The query can't be read.", err)
		}
		return only(query[s.name])
	case sourceForm:
		return s.findInForm(r)
	case sourceWebSocket:
		return s.findInProtocols(r)
	}
	return "", false, nil
}

func badRequest(description string, err error) error {
	return &Rejection{Status: http.StatusBadRequest, Code: codeRequest, Description: description, Err: err}
}

// only returns the one value; more are ErrManyTokens.
func only(values []string) (string, bool, error) {
	switch len(values) {
	case 0:
		return "", false, nil
	case 1:
		return values[0], true, nil
	}
	return "", false, ErrManyTokens
}

// cutScheme returns what follows the scheme in the value of an Authorization header (RFC 9110 §11.4).
func cutScheme(value, scheme string) (string, bool) {
	if len(value) < len(scheme) || value[:len(scheme)] != scheme && !equalFold(value[:len(scheme)], scheme) {
		return "", false
	}
	token := value[len(scheme):]
	parted := token == "" || token[0] == ' ' || token[0] == '\t' // which spoils the token
	// strings.TrimLeft takes 1 % of the instructions of a request with a remembered token.
	for token != "" && token[0] == ' ' {
		token = token[1:]
	}
	return token, parted
}

// findInCookies reads the Cookie header itself (RFC 6265 §4.2): net/http passes over cookies whose value it
// doesn't like, and so would take one of two for the only one.
func (s TokenSource) findInCookies(r *http.Request) (token string, found bool, err error) {
	for _, line := range r.Header["Cookie"] {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			name, value, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
			if strings.Trim(name, " \t") != s.name {
				continue
			}
			if found {
				return "", false, ErrManyTokens
			}
			token, found = unquoteCookie(strings.Trim(value, " \t")), true
		}
	}
	return token, token != "", nil
}

func unquoteCookie(value string) string {
	if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
		return value[1 : len(value)-1]
	}
	return value
}

func (s TokenSource) findInForm(r *http.Request) (string, bool, error) {
	if r.Method != http.MethodPost && r.Method != http.MethodPut && r.Method != http.MethodPatch {
		return "", false, nil
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if isForm := err == nil && kind == "application/x-www-form-urlencoded"; !isForm {
		return "", false, nil
	}
	if r.PostForm == nil {
		if r.Body != nil {
			r.Body = http.MaxBytesReader(nil, r.Body, maxForm)
		}
		if err := r.ParseForm(); err != nil {
			return "", false, badRequest("The form can't be read.", err)
		}
	}
	return only(r.PostForm[s.name])
}

func (s TokenSource) findInProtocols(r *http.Request) (string, bool, error) {
	if !slices.ContainsFunc(r.Header["Upgrade"], func(value string) bool { return equalFold(value, "websocket") }) {
		return "", false, nil
	}
	var protocols []string
	for _, line := range r.Header["Sec-Websocket-Protocol"] {
		for protocol := range strings.SplitSeq(line, ",") {
			protocols = append(protocols, strings.Trim(protocol, " \t"))
		}
	}
	i := slices.Index(protocols, s.name)
	if i < 0 {
		return "", false, nil
	}
	protocols = protocols[i+1:]
	if slices.Contains(protocols, s.name) {
		return "", false, ErrManyTokens
	}
	return strings.Join(protocols[:min(1, len(protocols))], ""), true, nil
}

// header returns the request header that the source reads, "" if it reads none.
func (s TokenSource) header() string {
	switch s.kind {
	case sourceAuthorization:
		return "Authorization"
	case sourceHeader:
		return s.name
	case sourceCookie:
		return "Cookie"
	case sourceWebSocket:
		return "Sec-WebSocket-Protocol"
	}
	return ""
}

// mark sets the response headers that a token from this source, nil if there was none, brings with it. Otherwise it
// leaves w alone: net/http makes a copy of headers that were asked for.
func (s *TokenSource) mark(w http.ResponseWriter, accepted bool) {
	switch {
	case s == nil:
	case s.kind == sourceQuery:
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "private")
	case s.kind == sourceWebSocket && accepted:
		w.Header().Set("Sec-WebSocket-Protocol", s.name)
	}
}

// overlaps reports whether both sources can find a token in one place.
func (s TokenSource) overlaps(other TokenSource) bool {
	if s.kind == sourceAuthorization && other.kind == sourceAuthorization {
		return s.name == "" || other.name == "" || equalFold(s.name, other.name)
	}
	return s == other
}

// unfit says what is wrong with the source, or "".
func (s TokenSource) unfit() string {
	switch {
	case s.kind == sourceNone:
		return "is the zero TokenSource; use FromBearer or another From function"
	case s.kind == sourceAuthorization && s.name == "":
		return ""
	case s.name == "":
		return "has an empty name"
	case s.kind != sourceQuery && s.kind != sourceForm && strings.ContainsFunc(s.name, notToken):
		return "has the name " + quote(s.name) + ", which is not a token of RFC 9110"
	}
	return ""
}

// notToken is true for what may not be in the name of a header, scheme, cookie or protocol (RFC 9110 §5.6.2).
func notToken(r rune) bool {
	return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}
