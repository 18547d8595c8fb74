package usher

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-usher/usher/internal/mediatype"
	"github.com/go-usher/usher/internal/quote"
)

// TokenSource is a place in a request where a token may be, such as a header or a cookie. The functions named From…
// return sources, and [MiddlewareOptions].Sources lists those of a middleware. A request with more than one token is
// refused with a 400, whether they are in one source or in several.
//
// Shared caches treat only responses to Authorization as private (RFC 9111 §3.5). If the token comes from another
// source, the response gets Cache-Control: private, unless it already has a stricter Cache-Control.
type TokenSource struct {
	kind sourceKind
	// name is the name of the header, cookie, field or parameter. For the Authorization header it is the scheme, for
	// WebSockets the marker.
	name   string
	custom *customSource // for FromFunc
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
	sourceCustom
)

type customSource struct {
	find func(r *http.Request) (token string, found bool, err error)
	vary []string
}

// FromBearer finds the token in "Authorization: Bearer …" (RFC 6750 §2.1). The scheme is case-insensitive. An Authorization
// header with another scheme counts as no token; "Bearer" with nothing after it counts as an invalid token.
func FromBearer() TokenSource { return FromAuthorization("Bearer") }

// FromAuthorization finds the token in the Authorization header after another scheme, such as "JWT". If scheme is "",
// the token is the whole value of the header, unless the value contains a space or no dot. FromBearer and
// FromAuthorization("") can be used together.
func FromAuthorization(scheme string) TokenSource {
	return TokenSource{kind: sourceAuthorization, name: scheme}
}

// FromHeader finds the token in another header, such as "X-Access-Token". The token is the whole value.
func FromHeader(name string) TokenSource {
	if equalFold(name, "Authorization") {
		return FromAuthorization("")
	}
	return TokenSource{kind: sourceHeader, name: http.CanonicalHeaderKey(name)}
}

// FromCookie finds the token in a cookie. An empty cookie counts as no token. Two cookies of this name that are not
// empty are a 400.
//
// Browsers also send cookies with requests that other sites cause. A request with its token in a cookie is therefore
// refused unless [http.CrossOriginProtection] accepts it. A request with an Upgrade header (a WebSocket) is checked as
// a POST.
//
// Use a name that begins with "__Host-", such as "__Host-token". Browsers then accept the cookie only from the same
// host, over TLS and with Path=/. Without the prefix, another subdomain could set a second cookie of the same name and
// lock the user out.
func FromCookie(name string) TokenSource { return TokenSource{kind: sourceCookie, name: name} }

// FromQuery finds the token in a query parameter of the URL (RFC 6750 §2.3). Use it only for clients that support
// nothing else, because URLs end up in logs, histories and Referer headers. The response gets Referrer-Policy:
// no-referrer.
func FromQuery(name string) TokenSource { return TokenSource{kind: sourceQuery, name: name} }

// FromForm finds the token in a form field of the body (RFC 6750 §2.2), in POST, PUT and PATCH requests of type
// application/x-www-form-urlencoded. The form is then parsed for the handler too, as by ParseForm.
//
// A form of more than 64 KiB or 1,000 fields is not searched. The request is then refused with a 400, unless another
// source finds a token. In that case the handler can still read the body.
func FromForm(name string) TokenSource { return TokenSource{kind: sourceForm, name: name} }

// FromWebSocketProtocol finds the token in the Sec-WebSocket-Protocol header of a WebSocket's opening request. The
// token is the element after marker. In browsers this is the only header that a page can set: new WebSocket(url,
// [marker, token]).
//
// The browser closes the connection unless the response selects marker as the protocol. The middleware sets this response
// header. A WebSocket library that writes the response itself ignores it: with gorilla/websocket, pass w.Header() to
// Upgrade.
func FromWebSocketProtocol(marker string) TokenSource {
	return TokenSource{kind: sourceWebSocket, name: marker}
}

// FromFunc finds the token with your own function. find returns the token and true, or false if there is none. Its
// errors are mapped like all others: a [*Rejection] is used as it is, ErrManyTokens is a 400, an unknown error a 500.
// find must be safe for concurrent use.
//
// vary names the request headers that find reads, for the Vary header of responses. If Cookie is among them, the
// cross-origin check of [FromCookie] applies.
func FromFunc(find func(r *http.Request) (token string, found bool, err error), vary ...string) TokenSource {
	custom := &customSource{find: find}
	for _, name := range vary {
		custom.vary = append(custom.vary, http.CanonicalHeaderKey(name))
	}
	return TokenSource{kind: sourceCustom, custom: custom}
}

