package account_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"locum/bff/account"
	"locum/bff/secret"
)

func TestT092Passwords(t *testing.T) {
	h := newHouse(t, account.InsecureNew)
	words := "seven tall ships sail on the grey north sea while nine small crows look at them "
	for i, c := range []struct{ name, password, reason string }{
		{"T092 14 characters", "k7#Qz!p2Wm9$xL", account.ReasonShort},
		{"T092 15 characters", "k7#Qz!p2Wm9$xLv", ""},
		{"T092 empty", "", account.ReasonShort},
		{"T092 14 characters of 4 bytes", strings.Repeat("🦢🦆🦉🦅🐦🦤🦩", 2), account.ReasonShort},
		{"T092 15 code points after NFC, 16 before", "vitre de l'e\u0301cole", account.ReasonShort + "?"},
		{"T092 14 after NFC, 15 before", "vitre d'e\u0301cole", account.ReasonShort},
		{"T092 64 characters", words[:64], ""},
		{"T092 80 characters", words[:80], ""},
		{"T092 256 characters", strings.Repeat(words, 4)[:256-7] + "finally", ""},
		{"T092 257 characters", strings.Repeat(words, 4)[:257-7] + "finally", account.ReasonLong},
		{"T092 a megabyte", strings.Repeat(words, 1<<14), account.ReasonLong},
		{"T092 no rule: small letters alone", "fourgreyheronswade", ""},
		{"T092 no rule: digits alone", "739105824617305", ""},
		{"T092 no rule: spaces", "a b c d e f g h xylophone", ""},
		{"T092 no rule: Chinese", "春眠不覚暁処処聞啼鳥夜来風雨声", ""},
		{"T092 no rule: emoji", "🦢🦆🦉🦅🐦🦤🦩🐧🦚🦜🐓🦃🕊🐤🐥", ""},
		{"T092 not UTF-8", "four grey herons \xff\xfe", account.ReasonText},
		{"T092 blocklist", "correct horse battery staple", account.ReasonCommon},
		{"T092 blocklist, other writing", "CorrectHorse-BatteryStaple", account.ReasonCommon},
		{"T092 blocklist, digits after", "correcthorsebatterystaple2026", account.ReasonCommon},
		{"T092 blocklist, digits for letters", "th1s1smypa55w0rd", account.ReasonCommon},
		{"T092 blocklist, keyboard columns", "1qaz2wsx3edc4rfv", account.ReasonCommon},
		{"T092 one character", "aaaaaaaaaaaaaaaa", account.ReasonPattern},
		{"T092 spaces alone", strings.Repeat(" ", 20), account.ReasonPattern},
		{"T092 one word over and over", "passwordpasswordpassword", account.ReasonPattern},
		{"T092 short unit, cut", "abc1abc1abc1abc", account.ReasonPattern},
		{"T092 few characters", "abbabaabbaababba", account.ReasonPattern},
		{"T092 digits in order", "123456789012345", account.ReasonPattern},
		{"T092 digits backwards", "9876543210987654", account.ReasonPattern},
		{"T092 alphabet", "abcdefghijklmnopq", account.ReasonPattern},
		{"T092 keyboard row", "qwertyuiopasdfgh", account.ReasonPattern},
		{"T092 the login", "ana.torres@clinic.example", account.ReasonPersonal},
		{"T092 login and digits", "ana.torres1234567", account.ReasonPersonal},
		{"T092 the name", "Torres-Villalobos, Ana", account.ReasonPersonal},
		{"T092 the service", "locum password 2026", account.ReasonPersonal},
		{"T092 the login as part of something long", "ana keeps four grey herons", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.HasSuffix(c.reason, "?") { // 15 code points after NFC are enough
				c.reason = ""
			}
			login := fmt.Sprintf("ana.torres%d@clinic.example", i)
			if c.reason == account.ReasonPersonal {
				login = "ana.torres@clinic.example"
			}
			_, err := h.Add(login, "Ana Torres Villalobos", secret.New(c.password))
			var refused *account.PasswordError
			switch {
			case c.reason == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.reason == "":
				want(t, "sign-in", verify(h, login, c.password), nil)
			case !errors.As(err, &refused) || refused.Reason != c.reason:
				t.Errorf("got %v, want %q", err, c.reason)
			}
		})
	}
}

func TestT092NothingIsCutOff(t *testing.T) {
	h := newHouse(t, account.New)
	one := "seven tall ships sail on the grey north sea while nine small crows look at them "
	two := one[:72] + "#" + one[73:]
	mustAdd(t, h, "ana", one)
	want(t, "80 characters", verify(h, "ana", one), nil)
	want(t, "another 73rd character", verify(h, "ana", two), account.ErrCredentials)
	want(t, "the first 72", verify(h, "ana", one[:72]), account.ErrCredentials)
	want(t, "one more", verify(h, "ana", one+"x"), account.ErrCredentials)
}

func TestT092OneAccentHoweverComposed(t *testing.T) {
	h := newHouse(t, account.InsecureNew)
	mustAdd(t, h, "ana", "quatre hérons gris")
	want(t, "decomposed", verify(h, "ana", "quatre he\u0301rons gris"), nil)
	want(t, "without", verify(h, "ana", "quatre herons gris"), account.ErrCredentials)
}

// TestT092UnknownUsersCostTheSame shows that the hash is computed, by the memory that argon2id takes, whoever is asked
// for. The comparison of times is BenchmarkVerify.
func TestT092UnknownUsersCostTheSame(t *testing.T) {
	h := newHouse(t, account.New)
	mustAdd(t, h, "ana", good)
	mustAdd(t, h, "barred", good)
	want(t, "disable", h.SetDisabled("barred", true), nil)
	var texts []string
	for _, c := range []struct{ name, login, password string }{
		{"T092 wrong password", "ana", good + "x"},
		{"T092 unknown login", "nobody", good},
		{"T092 login that cannot be", "no body\x00", good},
		{"T092 empty login", "", good},
		{"T092 disabled", "barred", good},
		{"T092 password that cannot be", "ana", "\xff"},
		{"T092 password too long", "ana", strings.Repeat("x", 1<<20)},
		{"T092 both", "nobody", "\xff"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := verify(h, c.login, c.password)
		runtime.ReadMemStats(&after)
		want(t, c.name, err, account.ErrCredentials)
		if took := after.TotalAlloc - before.TotalAlloc; took < 19<<20 {
			t.Errorf("%s: took %d bytes, less than the hash needs", c.name, took)
		}
		texts = append(texts, fmt.Sprint(err))
	}
	for _, text := range texts {
		if text != texts[0] {
			t.Errorf("two texts: %q and %q", texts[0], text)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, c := range []struct{ name, login, password string }{
		{"right", "ana", good}, {"wrong password", "ana", good + "x"}, {"unknown login", "nobody", good},
	} {
		b.Run(c.name, func(b *testing.B) {
			h := newHouse(b, account.New)
			mustAdd(b, h, "ana", good)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if n%4 == 3 { // before the delays begin
					b.StopTimer()
					want(b, "new password", h.SetPassword("ana", secret.New(good)), nil)
					h.Store = account.New(h.vault)
					b.StartTimer()
				}
				if err := verify(h, c.login, c.password); err != nil && !errors.Is(err, account.ErrCredentials) {
					b.Fatal(err)
				}
			}
		})
	}
}
