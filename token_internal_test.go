package usher

import (
	"slices"
	"strings"
	"testing"
)

// A token is cached for as long as the source has a key of the material that verified it, though it makes keys anew.
func TestTokensAreRememberedForTheirKeysMaterial(t *testing.T) {
	secret := func(fill, id string) Key {
		return Must(NewKey(HS256, []byte(strings.Repeat(fill+" secret", 8)))).WithID(id)
	}
	r := &cachedToken{header: &header{alg: HS256, kid: "id"}, key: secret("s", "id")}
	others := slices.Repeat([]Key{secret("o", "id")}, maxTries)
	for name, test := range map[string]struct {
		keys []Key
		want bool
	}{
		"the very key":          {[]Key{r.key}, true},
		"one made anew":         {[]Key{secret("s", "id")}, true},
		"one made anew is last": {append(slices.Clone(others[1:]), secret("s", "id")), true},
		"one made anew is late": {append(slices.Clone(others), secret("s", "id")), false},
		"the very key is late":  {append(slices.Clone(others), r.key), false},
		"another secret":        {others, false},
		"another ID":            {[]Key{secret("s", "other")}, false},
		"no key":                {nil, false},
		"the zero Key":          {[]Key{{}}, false},
	} {
		if got := r.verifiedBy(test.keys); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
