// Package onetime issues and checks tokens for links that work once, such as those for resetting a password or
// verifying an email address.
//
// The tokens are not stored. A token contains a subject and an expiry. It is authenticated together with a state of the
// subject, which it does not contain. Using the token changes this state, which makes the token invalid. Any other
// change of the state does so too.
//
//	resets, err := onetime.New(secret, "password reset", nil)
//	token, err := resets.Issue(user.ID, user.Hash+"\n"+user.Email)
//	subject, old, err := resets.Check(ctx, token, stateOf)
//
// Choose the state as follows:
//
//   - For a password reset, use the password's hash and the address that the link is sent to. The reset replaces the
//     hash, and a change of the address makes links in the old mailbox invalid.
//   - For the verification of an address, use the address and whether it is verified.
//
// An upgrade of the hash at a login (see usher.Passwords.Check) also makes reset links invalid. This is harmless, but
// may surprise a user who remembers the password and logs in first. To avoid it, use a counter of password changes
// instead of the hash.
//
// Spend a token atomically: write the new password only if the state that Check returned is still stored, as in
// UPDATE … WHERE id = ? AND hash = ?. Otherwise two simultaneous requests could both use the token.
//
// Rules for links:
//
//   - Put the token into the fragment (https://example.com/reset#token), which browsers send neither to servers nor in
//     Referer headers. The page reads it there and sends it by POST. Serve the page with Referrer-Policy: no-referrer.
//   - Do not spend a token on GET. Mail scanners open links before the user does.
//   - Do not log tokens.
//
// The files: onetime.go has New, Issue and Check, token.go the format of tokens, and errors.go the errors.
package onetime