// Find returns the token in this source, and whether there is one. An empty token counts as found, except in a cookie.
// The error is ErrManyTokens, a [*Rejection] if the request can't be read, or an error of the function passed to
// FromFunc.
//
// Middlewares call Find. Handlers can call it for another kind of token, such as a refresh token. Find does not check
// the origin of the request.
func (s TokenSource) Find(r *http.Request) (token string, found bool, err error) {
	switch s.kind {
	case sourceAuthorization:
		token, found, err = onlyValue(r.Header["Authorization"])
		switch {
		case found && s.name != "":
			token, found = cutScheme(token, s.name)
		case found && !isBareToken(token):
			token, found = "", false
		}
		return token, found, err
	case sourceHeader:
		return onlyValue(r.Header[s.name])
	case sourceCookie:
		return s.findInCookies(r)
	case sourceQuery:
		return s.findInQuery(r)
	case sourceForm:
		return s.findInForm(r)
	case sourceWebSocket:
		return s.findInProtocols(r)
	case sourceCustom:
		return s.findByFunc(r)
	}
	return "", false, nil
}

// onlyValue returns the only value. If there are more, the error is ErrManyTokens.
func onlyValue(values []string) (string, bool, error) {
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
	separated := token == "" || token[0] == ' ' || token[0] == '\t' // with a tab, the token is invalid
	// strings.TrimLeft would take 1 % of a request with a cached token.
	for token != "" && token[0] == ' ' {
		token = token[1:]
	}
	return token, separated
}

// isBareToken reports whether the value of an Authorization header looks like a token without a scheme.
func isBareToken(value string) bool {
	return strings.Contains(value, ".") && !strings.ContainsAny(value, " \t")
}

