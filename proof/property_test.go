package proof_test

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/go-usher/usher"
)

// level has methods of its own, as the types of fields may.
type level int

func (l level) MarshalText() ([]byte, error) { return []byte(fmt.Sprintf("level %d", int(l))), nil }

func (l *level) UnmarshalText(text []byte) error {
	_, err := fmt.Sscanf(string(text), "level %d", (*int)(l))
	return err
}

type address struct {
	Street string            `json:"street"`
	Tags   map[string]string `json:"tags,omitempty"`
	Parent *address          `json:"parent,omitempty"`
}

type contact struct {
	Phone string `json:"phone"`
}

// manyClaims has private claims of many types.
type manyClaims struct {
	usher.Claims
	contact  // embedded, so that its fields are claims, too
	Name     string
	Nick     string            `json:"nick,omitempty"`
	Admin    bool              `json:"admin"`
	Tiny     int8              `json:"tiny"`
	Large    int64             `json:"large,omitempty"`
	Quoted   int64             `json:"quoted,string"`
	Count    uint64            `json:"count"`
	Share    float64           `json:"share"`
	Part     float32           `json:"part,omitempty"`
	Raw      []byte            `json:"raw"`
	Roles    []string          `json:"roles"`
	Few      []string          `json:"few,omitempty"`
	Numbers  []int             `json:"numbers"`
	Fixed    [3]uint8          `json:"fixed"`
	Labels   map[string]string `json:"labels"`
	Address  address           `json:"address"`
	Other    *address          `json:"other"`
	Born     time.Time         `json:"born"`
	Timeout  time.Duration     `json:"timeout"`
	Level    level             `json:"level"`
	Levels   map[level]int     `json:"levels,omitempty"`
	Anything any               `json:"anything"`
	Since    usher.NumericDate `json:"since,omitzero"`
	For      usher.Audience    `json:"for,omitempty"`
	Odd      string            `json:"https://example.com/odd$name"`
}

var (
	text   = rapid.String() // UTF-8, with all that needs escapes
	first  = time.Unix(0, 0).UTC()
	last   = time.Unix(253_402_300_799, 0).UTC()
	moment = rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(first.Unix(), last.Unix()-1).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanos")).UTC()
	})
	numericDate = rapid.Custom(func(t *rapid.T) usher.NumericDate {
		switch rapid.IntRange(0, 3).Draw(t, "kind of date") {
		case 0:
			return usher.NumericDate{}
		case 1:
			return usher.NewNumericDate(moment.Draw(t, "date"))
		}
		return usher.NumericDate{Time: moment.Draw(t, "date")}
	})
	smallAddress = rapid.Custom(func(t *rapid.T) address {
		return address{Street: text.Draw(t, "street"), Tags: nonEmpty(rapid.MapOfN(text, text, 0, 3).Draw(t, "tags"))}
	})
	anything = rapid.OneOf(
		rapid.Just[any](nil), rapid.Just[any](true), rapid.Custom(func(t *rapid.T) any { return text.Draw(t, "string") }),
		rapid.Custom(func(t *rapid.T) any { return rapid.Float64Range(-1e15, 1e15).Draw(t, "number") }),
		rapid.Custom(func(t *rapid.T) any { return []any{text.Draw(t, "element"), nil, 1.5} }),
		rapid.Custom(func(t *rapid.T) any { return map[string]any{text.Draw(t, "name"): map[string]any{"x": []any{}}} }),
	)
)

// nonEmpty returns nil for what omitempty leaves out.
func nonEmpty(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return m
}

