// Package ushertest helps to test services that use usher: with real tokens, with bad ones, or with none.
//
// The handler of a protected route needs neither a key nor a token: give it its user with [usher.ContextWithUser]. A test of
// the whole way, from the token to the response, takes three lines:
//
//	kit := ushertest.New[MyClaims](t, nil)
//	app := NewApp(kit.Decoder)
//	app.ServeHTTP(recorder, kit.NewRequest(t, "GET", "/me", MyClaims{Claims: usher.Claims{Subject: "42"}}))
//
// [Kit.BrokenTokens] are tokens that the service has to refuse, one for each reason. A [Clock] lets tokens expire without waiting;
// mind that it stands still. A [Verifier] accepts any text as a token, or fails as it is told. [RequireAuth] finds the routes
// that somebody forgot to protect. A [Carrier] says where the service expects its tokens, if not in Authorization: Bearer.
package ushertest