// findInCookies parses the Cookie header itself (RFC 6265 §4.2). net/http skips cookies with invalid values, so it
// could return one cookie where there are two.
func (s TokenSource) findInCookies(r *http.Request) (token string, found bool, err error) {
	for _, line := range r.Header["Cookie"] {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			name, value, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
			value = unquoteCookie(strings.Trim(value, " \t"))
			if value == "" || strings.Trim(name, " \t") != s.name {
				continue
			}
			if token != "" {
				return "", false, ErrManyTokens
			}
			token = value
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

// findInQuery parses the query itself, because url.ParseQuery takes many times the memory of the query.
func (s TokenSource) findInQuery(r *http.Request) (token string, found bool, err error) {
	if r.URL == nil {
		return "", false, nil
	}
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name, err = url.QueryUnescape(name); err == nil && name == s.name {
			if found {
				return "", false, ErrManyTokens
			}
			found = true
			token, err = url.QueryUnescape(value)
		}
		if err == nil && strings.Contains(pair, ";") { // as in url.ParseQuery
			err = errors.New("invalid semicolon separator in query")
		}
		if err != nil {
			return "", false, badRequest("The query can't be read.", err)
		}
	}
	return token, found, nil
}

func badRequest(description string, err error) error {
	return &Rejection{Status: http.StatusBadRequest, Code: codeRequest, Description: description, Err: err}
}

// Limits of forms that are searched for a token.
const (
	maxFormBytes  = 64 << 10
	maxFormFields = 1000
)

// Errors of forms that can't be searched. They are ignored if another source finds a token.
var (
	errUnsearchedForm = errors.New("usher: the form can't be searched for a token")
	errLongForm       = fmt.Errorf("%w: %w", errUnsearchedForm, &http.MaxBytesError{Limit: maxFormBytes})
	errManyFields     = fmt.Errorf("%w: it has 1,000 fields or more", errUnsearchedForm)
)

func (s TokenSource) findInForm(r *http.Request) (string, bool, error) {
	if r.Method != http.MethodPost && r.Method != http.MethodPut && r.Method != http.MethodPatch {
		return "", false, nil
	}
	if mediatype.Of(r.Header) != "application/x-www-form-urlencoded" {
		return "", false, nil
	}
	if r.PostForm == nil {
		if err := parseForm(r); err != nil {
			return "", false, badRequest("The form can't be read.", err)
		}
	}
	return onlyValue(r.PostForm[s.name])
}

// parseForm is r.ParseForm for forms within the limits. If a form exceeds them, parseForm restores the body.
func parseForm(r *http.Request) error {
	if r.ContentLength > maxFormBytes {
		return errLongForm
	}
	if r.Body != nil {
		body := r.Body
		form, err := io.ReadAll(io.LimitReader(body, maxFormBytes+1))
		r.Body = replayedBody{io.MultiReader(bytes.NewReader(form), body), body}
		if err != nil {
			return fmt.Errorf("%w: %w", errUnsearchedForm, err)
		}
		if len(form) > maxFormBytes {
			return errLongForm
		}
		if bytes.Count(form, []byte("&")) >= maxFormFields {
			return errManyFields
		}
	}
	return r.ParseForm()
}

// replayedBody is a request body that can be read again from the beginning.
type replayedBody struct {
	io.Reader
	io.Closer
}

func (s TokenSource) findInProtocols(r *http.Request) (token string, found bool, err error) {
	if !upgradesToWebSocket(r.Header) {
		return "", false, nil
	}
	next := false
	for _, line := range r.Header["Sec-Websocket-Protocol"] {
		for protocol := range strings.SplitSeq(line, ",") {
			protocol = strings.Trim(protocol, " \t")
			switch {
			case protocol == s.name && found:
				return "", false, ErrManyTokens
			case protocol == s.name:
				found, next = true, true
			case next:
				token, next = protocol, false
			}
		}
	}
	return token, found, nil
}

// upgradesToWebSocket reports whether the Upgrade header, a list (RFC 9110 §7.8), contains the WebSocket protocol.
func upgradesToWebSocket(h http.Header) bool {
	for _, line := range h["Upgrade"] {
		for protocol := range strings.SplitSeq(line, ",") {
			if equalFold(strings.Trim(protocol, " \t"), "websocket") {
				return true
			}
		}
	}
	return false
}

func (s TokenSource) findByFunc(r *http.Request) (token string, found bool, err error) {
	token, found, err = s.custom.find(r)
	switch {
	case errors.Is(err, ErrNoToken):
		return "", false, nil
	case err != nil || !found:
		token, found = "", false
	}
	return token, found, err
}

// headers returns the request headers that the source reads.
func (s TokenSource) headers() []string {
	switch s.kind {
	case sourceAuthorization:
		return []string{"Authorization"}
	case sourceHeader:
		return []string{s.name}
	case sourceCookie:
		return []string{"Cookie"}
	case sourceWebSocket:
		return []string{"Sec-WebSocket-Protocol"}
	case sourceCustom:
		return s.custom.vary
	}
	return nil
}

// isAuthorization reports whether the source reads the Authorization header and nothing else.
func (s TokenSource) isAuthorization() bool {
	return s.kind == sourceAuthorization ||
		s.kind == sourceCustom && len(s.custom.vary) == 1 && s.custom.vary[0] == "Authorization"
}

func (s TokenSource) readsCookies() bool {
	return s.kind == sourceCookie || s.kind == sourceCustom && slices.Contains(s.custom.vary, "Cookie")
}

// setHeaders sets the response headers for a token from this source.
func (s TokenSource) setHeaders(h http.Header, accepted bool) {
	if !s.isAuthorization() && !isPrivate(h) {
		h.Set("Cache-Control", "private")
	}
	switch {
	case s.kind == sourceQuery:
		h.Set("Referrer-Policy", "no-referrer")
	case s.kind == sourceWebSocket && accepted:
		h.Set("Sec-WebSocket-Protocol", s.name)
	}
}

// isPrivate reports whether the Cache-Control header already keeps the response out of shared caches.
func isPrivate(h http.Header) bool {
	return slices.ContainsFunc(h["Cache-Control"], func(value string) bool {
		return strings.Contains(value, "private") || strings.Contains(value, "no-store")
	})
}

// overlaps reports whether both sources can find the same token.
func (s TokenSource) overlaps(other TokenSource) bool {
	if s.kind == sourceAuthorization && other.kind == sourceAuthorization {
		return equalFold(s.name, other.name)
	}
	return s == other
}

// unfit returns the reason why the source can't be used, or "".
func (s TokenSource) unfit() string {
	switch {
	case s.kind == sourceNone:
		return "is the zero TokenSource; use FromBearer or another From function"
	case s.kind == sourceCustom && s.custom.find == nil:
		return "has no function"
	case s.kind == sourceCustom && slices.ContainsFunc(s.custom.vary, notHeader):
		return "has a vary argument that is not the name of a header"
	case s.kind == sourceCustom, s.kind == sourceAuthorization && s.name == "":
		return ""
	case s.name == "":
		return "has an empty name"
	case s.kind != sourceQuery && s.kind != sourceForm && strings.ContainsFunc(s.name, notToken):
		return "has the name " + quote.Text(s.name) + ", which has characters that are not allowed (RFC 9110 §5.6.2)"
	}
	return ""
}

func notHeader(name string) bool { return name == "" || strings.ContainsFunc(name, notToken) }

// notToken reports whether r is not allowed in the name of a header, scheme, cookie or protocol (RFC 9110 §5.6.2).
func notToken(r rune) bool {
	return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}
