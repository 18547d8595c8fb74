// Package onetime makes the tokens of links that work once: for resetting a password, and for verifying an e-mail
// address.
//
// The tokens need no table. A token names a subject and the time until which it works, and is authenticated together
// with a state of the subject that the token does not contain. The use of the token changes that state, and so does any
// other change that should invalidate it; from then on the token is dead.
//
//	resets, err := onetime.New(secret, "password reset", nil)
//	token, err := resets.Issue(user.ID, user.Hash+"\n"+user.Email)
//	subject, old, err := resets.Check(ctx, token, stateOf)
//
// What makes a good state:
//
//   - For a password reset: the password's hash together with the address that the link is sent to. The reset
//     replaces the hash. A changed address kills links that are still in the old mailbox.
//   - For the verification of an address: the address together with whether it is verified.
//   - An upgrade of the hash at a login (see usher.Passwords.Check) also kills a reset link under way. That is
//     harmless, but surprises a user who remembers the password after all and logs in first. A counter that only a change of
//     the password raises, in place of the hash, avoids it.
//
// A token must be spent atomically: write the new password only where the state that Check returned still stands, as in
// UPDATE … WHERE id = ? AND hash = ?. Otherwise two requests at once could both use it.
//
// How to send one:
//
//   - Put it into the fragment of the link (https://example.com/reset#token), which browsers send to no server and no
//     Referer header contains. The page reads it from there and sends it by POST. Serve the page with
//     Referrer-Policy: no-referrer.
//   - Never spend it on GET. Mail scanners open links before the user does.
//   - Never log it.
//
// Map of the files: onetime.go has New, Issue and Check, token.go the form of a token, errors.go the errors.
package onetime