func drawClaims(t *rapid.T, now time.Time) manyClaims {
	c := manyClaims{
		Claims: usher.Claims{
			Issuer: text.Draw(t, "iss"), Subject: rapid.StringN(1, -1, -1).Draw(t, "sub"), ID: text.Draw(t, "jti"), SessionID: text.Draw(t, "sid"),
			Scope: text.Draw(t, "scope"), AuthTime: numericDate.Draw(t, "auth_time"), IssuedAt: numericDate.Draw(t, "iat"),
			Audience: rapid.SliceOfN(text, 0, 3).Draw(t, "aud"),
		},
		contact: contact{text.Draw(t, "phone")},
		Name:    text.Draw(t, "name"), Nick: text.Draw(t, "nick"), Admin: rapid.Bool().Draw(t, "admin"), Tiny: rapid.Int8().Draw(t, "tiny"),
		Large: rapid.Int64().Draw(t, "large"), Quoted: rapid.Int64().Draw(t, "quoted"), Count: rapid.Uint64().Draw(t, "count"),
		Share: rapid.Float64().Draw(t, "share"), Part: rapid.Float32().Draw(t, "part"), Raw: rapid.SliceOf(rapid.Byte()).Draw(t, "raw"),
		Roles: rapid.SliceOfN(text, 0, 4).Draw(t, "roles"), Numbers: rapid.SliceOf(rapid.Int()).Draw(t, "numbers"),
		Labels: rapid.MapOfN(text, text, 0, 4).Draw(t, "labels"), Address: smallAddress.Draw(t, "address"), Born: moment.Draw(t, "born"),
		Timeout: time.Duration(rapid.Int64().Draw(t, "timeout")), Level: level(rapid.Int().Draw(t, "level")), Anything: anything.Draw(t, "anything"),
		Since: numericDate.Draw(t, "since"), Odd: text.Draw(t, "odd"),
	}
	c.ExpiresAt = usher.NumericDate{Time: now.Add(time.Duration(rapid.Int64Range(1, int64(100*365*24*time.Hour)).Draw(t, "until exp")))}
	if rapid.Bool().Draw(t, "has nbf") {
		c.NotBefore = usher.NumericDate{Time: now.Add(-time.Duration(rapid.Int64Range(0, int64(20*365*24*time.Hour)).Draw(t, "since nbf")))}
	}
	if len(c.Audience) == 0 {
		c.Audience = nil
	}
	if few := rapid.SliceOfN(text, 0, 2).Draw(t, "few"); len(few) > 0 {
		c.Few = few
	}
	if rapid.Bool().Draw(t, "has other") {
		other := smallAddress.Draw(t, "other")
		parent := smallAddress.Draw(t, "parent")
		other.Parent = &parent
		c.Other = &other
	}
	if rapid.Bool().Draw(t, "has levels") {
		c.Levels = map[level]int{level(rapid.Int().Draw(t, "level as name")): 1}
	}
	for i := range c.Fixed {
		c.Fixed[i] = rapid.Uint8().Draw(t, "fixed")
	}
	if audience := rapid.SliceOfN(text, 0, 2).Draw(t, "for"); len(audience) > 0 {
		c.For = audience
	}
	if rapid.Bool().Draw(t, "nil slices and maps") {
		c.Raw, c.Roles, c.Numbers, c.Labels = nil, nil, nil, nil
	}
	return c
}

// Where a zero value is not written, Encode fills it in, which is no identity.
func filled(c, by manyClaims) manyClaims {
	c.Issuer = cmp.Or(c.Issuer, by.Issuer)
	c.ID = cmp.Or(c.ID, by.ID)
	if c.IssuedAt.IsZero() {
		c.IssuedAt = by.IssuedAt
	}
	return c
}

func TestDecodingIsTheInverseOfEncoding(t *testing.T) {
	now := time.Unix(1_800_000_000, 500_000_000).UTC()
	clock := func() time.Time { return now }
	keys := everyKey(t)
	var encoders []*usher.Encoder[manyClaims]
	for _, key := range keys {
		encoders = append(encoders, usher.Must(usher.NewEncoder[manyClaims](key, &usher.EncoderOptions{Now: clock})))
	}
	options := usher.DecoderOptions{Now: clock, DangerouslyAllowAnyAudience: true, MaxSize: 1 << 24}
	plain := usher.Must(usher.NewDecoder[manyClaims](keys, &options))
	options.CacheSize = 1000
	remembering := usher.Must(usher.NewDecoder[manyClaims](keys, &options))

	rapid.Check(t, func(rt *rapid.T) {
		claims := drawClaims(rt, now)
		encoder := rapid.SampledFrom(encoders).Draw(rt, "encoder")
		token, err := encoder.Encode(t.Context(), claims)
		if err != nil {
			rt.Fatal(err)
		}
		for _, d := range []*usher.Decoder[manyClaims]{plain, remembering, remembering} {
			back, err := d.Decode(t.Context(), token)
			if err != nil {
				rt.Fatal(err)
			}
			if want := filled(claims, *back); !reflect.DeepEqual(*back, want) {
				rt.Fatalf("\n%+v instead of\n%+v", *back, want)
			}
		}
	})
}

