package usher_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-usher/usher"
)

// Key, Keys and *KeyRing are each both.
var (
	_ usher.SigningKeys = usher.Key{}
	_ usher.SigningKeys = usher.Keys{}
	_ usher.SigningKeys = (*usher.KeyRing)(nil)
	_ usher.KeySource   = usher.Key{}
	_ usher.KeySource   = usher.Keys{}
	_ usher.KeySource   = (*usher.KeyRing)(nil)
)

func keyIDs(keys []usher.Key) string {
	var ids []string
	for _, key := range keys {
		ids = append(ids, key.ID())
	}
	return strings.Join(ids, " ")
}

func TestKeySourcesFindKeysByID(t *testing.T) {
	a, b, c := hmacKey(t, testSecret, "a"), hmacKey(t, otherSecret, "b"), testKey(t, usher.EdDSA).WithID("c")
	again, nameless := hmacKey(t, numberedSecret(1), "a"), hmacKey(t, numberedSecret(2), "")
	for _, test := range []struct {
		source    usher.KeySource
		kid, want string // want is "-" for ErrUnknownKey
	}{
		{a, "a", "a"},
		{a, "", "a"},
		{a, "b", "-"},
		{a, "A", "-"},
		{nameless, "", ""},
		{nameless, "a", "-"},
		{usher.Keys{a, b, c}, "a", "a"},
		{usher.Keys{a, b, c}, "c", "c"},
		{usher.Keys{a, b, c}, "", "a b c"},
		{usher.Keys{a, b, c}, "d", "-"},
		{usher.Keys{a, b, again}, "a", "a a"},
		{usher.Keys{a, nameless}, "", "a "},
		{usher.Keys{a, {}}, "b", "-"},
		{usher.Keys{}, "", "-"},
		{usher.Keys{}, "a", "-"},
		{usher.Must(usher.NewKeyRing(a, b, c)), "b", "b"},
		{usher.Must(usher.NewKeyRing(a, b, c)), "", "a b c"},
		{usher.Must(usher.NewKeyRing(a, b, c)), "d", "-"},
		{(*usher.KeyRing)(nil), "", "-"},
		{new(usher.KeyRing), "a", "-"},
	} {
		keys, err := test.source.VerificationKeys(t.Context(), test.kid)
		if test.want == "-" {
			checkKind(t, err, usher.ErrUnknownKey)
			if keys != nil {
				t.Errorf("%v, %q: %v with an error", test.source, test.kid, keys)
			}
			continue
		}
		if err != nil || keyIDs(keys) != test.want {
			t.Errorf("%v, %q: %q, %v, want %q", test.source, test.kid, keyIDs(keys), err, test.want)
		}
	}
}

func TestSigningKeysSignWithTheFirst(t *testing.T) {
	a, b := hmacKey(t, testSecret, "a"), hmacKey(t, otherSecret, "b")
	public, _ := testKey(t, usher.EdDSA).Public()
	for _, keys := range []usher.SigningKeys{a, usher.Keys{a, b}, usher.Keys{a, public}, usher.Must(usher.NewKeyRing(a, b, public))} {
		if key, err := keys.SigningKey(t.Context()); err != nil || key.ID() != "a" || !key.CanSign() {
			t.Errorf("%v: %v, %v", keys, key, err)
		}
	}
	for _, keys := range []usher.SigningKeys{
		usher.Key{}, public, a.WithID(strings.Repeat("k", 257)), a.WithID("\xff"), usher.Keys{}, usher.Keys(nil), usher.Keys{{}, a},
		usher.Keys{public, a}, (*usher.KeyRing)(nil), new(usher.KeyRing),
	} {
		key, err := keys.SigningKey(t.Context())
		if key != (usher.Key{}) {
			t.Errorf("%v signs with %v", keys, key)
		}
		if n := len(configErrors(t, err)); n != 1 {
			t.Errorf("%v: %v", keys, err)
		}
	}
}

