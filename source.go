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

// TokenSource is a place where a request carries its token. The functions named From… return them.
// [MiddlewareOptions].Sources says which ones a middleware searches. A source that holds two tokens is a 400, and so are
// tokens in two sources.
//
// A response to a token from anywhere but the Authorization header gets Cache-Control: private, unless a header of the response says
// otherwise: shared caches know that Authorization makes a response private, and nothing else does (RFC 9111 §3.5).
type TokenSource struct {
	kind sourceKind
	// name is what the header, cookie, field or parameter is called; for the Authorization header it is the
	// scheme, for WebSockets the marker.
	name   string
	custom *customSource // of FromFunc
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

// FromBearer finds the token in "Authorization: Bearer …" (RFC 6750 §2.1). The scheme's case does not matter. An
// Authorization header of another scheme carries no token. "Bearer" with nothing after it carries a bad one.
func FromBearer() TokenSource { return FromAuthorization("Bearer") }

// FromAuthorization finds the token in the Authorization header after another scheme, such as "JWT". If scheme is "", the
// token is the whole value of the header; a value that has a space, or no dot, is no token then. FromBearer and
// FromAuthorization("") may be used together.
func FromAuthorization(scheme string) TokenSource {
	return TokenSource{kind: sourceAuthorization, name: scheme}
}

// FromHeader finds the token as the whole value of another header, such as "X-Access-Token".
func FromHeader(name string) TokenSource {
	if equalFold(name, "Authorization") {
		return FromAuthorization("")
	}
	return TokenSource{kind: sourceHeader, name: http.CanonicalHeaderKey(name)}
}

// FromCookie finds the token in a cookie. An empty cookie is no token. Two that are not empty are a 400.
//
// Browsers also send cookies with requests that other sites cause. So a token in a cookie counts only if
// [http.CrossOriginProtection] passes the request; a request with an Upgrade header (a WebSocket) is checked as a POST.
//
// Use a name that begins with "__Host-", such as "__Host-token". Browsers then accept the cookie only from this very host, over
// TLS and with Path=/, so that another subdomain can't set a second cookie of the same name and lock the user out.
func FromCookie(name string) TokenSource { return TokenSource{kind: sourceCookie, name: name} }

// FromQuery finds the token in a parameter of the URL (RFC 6750 §2.3). It is a last resort, for clients that can do nothing
// else: URLs end up in logs, in histories and in Referer headers. The response gets Referrer-Policy: no-referrer.
func FromQuery(name string) TokenSource { return TokenSource{kind: sourceQuery, name: name} }

// FromForm finds the token in a field of a form in the body (RFC 6750 §2.2), in POST, PUT and PATCH requests of type
// application/x-www-form-urlencoded. The handler finds the form parsed, as by ParseForm.
//
// A form of more than 64 KiB or 1,000 fields is not searched. It is a 400, unless another source finds a token: then the
// handler finds the body unread.
func FromForm(name string) TokenSource { return TokenSource{kind: sourceForm, name: name} }

// FromWebSocketProtocol finds the token in the Sec-WebSocket-Protocol header of a WebSocket's opening request, as the
// element after marker. In browsers it is the only header that a page can set: new WebSocket(url, [marker, token]).
//
// The browser closes the connection unless the response names marker, and marker alone, as the chosen protocol. The middleware
// sets that header of the response. Libraries that write the response by themselves ignore it and must be told: for
// gorilla/websocket, name marker in Upgrader.Subprotocols.
func FromWebSocketProtocol(marker string) TokenSource {
	return TokenSource{kind: sourceWebSocket, name: marker}
}

// FromFunc finds the token with a function of yours. find returns the token and true, or false if there is none. Its errors
// are mapped as all others: a [*Rejection] is used as it is, ErrManyTokens is a 400, an unknown error a 500. It is called
// concurrently.
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

// Find returns the token that the request carries here, and whether it carries one. An empty token counts as found, except
// in a cookie. The error is ErrManyTokens, a [*Rejection] for a request that can't be read, or FromFunc's own. Middlewares call
// it; it is exported for handlers that take another kind of token, such as a refresh token. It makes no cross-origin check.
func (s TokenSource) Find(r *http.Request) (token string, found bool, err error) {
	switch s.kind {
	case sourceAuthorization:
		token, found, err = only(r.Header["Authorization"])
		switch {
		case found && s.name != "":
			token, found = cutScheme(token, s.name)
		case found && !isBareToken(token):
			token, found = "", false
		}
		return token, found, err
	case sourceHeader:
		return only(r.Header[s.name])
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
	separated := token == "" || token[0] == ' ' || token[0] == '\t' // a tab makes the token a bad one
	// strings.TrimLeft takes 1 % of the instructions of a request with a remembered token.
	for token != "" && token[0] == ' ' {
		token = token[1:]
	}
	return token, separated
}

// isBareToken reports whether the value of an Authorization header looks like a token without a scheme.
func isBareToken(value string) bool {
	return strings.Contains(value, ".") && !strings.ContainsAny(value, " \t")
}

// findInCookies reads the Cookie header itself (RFC 6265 §4.2). net/http skips cookies whose value it doesn't accept, and so
// could take one of two for the only one.
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

// findInQuery reads the query itself: url.ParseQuery keeps all of it, at many times its length.
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
		if err == nil && strings.Contains(pair, ";") { // as url.ParseQuery has it
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

// The limits of a form that is searched for a token.
const (
	maxFormBytes  = 64 << 10
	maxFormFields = 1000
)

// A form that can't be searched for a token is ignored if another source finds one.
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
	return only(r.PostForm[s.name])
}

// parseForm is r.ParseForm for forms within the limits. The body of others it leaves as if it had not been read.
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

// replayedBody is a body that is read again from its beginning.
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

// upgradesToWebSocket reports whether Upgrade, which is a list (RFC 9110 §7.8), names the WebSocket protocol.
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

// setHeaders sets the response headers that a token from this source calls for.
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

// isPrivate reports whether an outer handler has already kept the response out of shared caches.
func isPrivate(h http.Header) bool {
	return slices.ContainsFunc(h["Cache-Control"], func(value string) bool {
		return strings.Contains(value, "private") || strings.Contains(value, "no-store")
	})
}

// overlaps reports whether both sources can find a token in one place.
func (s TokenSource) overlaps(other TokenSource) bool {
	if s.kind == sourceAuthorization && other.kind == sourceAuthorization {
		return equalFold(s.name, other.name)
	}
	return s == other
}

// unfit says what is wrong with the source, or "".
func (s TokenSource) unfit() string {
	switch {
	case s.kind == sourceNone:
		return "is the zero TokenSource; use FromBearer or another From function"
	case s.kind == sourceCustom && s.custom.find == nil:
		return "has no function"
	case s.kind == sourceCustom && slices.ContainsFunc(s.custom.vary, notHeader):
		return "varies by something else than the names of headers"
	case s.kind == sourceCustom, s.kind == sourceAuthorization && s.name == "":
		return ""
	case s.name == "":
		return "has an empty name"
	case s.kind != sourceQuery && s.kind != sourceForm && strings.ContainsFunc(s.name, notToken):
		return "has the name " + quote.Text(s.name) + ", which is not a token of RFC 9110"
	}
	return ""
}

func notHeader(name string) bool { return name == "" || strings.ContainsFunc(name, notToken) }

// notToken is true for what may not be in the name of a header, scheme, cookie or protocol (RFC 9110 §5.6.2).
func notToken(r rune) bool {
	return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}
