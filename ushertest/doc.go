// Package ushertest helps to test services that use usher: with real tokens, broken ones, or none at all.
//
// The handler of a protected route needs neither key nor token to be tested: give it its user with
// [usher.ContextWithUser]. A test of the whole way, from the token to the answer, takes three lines:
//
//	kit := ushertest.New[MyClaims](t, nil)
//	app := NewApp(kit.Decoder)
//	app.ServeHTTP(recorder, kit.NewRequest(t, "GET", "/me", MyClaims{Claims: usher.Claims{Subject: "42"}}))
//
// [Kit.BrokenTokens] are what the service has to refuse, one for each reason. A [Clock] lets tokens expire
// without waiting. A [Verifier] takes any text for a token, or fails as it is told. [RequireAuth] finds the
// routes that somebody forgot to protect.
package ushertest