func TestNewKeyRingReportsMistakes(t *testing.T) {
	a, b := hmacKey(t, testSecret, "a"), hmacKey(t, otherSecret, "b")
	public, _ := testKey(t, usher.EdDSA).Public()
	nameless := hmacKey(t, testSecret, "")
	short := usher.Must(usher.DangerouslyShortKey(usher.HS256, []byte("secret")))
	for name, test := range map[string]struct {
		current  usher.Key
		previous []usher.Key
		field    string
		texts    []string
	}{
		"no current key":                    {usher.Key{}, nil, "current", nil},
		"a current key that can't sign":     {public, nil, "current", []string{"sign"}},
		"a current key with a long ID":      {a.WithID(strings.Repeat("k", 257)), nil, "current", []string{"257", "256"}},
		"a zero Key before":                 {a, []usher.Key{b, {}}, "previous[1]", nil},
		"the same ID":                       {a, []usher.Key{b.WithID("a")}, "previous[0]", []string{`"a"`}},
		"the same key":                      {a, []usher.Key{a}, "previous[0]", []string{`"a"`}},
		"the same ID, another algorithm":    {a, []usher.Key{public.WithID("a")}, "previous[0]", []string{`"a"`}},
		"the same ID among the others":      {a, []usher.Key{b, b}, "previous[1]", []string{`"b"`}},
		"two without ID":                    {nameless, []usher.Key{short}, "previous[0]", []string{"WithID"}},
		"two without ID, neither the first": {a, []usher.Key{nameless, short}, "previous[1]", []string{"WithID"}},
	} {
		t.Run(name, func(t *testing.T) {
			ring, err := usher.NewKeyRing(test.current, test.previous...)
			if ring != nil {
				t.Error("there is a ring")
			}
			wantConfigError(t, err, test.field, test.texts...)
		})
	}
	for _, previous := range [][]usher.Key{nil, {}, {b}, {nameless, b, public}, {short}} {
		if ring, err := usher.NewKeyRing(a, previous...); err != nil || len(ring.Keys()) != 1+len(previous) {
			t.Errorf("%v: %v", previous, err)
		}
	}
	_, err := usher.NewKeyRing(usher.Key{}, usher.Key{}, b, b)
	if n := len(configErrors(t, err)); n != 3 {
		t.Errorf("%d of 3 mistakes: %v", n, err)
	}
}

func TestKeyRingAddsRotatesAndRetires(t *testing.T) {
	a, b, c := hmacKey(t, testSecret, "a"), hmacKey(t, otherSecret, "b"), testKey(t, usher.EdDSA).WithID("c")
	publicC, _ := c.Public()
	nameless := hmacKey(t, numberedSecret(1), "")
	tooLong := hmacKey(t, numberedSecret(2), strings.Repeat("k", 257))
	ring := usher.Must(usher.NewKeyRing(a))
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	refused := func(err error, field string) {
		t.Helper()
		wantConfigError(t, err, field)
	}
	is := func(want string) {
		t.Helper()
		if got := keyIDs(ring.Keys()); got != want {
			t.Errorf("the ring is %q, want %q", got, want)
		}
		key, err := ring.SigningKey(t.Context())
		if first, _, _ := strings.Cut(want, " "); err != nil || key.ID() != first || !key.CanSign() {
			t.Errorf("signs with %v, %v, want %s", key, err, first)
		}
	}
	is("a")
	ok(ring.Add(b))
	is("a b") // which verifies, and does not sign
	refused(ring.Add(b), "key")
	refused(ring.Add(c.WithID("a")), "key")
	refused(ring.Add(usher.Key{}), "key")
	is("a b")
	ok(ring.Rotate(b)) // promoted
	is("b a")
	ok(ring.Rotate(b)) // again, to no effect
	is("b a")
	ok(ring.Rotate(c)) // not added before
	is("c b a")
	refused(ring.Rotate(usher.Key{}), "next")
	refused(ring.Rotate(publicC), "next")
	refused(ring.Rotate(publicC.WithID("d")), "next")
	refused(ring.Rotate(hmacKey(t, numberedSecret(3), "a")), "next") // another key's ID
	refused(ring.Rotate(c.WithID("b")), "next")
	refused(ring.Rotate(tooLong), "next")
	is("c b a")
	refused(ring.Retire("c"), "kid") // it signs
	refused(ring.Retire("d"), "kid")
	refused(ring.Retire("B"), "kid")
	refused(ring.Retire(""), "kid")
	is("c b a")
	ok(ring.Retire("b"))
	is("c a")
	refused(ring.Retire("b"), "kid")
	ok(ring.Add(nameless))
	refused(ring.Add(hmacKey(t, numberedSecret(4), "")), "key") // at most one without ID
	refused(ring.Rotate(hmacKey(t, numberedSecret(4), "")), "next")
	is("c a ")
	ok(ring.Retire(""))
	ok(ring.Retire("a"))
	is("c")
	ok(ring.Add(b)) // back again
	is("c b")
	err := ring.Retire("nobody")
	for _, text := range []string{`"nobody"`, `"c"`, `"b"`} {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v does not name %s", err, text)
		}
	}
	// The public half was known first, the private half signs.
	ring = usher.Must(usher.NewKeyRing(a, publicC))
	ok(ring.Rotate(c))
	is("c a")
}

