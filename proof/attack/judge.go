package attack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/go-usher/usher"
)

// Judge shows cases to usher, in every way in which a token can come to it.
type Judge struct {
	doors map[*House]*door
}

// door is how one house is entered.
type door struct {
	plain, remembering usher.Verifier[Claims]
	handler            http.Handler
	server             *httptest.Server
}

// NewJudge returns a judge. It must be closed.
func NewJudge() *Judge { return &Judge{doors: map[*House]*door{}} }

// Close stops the judge's servers.
func (j *Judge) Close() {
	for _, d := range j.doors {
		d.server.Close()
	}
}

func (j *Judge) door(house *House) (*door, error) {
	if d := j.doors[house]; d != nil {
		return d, nil
	}
	d := new(door)
	var err error
	if d.plain, err = house.Verifier(0); err != nil {
		return nil, err
	}
	if d.remembering, err = house.Verifier(64); err != nil {
		return nil, err
	}
	m, err := usher.NewMiddleware(d.remembering, usher.ClaimsAsUser[Claims], &usher.MiddlewareOptions{
		Sources: []usher.TokenSource{usher.FromBearer(), usher.FromQuery("access_token")},
	})
	if err != nil {
		return nil, err
	}
	d.handler = m.RequireFunc(func(w http.ResponseWriter, _ *http.Request, c *Claims) { fmt.Fprint(w, c.Subject) })
	d.server = httptest.NewServer(d.handler)
	j.doors[house] = d
	return d, nil
}

// Decode shows the case to decoders with and without memory, twice each, and returns what was not as it should be.
func (j *Judge) Decode(ctx context.Context, c Case) error {
	d, err := j.door(c.House)
	if err != nil {
		return err
	}
	for _, v := range []usher.Verifier[Claims]{d.plain, d.plain, d.remembering, d.remembering} {
		claims, err := v.Decode(ctx, c.Token)
		if err := c.verdict(claims, err); err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
	}
	return nil
}

// Refusals are the errors of which a refusal has to be exactly one.
func Refusals() []error {
	return []error{
		usher.ErrTokenMalformed, usher.ErrTokenSignature, usher.ErrTokenExpired, usher.ErrTokenNotYetValid, usher.ErrTokenIssuer,
		usher.ErrTokenAudience, usher.ErrTokenClaims, usher.ErrTokenType, usher.ErrTokenTooLarge, usher.ErrTokenRevoked, usher.ErrUnknownKey,
	}
}

// verdict returns what is wrong with what a decoder returned.
func (c Case) verdict(claims *Claims, err error) error {
	if c.Want == nil {
		if err != nil {
			return fmt.Errorf("refused: %w", err)
		}
		if claims == nil {
			return errors.New("accepted, without claims")
		}
		return nil
	}
	if err == nil {
		return errors.New("accepted")
	}
	if claims != nil {
		return errors.New("refused, and yet it came with claims")
	}
	if !errors.Is(err, usher.ErrInvalidToken) {
		return fmt.Errorf("the error is no ErrInvalidToken: %w", err)
	}
	for _, refusal := range Refusals() {
		if is, want := errors.Is(err, refusal), errors.Is(c.Want, refusal); is != want {
			return fmt.Errorf("it is %s: %t, but should be %s: %w", refusal.Error(), is, c.Want.Error(), err)
		}
	}
	return c.discreet(err.Error())
}

// discreet returns an error if a text from usher is long, or shows a segment of the token.
func (c Case) discreet(text string) error {
	if len(text) > 2048 {
		return fmt.Errorf("the text has %d bytes", len(text))
	}
	for segment := range strings.SplitSeq(c.Token, ".") {
		if len(segment) >= 16 && strings.Contains(text, segment) {
			return errors.New("the text shows a segment of the token")
		}
	}
	return nil
}

// HTTP shows the case to the middleware in a request over the network, and returns what was not as it should be. The
// token comes in the Authorization header if that can carry it, else in the query, which carries all.
func (j *Judge) HTTP(ctx context.Context, c Case) error {
	d, err := j.door(c.House)
	if err != nil {
		return err
	}
	const most = 512 << 10 // net/http itself refuses requests whose head has 1 MiB
	target := d.server.URL
	inHeader := carriedByHeader(c.Token)
	if !inHeader {
		target += "/?access_token=" + url.QueryEscape(c.Token)
	}
	if len(target) > most || len(c.Token) > most {
		return j.direct(ctx, d, c)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return err
	}
	if inHeader {
		r.Header.Set("Authorization", "Bearer "+c.Token)
	}
	res, err := d.server.Client().Do(r)
	if err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	if err := c.response(res.StatusCode, res.Header, body); err != nil {
		return fmt.Errorf("%s, over HTTP: %w", c, err)
	}
	return nil
}

// direct shows the token to the handler as no network could bring it.
func (*Judge) direct(ctx context.Context, d *door, c Case) error {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody)
	r.Header["Authorization"] = []string{"Bearer " + c.Token}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	if err := c.response(w.Code, w.Header(), w.Body.Bytes()); err != nil {
		return fmt.Errorf("%s, to the handler: %w", c, err)
	}
	return nil
}

// carriedByHeader reports whether a header's value can be this text, and arrives as it is.
func carriedByHeader(token string) bool {
	for i := range len(token) {
		if token[i] < ' ' && token[i] != '\t' || token[i] == 0x7f {
			return false
		}
	}
	return token == strings.Trim(token, " \t")
}

// response returns what is wrong with a response.
func (c Case) response(status int, header http.Header, body []byte) error {
	if c.Want == nil {
		if status != http.StatusOK {
			return fmt.Errorf("%d: %s", status, body)
		}
		return nil
	}
	challenge := header.Get("WWW-Authenticate")
	description := "The access token is not valid."
	if errors.Is(c.Want, usher.ErrTokenExpired) {
		description = "The access token has expired."
	}
	switch {
	case status != http.StatusUnauthorized:
		return fmt.Errorf("%d instead of 401: %s", status, body)
	case challenge != `Bearer error="invalid_token", error_description="`+description+`"`:
		return fmt.Errorf("the challenge %q", challenge)
	case header.Get("Cache-Control") != "no-store":
		return errors.New("no Cache-Control: no-store")
	case header.Get("Content-Type") != "application/problem+json":
		return fmt.Errorf("the content type %q", header.Get("Content-Type"))
	}
	var problem struct{ Detail string }
	if err := json.Unmarshal(body, &problem); err != nil || problem.Detail != description {
		return fmt.Errorf("the body %s", body)
	}
	return nil
}
