// Package ushertest helps to test services that use usher, with valid tokens, invalid tokens, or none.
//
// A test of a protected handler needs no key and no token: pass it the user with [usher.ContextWithUser]. An end-to-end
// test, from the token to the response, takes three lines:
//
//	kit := ushertest.New[MyClaims](t, nil)
//	app := NewApp(kit.Decoder)
//	app.ServeHTTP(recorder, kit.NewRequest(t, "GET", "/me", MyClaims{Claims: usher.Claims{Subject: "42"}}))
//
// [Kit.BrokenTokens] returns tokens that the service must refuse, one for each reason. With a [Clock], tokens expire
// without waiting; it advances only when it is told to. A [Verifier] accepts or refuses the tokens that the test lists.
// [RequireAuth] finds routes that are not protected. A [Carrier] sets the token of a request in a place other than
// Authorization: Bearer.
package ushertest