func TestAnyChangeOfATokenIsRefused(t *testing.T) {
	clock := at(1_800_000_000)
	keys := everyKey(t)
	tokens := make([]string, len(keys))
	for i, key := range keys {
		encoder := usher.Must(usher.NewEncoder[usher.Claims](key, &usher.EncoderOptions{Now: clock}))
		tokens[i] = usher.Must(encoder.Encode(t.Context(), usher.Claims{Subject: "7", Scope: "read write"}))
	}
	plain := usher.Must(usher.NewDecoder[usher.Claims](keys, &usher.DecoderOptions{Now: clock}))
	remembering := usher.Must(usher.NewDecoder[usher.Claims](keys, &usher.DecoderOptions{Now: clock, CacheSize: 64}))
	refused := func(fatal func(...any), d *usher.Decoder[usher.Claims], token, changed string) {
		if token == changed {
			return
		}
		if claims, err := d.Decode(t.Context(), changed); !errors.Is(err, usher.ErrInvalidToken) || claims != nil {
			fatal(fmt.Sprintf("%v for\n%s, which was\n%s", err, changed, token))
		}
	}

	t.Run("every byte", func(t *testing.T) {
		for i, token := range tokens {
			alg := keys[i].Algorithm()
			if !slices.Contains([]usher.Algorithm{usher.HS256, usher.RS256, usher.PS256, usher.ES256, usher.EdDSA}, alg) {
				continue // one of each family
			}
			if _, err := remembering.Decode(t.Context(), token); err != nil {
				t.Fatal(err)
			}
			for place := range len(token) {
				changed := []byte(token)
				changed[place] ^= 1
				refused(t.Fatal, remembering, token, string(changed))
				for c := 0; c < 256 && alg == usher.HS256; c++ { // to every other: it takes no time
					changed[place] = byte(c)
					refused(t.Fatal, plain, token, string(changed))
				}
			}
		}
	})
	t.Run("any edit", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			token := rapid.SampledFrom(tokens).Draw(rt, "token")
			changed := []byte(token)
			for range rapid.IntRange(1, 3).Draw(rt, "edits") {
				i := rapid.IntRange(0, len(changed)-1).Draw(rt, "place")
				switch rapid.IntRange(0, 5).Draw(rt, "edit") {
				case 0:
					changed[i] = rapid.Byte().Draw(rt, "byte")
				case 1:
					if len(changed) > 1 {
						changed = slices.Delete(changed, i, i+1)
					}
				case 2:
					changed = slices.Insert(changed, i, rapid.Byte().Draw(rt, "byte"))
				case 3:
					j := rapid.IntRange(0, len(changed)-1).Draw(rt, "other place")
					changed[i], changed[j] = changed[j], changed[i]
				case 4:
					changed = changed[:max(1, i)]
				case 5: // a segment of another token in place of its own
					mine, other := strings.Split(string(changed), "."), strings.Split(rapid.SampledFrom(tokens).Draw(rt, "other"), ".")
					mine[i%len(mine)] = other[i%len(other)]
					changed = []byte(strings.Join(mine, "."))
				}
			}
			if !slices.Contains(tokens, string(changed)) {
				refused(rt.Fatal, plain, token, string(changed))
				refused(rt.Fatal, remembering, token, string(changed))
			}
		})
	})
}

func TestATokenExpiresOnceAndForAll(t *testing.T) {
	key := usher.Must(usher.GenerateKey(usher.HS256))
	rapid.Check(t, func(rt *rapid.T) {
		leeway := time.Duration(rapid.Int64Range(0, int64(5*time.Minute)).Draw(rt, "leeway"))
		if leeway < time.Millisecond { // would be refused: its unit is missing
			leeway = 0
		}
		expiry := moment.Draw(rt, "exp")
		begin := usher.NumericDate{}
		if rapid.Bool().Draw(rt, "has nbf") {
			begin.Time = expiry.Add(-time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(rt, "validity")))
			if begin.Before(first) {
				begin.Time = first
			}
		}
		var now time.Time
		clock := func() time.Time { return now }
		encoder := usher.Must(usher.NewEncoder[usher.Claims](key, nil))
		claims := usher.Claims{Subject: "7", ExpiresAt: usher.NumericDate{Time: expiry}, NotBefore: begin}
		token, err := encoder.Encode(t.Context(), claims)
		if err != nil {
			rt.Fatal(err)
		}
		options := usher.DecoderOptions{Leeway: leeway, Now: clock, CacheSize: rapid.SampledFrom([]int{0, 10}).Draw(rt, "cache")}
		decoder := usher.Must(usher.NewDecoder[usher.Claims](key, &options))

		end := expiry.Add(leeway)
		instants := []time.Time{end.Add(-1), end, end.Add(1), begin.Add(-leeway), begin.Add(-leeway - 1), expiry, begin.Time}
		for range 20 {
			instants = append(instants, end.Add(time.Duration(rapid.Int64Range(int64(-2*time.Hour), int64(2*time.Hour)).Draw(rt, "distance"))))
		}
		slices.SortFunc(instants, time.Time.Compare)
		stage := 0 // not yet valid, valid, expired: never back
		for _, now = range instants {
			_, err := decoder.Decode(t.Context(), token)
			var is int
			switch {
			case errors.Is(err, usher.ErrTokenNotYetValid):
				is = 0
			case err == nil:
				is = 1
			case errors.Is(err, usher.ErrTokenExpired):
				is = 2
			default:
				rt.Fatal(err)
			}
			want := 1
			if !now.Before(end) {
				want = 2
			} else if !begin.IsZero() && now.Add(leeway).Before(begin.Time) {
				want = 0
			}
			if is != want || is < stage {
				rt.Fatalf("at %v, with exp %v, nbf %v and leeway %v: %v", now, expiry, begin, leeway, err)
			}
			stage = is
		}
	})
}