// Whether two keys are the same is a question of their ID, algorithm and material, not of who made them when.
func TestKeyRingKnowsAKeyByItsMaterial(t *testing.T) {
	for _, alg := range []usher.Algorithm{usher.HS256, usher.ES256, usher.EdDSA} {
		t.Run(string(alg), func(t *testing.T) {
			first := hmacKey(t, otherSecret, "first")
			ring := usher.Must(usher.NewKeyRing(first, testKey(t, alg).WithID("k")))
			if err := ring.Rotate(testKey(t, alg).WithID("k")); err != nil || keyIDs(ring.Keys()) != "k first" {
				t.Errorf("the same key, made again: %v, the ring is %q", err, keyIDs(ring.Keys()))
			}
			if err := ring.Rotate(testKey(t, alg).WithID("l")); err != nil || keyIDs(ring.Keys()) != "l k first" {
				t.Errorf("under another ID: %v, the ring is %q", err, keyIDs(ring.Keys()))
			}
			wantConfigError(t, ring.Rotate(usher.Must(usher.GenerateKey(alg)).WithID("k")), "next", `"k"`)
			if got := keyIDs(ring.Keys()); got != "l k first" {
				t.Errorf("another key of the same ID: the ring is %q", got)
			}
		})
	}
}

func TestKeyErrorsNameAFewKeysAndShortenThem(t *testing.T) {
	long, longer := strings.Repeat("k", 64), strings.Repeat("k", 65)
	keys := usher.Keys{hmacKey(t, testSecret, "a"), hmacKey(t, testSecret, ""), hmacKey(t, testSecret, long), hmacKey(t, testSecret, longer)}
	const remedy = "; a key without ID matches no kid: set its ID with WithID"
	four := `kid "a" (HS256), a key without ID (HS256), kid "` + long + `" (HS256), kid "` + long + `"... (65 bytes) (HS256)`
	for _, test := range []struct {
		keys usher.Keys
		want string
	}{
		{nil, "no keys"},
		{keys[:1], `kid "a" (HS256)`},
		{keys, four + remedy},
		{append(keys, keys...), four + " and 4 more" + remedy},
	} {
		_, err := test.keys.VerificationKeys(t.Context(), "x")
		if want := `usher: unknown key: the token has kid "x", the source has ` + test.want; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestUnknownKeyErrorsNameBothSidesAndTheRemedy(t *testing.T) {
	nameless, public := hmacKey(t, testSecret, ""), testKey(t, usher.ES256).WithID("b")
	decode := func(keys usher.KeySource, header jsonObject) string {
		_, err := newDecoder[usher.Claims](t, keys, usher.DecoderOptions{}).
			Decode(t.Context(), signToken("HS256", testSecret, header.String(), goodPayload().String()))
		checkKind(t, err, usher.ErrUnknownKey)
		return err.Error()
	}
	for _, test := range []struct{ got, want string }{
		{decode(nameless, goodHeader().with("kid", `"a"`)), `the token has kid "a", the source has a key without ID (HS256); a key without ID matches no kid: set its ID with WithID`},
		{decode(usher.Keys{public}, goodHeader().with("kid", `"a"`)), `the token has kid "a", the source has kid "b" (ES256)`},
		{decode(usher.Keys{public}, goodHeader().with("kid", `"b"`)), `the token has kid "b" and alg HS256, the source has kid "b" (ES256)`},
		{decode(public, goodHeader()), `the token has no kid and alg HS256, the source has kid "b" (ES256)`},
	} {
		if want := "usher: unknown key: " + test.want; test.got != want {
			t.Errorf("%s\nwant %s", test.got, want)
		}
	}
}

// Without kid only eight keys are tried. A token of a ninth is refused with an error that says so.
func TestSignatureErrorSaysThatKeysWereNotTried(t *testing.T) {
	var keys usher.Keys
	for i := range 10 {
		keys = append(keys, hmacKey(t, numberedSecret(i), fmt.Sprint(i)), testKey(t, usher.HS512).WithID(fmt.Sprint("other ", i)))
	}
	_, err := newDecoder[usher.Claims](t, keys, usher.DecoderOptions{}).Decode(t.Context(), signToken("HS256", numberedSecret(9), goodHeader().String(), goodPayload().String()))
	checkKind(t, err, usher.ErrTokenSignature)
	if want := "none of the first 8 keys verifies it, and 2 more were not tried"; !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "kid") {
		t.Errorf("%v, want %s", err, want)
	}
	_, err = newDecoder[usher.Claims](t, keys[:16], usher.DecoderOptions{}).Decode(t.Context(), signToken("HS256", numberedSecret(9), goodHeader().String(), goodPayload().String()))
	if checkKind(t, err, usher.ErrTokenSignature); strings.Contains(err.Error(), "tried") {
		t.Errorf("eight keys: %v", err)
	}
}

// A ring may replace a key for one name of Ed25519 by the same key for the other.
func TestKeyRingRotatesBetweenTheNamesOfEd25519(t *testing.T) {
	older, newer := testKey(t, usher.EdDSA).WithID("k"), testKey(t, usher.Ed25519).WithID("k")
	ring := usher.Must(usher.NewKeyRing(older))
	if err := ring.Rotate(newer); err != nil {
		t.Fatal(err)
	}
	if keys := ring.Keys(); len(keys) != 1 || keys[0].Algorithm() != usher.Ed25519 {
		t.Errorf("the ring has %v", keys)
	}
	if key, err := ring.SigningKey(t.Context()); err != nil || key.Algorithm() != usher.Ed25519 {
		t.Errorf("signs with %v, %v", key, err)
	}
}

func TestKeyRingGivesCopies(t *testing.T) {
	previous := []usher.Key{hmacKey(t, otherSecret, "b"), hmacKey(t, numberedSecret(1), "c")}
	ring := usher.Must(usher.NewKeyRing(hmacKey(t, testSecret, "a"), previous...))
	previous[0] = usher.Key{}
	keys := ring.Keys()
	keys[0], keys[1] = usher.Key{}, usher.Key{}
	if got := keyIDs(ring.Keys()); got != "a b c" {
		t.Errorf("the ring is %q", got)
	}
	before := ring.Keys()
	seen := usher.Must(ring.VerificationKeys(t.Context(), ""))
	for _, change := range []error{ring.Retire("b"), ring.Add(hmacKey(t, numberedSecret(2), "d")), ring.Rotate(hmacKey(t, numberedSecret(3), "e"))} {
		if change != nil {
			t.Error(change)
		}
	}
	if keyIDs(before) != "a b c" || keyIDs(seen) != "a b c" {
		t.Errorf("what was returned has changed: %q, %q", keyIDs(before), keyIDs(seen))
	}
}

func TestAKeyRingNotMadeByNewKeyRingIsAnError(t *testing.T) {
	key := hmacKey(t, testSecret, "a")
	var none *usher.KeyRing
	for _, ring := range []*usher.KeyRing{none, new(usher.KeyRing)} {
		for _, err := range []error{ring.Add(key), ring.Rotate(key), ring.Retire("a")} {
			if n := len(configErrors(t, err)); n != 1 {
				t.Errorf("%v", err)
			}
		}
		if len(ring.Keys()) != 0 {
			t.Error("it has keys")
		}
	}
}

func TestKeyRingRotatesTokens(t *testing.T) {
	a, b := hmacKey(t, testSecret, "a"), hmacKey(t, otherSecret, "b")
	for _, cacheSize := range []int{0, 10} {
		t.Run(fmt.Sprint("cache of ", cacheSize), func(t *testing.T) {
			ring := usher.Must(usher.NewKeyRing(a))
			e := newEncoder[usher.Claims](t, ring, usher.EncoderOptions{})
			d := newDecoder[usher.Claims](t, ring, usher.DecoderOptions{CacheSize: cacheSize})
			issue := func() string { return usher.Must(e.Encode(t.Context(), usher.Claims{Subject: "1"})) }
			kid := func(token string) any { header, _ := openToken(t, token); return membersOf(t, header)["kid"] }
			old := issue()
			foreign := signToken("HS256", otherSecret, goodHeader().with("kid", `"b"`).String(), goodPayload().String())
			checkDecode(t, d, old, nil)
			checkDecode(t, d, foreign, usher.ErrUnknownKey)
			if err := ring.Add(b); err != nil {
				t.Fatal(err)
			}
			checkDecode(t, d, foreign, nil)
			if kid(issue()) != "a" {
				t.Error("Add signs")
			}
			if err := ring.Rotate(b); err != nil {
				t.Fatal(err)
			}
			young := issue()
			if kid(young) != "b" {
				t.Error("Rotate does not sign")
			}
			checkDecode(t, d, old, nil)
			checkDecode(t, d, young, nil)
			if err := ring.Retire("a"); err != nil {
				t.Fatal(err)
			}
			checkDecode(t, d, old, usher.ErrUnknownKey)
			checkDecode(t, d, young, nil)
		})
	}
}

// While keys come and go, a token is accepted as long as its key is there, and refused from then on.
func TestKeyRingChangesWhileDecodersServe(t *testing.T) {
	const rounds, readers = 30, 4
	ring := usher.Must(usher.NewKeyRing(hmacKey(t, numberedSecret(0), "0")))
	e := newEncoder[userClaims](t, ring, usher.EncoderOptions{})
	d := newDecoder[userClaims](t, ring, usher.DecoderOptions{CacheSize: 8})
	var current atomic.Pointer[string] // a token whose key stays for now
	token := usher.Must(e.Encode(t.Context(), userClaims{Claims: usher.Claims{Subject: "0"}}))
	current.Store(&token)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			for ctx.Err() == nil {
				token := current.Load()
				_, err := d.Decode(ctx, *token)
				if err != nil && token == current.Load() {
					t.Errorf("refused while its key was there: %v", err)
					return
				}
				if _, err := e.Encode(ctx, userClaims{Claims: usher.Claims{Subject: "x"}}); err != nil {
					t.Errorf("signing: %v", err)
					return
				}
				ring.Keys()
			}
		})
	}
	for i := 1; i <= rounds; i++ {
		next := hmacKey(t, numberedSecret(i), fmt.Sprint(i))
		if err := errors.Join(ring.Add(next), ring.Rotate(next)); err != nil {
			t.Error(err)
		}
		old := *current.Load()
		token := usher.Must(e.Encode(t.Context(), userClaims{Claims: usher.Claims{Subject: fmt.Sprint(i)}}))
		checkDecode(t, d, old, nil)
		current.Store(&token)
		if err := ring.Retire(fmt.Sprint(i - 1)); err != nil {
			t.Error(err)
		}
		checkDecode(t, d, old, usher.ErrUnknownKey)
		if err := ring.Add(hmacKey(t, numberedSecret(i+1000), fmt.Sprint(i-1))); err != nil { // the ID is used again
			t.Error(err)
		}
		checkDecode(t, d, old, usher.ErrTokenSignature)
		if err := ring.Retire(fmt.Sprint(i - 1)); err != nil {
			t.Error(err)
		}
	}
	stop()
	wg.Wait()
}

// Several that change at once do not undo each other.
func TestKeyRingIsChangedByManyAtOnce(t *testing.T) {
	ring := usher.Must(usher.NewKeyRing(hmacKey(t, testSecret, "first")))
	var wg sync.WaitGroup
	for i := range 20 {
		key := hmacKey(t, numberedSecret(i), fmt.Sprint(i))
		wg.Go(func() {
			if err := ring.Add(key); err != nil {
				t.Error(err)
			}
			if i%2 == 0 {
				if err := ring.Retire(key.ID()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(ring.Keys()); n != 11 {
		t.Errorf("%d keys, want 11: %s", n, keyIDs(ring.Keys()))
	}
}
