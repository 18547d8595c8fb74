package usher

import "testing"

func TestTokensAreRememberedAsAWhole(t *testing.T) {
	c := newCache(10, 100)
	const one, other = "one.token.of-12345678", "two.token.of-12345678"
	c.put(one, nil, Key{}, "one's", 0)
	for _, token := range []string{other, one[1:], "x" + one, one[:20], one[13:], "2345678", ""} {
		if r := c.get(token); r != nil {
			t.Errorf("%q found %q", token, r.token)
		}
	}
	if r := c.get(one); r == nil || r.claims != "one's" {
		t.Errorf("got %+v", r)
	}
	c.put(other, nil, Key{}, "other's", 0)
	if r := c.get(one); r != nil {
		t.Errorf("%q found %q", one, r.token)
	}
	if r := c.get(other); r == nil || r.claims != "other's" {
		t.Errorf("got %+v", r)
	}
}
