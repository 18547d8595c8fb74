package usher

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-usher/usher/internal/formvalue"
	"github.com/go-usher/usher/internal/httpfield"
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
	if httpfield.EqualFold(name, "Authorization") {
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
			token, found = httpfield.CutScheme(token, s.name)
		case found && !isBareToken(token):
			token, found = "", false
		}
		return token, found, err
	case sourceHeader:
		return onlyValue(r.Header[s.name])
	case sourceCookie:
		return single(httpfield.Cookie(r.Header["Cookie"], s.name))
	case sourceQuery:
		return s.findInQuery(r)
	case sourceForm:
		return s.findInForm(r)
	case sourceWebSocket:
		if !httpfield.Contains(r.Header["Upgrade"], "websocket") { // RFC 9110 §7.8
			return "", false, nil
		}
		return single(httpfield.After(r.Header["Sec-Websocket-Protocol"], s.name))
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

// single returns a value that was found count times. If it was found more than once, the error is ErrManyTokens.
func single(value string, count int) (string, bool, error) {
	if count > 1 {
		return "", false, ErrManyTokens
	}
	return value, count == 1, nil
}

// isBareToken reports whether the value of an Authorization header looks like a token without a scheme.
func isBareToken(value string) bool {
	return strings.Contains(value, ".") && !strings.ContainsAny(value, " \t")
}

func (s TokenSource) findInQuery(r *http.Request) (token string, found bool, err error) {
	if r.URL == nil {
		return "", false, nil
	}
	token, count, err := formvalue.InQuery(r.URL.RawQuery, s.name)
	if err != nil {
		return "", false, badRequest("The query can't be read.", err)
	}
	return single(token, count)
}

func badRequest(description string, err error) error {
	return &Rejection{Status: http.StatusBadRequest, Code: codeRequest, Description: description, Err: err}
}

// Limits of forms that are searched for a token.
const (
	maxFormBytes  = 64 << 10
	maxFormFields = 1000
)

// errUnsearchedForm is the error for a form that can't be searched. It is ignored if another source finds a token.
var errUnsearchedForm = errors.New("usher: the form can't be searched for a token")

func (s TokenSource) findInForm(r *http.Request) (string, bool, error) {
	if r.Method != http.MethodPost && r.Method != http.MethodPut && r.Method != http.MethodPatch {
		return "", false, nil
	}
	if mediatype.Of(r.Header) != "application/x-www-form-urlencoded" {
		return "", false, nil
	}
	if r.PostForm == nil {
		parsed, err := formvalue.ParseBody(r, maxFormBytes, maxFormFields)
		if !parsed {
			err = fmt.Errorf("%w: %w", errUnsearchedForm, err)
		}
		if err != nil {
			return "", false, badRequest("The form can't be read.", err)
		}
	}
	return onlyValue(r.PostForm[s.name])
}

func (s TokenSource) findByFunc(r *http.Request) (token string, found bool, err error) {
	token, found, err = s.custom.find(r)
	switch {
	case errors.Is(err, ErrNoToken) && !isOutage(err):
		return "", false, nil
	case err != nil || !found:
		return "", false, err
	}
	return token, true, nil
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
		return httpfield.EqualFold(s.name, other.name)
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
	case s.kind == sourceCustom && slices.ContainsFunc(s.custom.vary, func(name string) bool { return !httpfield.IsToken(name) }):
		return "has a vary argument that is not the name of a header"
	case s.kind == sourceCustom, s.kind == sourceAuthorization && s.name == "":
		return ""
	case s.name == "":
		return "has an empty name"
	case s.kind == sourceHeader && s.name == "Cookie":
		return "reads the Cookie header as a whole; use FromCookie"
	case s.kind != sourceQuery && s.kind != sourceForm && !httpfield.IsToken(s.name):
		return "has the name " + quote.Text(s.name) + ", which has characters that are not allowed (RFC 9110 §5.6.2)"
	}
	return ""
}
