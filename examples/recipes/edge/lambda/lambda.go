// Package lambda authenticates the users of AWS Lambda functions that handle events of an API Gateway HTTP API (payload format
// 2.0) or of a function URL.
package lambda

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/go-usher/usher"
)

// Handler is a function for lambda.Start.
type Handler = func(ctx context.Context, event Event) (Response, error)

// Event is an event of the payload format 2.0.
type Event = events.APIGatewayV2HTTPRequest

// Response is the response to an Event.
type Response = events.APIGatewayV2HTTPResponse

// Require returns a Handler that calls next with the user, and refuses events without a valid token.
func Require[C, U any](auth *usher.Middleware[C, U], next func(ctx context.Context, event Event, user U) (Response, error)) Handler {
	return decide(auth, false, func(ctx context.Context, event Event) (Response, error) {
		user, _ := auth.User(ctx)
		return next(ctx, event, user)
	})
}

// Optional is like Require, but also calls next for events without a token. auth.User reports whether there is a user.
func Optional[C, U any](auth *usher.Middleware[C, U], next Handler) Handler {
	return decide(auth, true, next)
}

func decide[C, U any](auth *usher.Middleware[C, U], optional bool, next Handler) Handler {
	return func(ctx context.Context, event Event) (Response, error) {
		ctx, headers, rej := auth.Decide(request(ctx, event), optional)
		if rej != nil {
			return refusal(rej, headers)
		}
		response, err := next(ctx, event)
		response.Headers = merged(headers, response.Headers)
		return response, err
	}
}

// request returns the event as a request. The path is already decoded, and must not be parsed as a URL.
func request(ctx context.Context, event Event) *http.Request {
	r := &http.Request{
		Method:     event.RequestContext.HTTP.Method,
		URL:        &url.URL{Scheme: "https", Host: event.RequestContext.DomainName, Path: event.RawPath, RawQuery: event.RawQueryString},
		Host:       event.RequestContext.DomainName,
		Header:     http.Header{},
		RemoteAddr: event.RequestContext.HTTP.SourceIP,
		Pattern:    event.RouteKey, // for the logs; a function URL has only the route $default
		Body:       http.NoBody,
	}
	for name, value := range event.Headers {
		r.Header.Set(name, value)
	}
	// API Gateway joins headers of one name with a comma. Two tokens must be a 400.
	if joined := r.Header.Get("Authorization"); strings.Count(strings.ToLower(joined), "bearer ") > 1 {
		r.Header["Authorization"] = strings.Split(joined, ",")
	}
	if len(event.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(event.Cookies, "; "))
	}
	if event.Body != "" { // for usher.FromForm
		body := event.Body
		if decoded, err := base64.StdEncoding.DecodeString(body); event.IsBase64Encoded && err == nil {
			body = string(decoded)
		}
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
	return r.WithContext(ctx)
}

// refusal returns the response to a refused event, as the middleware would write it.
func refusal(rej *usher.Rejection, headers http.Header) (Response, error) {
	if headers == nil {
		headers = http.Header{}
	}
	rej.SetHeaders(headers)
	headers.Set("Content-Type", "application/problem+json")
	body, err := json.Marshal(map[string]any{"title": http.StatusText(rej.Status), "status": rej.Status, "detail": rej.Error()})
	return Response{StatusCode: rej.Status, Headers: merged(headers, nil), Body: string(body)}, err
}

// merged returns the middleware's headers and those of a response, which take precedence.
func merged(headers http.Header, response map[string]string) map[string]string {
	all := make(map[string]string)
	for name, values := range headers {
		all[name] = strings.Join(values, ", ")
	}
	for name, value := range response {
		name = http.CanonicalHeaderKey(name)
		if name == "Vary" && all[name] != "" {
			value = all[name] + ", " + value
		}
		all[name] = value
	}
	return all
}
