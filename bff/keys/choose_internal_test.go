package keys

import (
	"testing"
	"time"
)

// TestSigning is the choice of the key that signs: a function of the time and of the records, and of nothing else.
func TestSigning(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ago, soon := now.Add(-time.Hour), now.Add(time.Hour)
	key := func(id string, signs, retire time.Time) Key {
		return Key{ID: id, CreatedAt: now.Add(-24 * time.Hour), SignsFrom: signs, RetireAt: retire}
	}
	var never time.Time
	for name, c := range map[string]struct {
		keys []Key
		want string
	}{
		"none":                             {nil, ""},
		"the only one":                     {[]Key{key("a", ago, never)}, "a"},
		"from this moment on":              {[]Key{key("a", ago, soon), key("b", now, never)}, "b"},
		"one nanosecond before":            {[]Key{key("a", ago, soon), key("b", now.Add(1), never)}, "a"},
		"the order of the records is none": {[]Key{key("b", now, never), key("a", ago, soon)}, "b"},
		"a spare does not sign":            {[]Key{key("a", never, never), key("b", ago, never)}, "b"},
		"one that has left":                {[]Key{key("a", ago, never), key("b", now, now)}, "a"},
		"all have left":                    {[]Key{key("a", ago, now)}, ""},
		"two at the same moment":           {[]Key{key("b", ago, never), key("a", ago, never)}, "b"},
		"the clock was set back":           {[]Key{key("b", soon.Add(1), never), key("a", soon, never), key("s", never, never)}, "a"},
		"spares alone":                     {[]Key{key("a", never, never)}, "a"},
	} {
		got := ""
		if i := signing(c.keys, now); i >= 0 {
			got = c.keys[i].ID
		}
		if got != c.want {
			t.Errorf("%s: %q signs, want %q", name, got, c.want)
		}
	}
}
