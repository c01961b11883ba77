package account

import (
	_ "embed"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"locum/bff/secret"
)

// Lengths in Unicode code points after normalisation. NIST SP 800-63B-4 §3.1.1.2: at least 15 for a password that is the
// only factor, at least 64 accepted.
const (
	minPassword = 15
	maxPassword = 256
	maxBytes    = maxPassword * 16 // before normalisation, so that it is bounded work
)

// What PasswordError.Reason says. There is no rule of composition, and none of expiry.
const (
	ReasonShort    = "it must have at least 15 characters; a few words make a good one"
	ReasonLong     = "it must not have more than 256 characters"
	ReasonText     = "it must be text (UTF-8)"
	ReasonCommon   = "it is among the passwords that are tried first"
	ReasonPattern  = "it repeats itself or follows a sequence"
	ReasonPersonal = "it consists mostly of the login, the name or the name of this service"
)

// PasswordError says why a password cannot be one.
type PasswordError struct{ Reason string }

func (e *PasswordError) Error() string { return "account: the password is refused: " + e.Reason }

// normalisePassword is NFC, so that it does not matter how a keyboard composes an accent. Without ok nobody has such a
// password.
func normalisePassword(password secret.String) (normal string, ok bool) {
	raw := password.Reveal()
	if len(raw) > maxBytes || !utf8.ValidString(raw) {
		return "", false
	}
	normal = norm.NFC.String(raw)
	return normal, utf8.RuneCountInString(normal) <= maxPassword
}

// acceptable normalises a new password, or says *PasswordError.
func acceptable(password secret.String, login, name string) (string, error) {
	normal, ok := normalisePassword(password)
	reason := ""
	switch {
	case !utf8.ValidString(password.Reveal()):
		reason = ReasonText
	case !ok:
		reason = ReasonLong
	case utf8.RuneCountInString(normal) < minPassword:
		reason = ReasonShort
	case patterned(fold(normal)):
		reason = ReasonPattern
	case common(fold(normal)):
		reason = ReasonCommon
	case personal(fold(normal), login, name):
		reason = ReasonPersonal
	}
	if reason != "" {
		return "", &PasswordError{reason}
	}
	return normal, nil
}

// fold is what is left of a password in the eyes of who guesses: small letters and digits. One that has few of them is
// looked at as it is.
func fold(password string) []rune {
	small := []rune(strings.ToLower(norm.NFKC.String(password)))
	plain := slices.DeleteFunc(slices.Clone(small), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if len(plain) < minPassword/2 {
		return small
	}
	return plain
}

// patterned says whether a password is a short unit over and over, a handful of characters, or mostly steps to a neighbour
// in the alphabet or on the keyboard.
func patterned(p []rune) bool {
	const unit, few = 8, 5
	return period(p) <= min(unit, len(p)-1) || distinct(p) < few || steps(p)*5 >= (len(p)-1)*4
}

// period is the smallest n such that p repeats its first n characters, the last time perhaps in part.
func period(p []rune) int {
	for n := 1; n < len(p); n++ {
		if slices.Equal(p[n:], p[:len(p)-n]) {
			return n
		}
	}
	return len(p)
}

func distinct(p []rune) int {
	sorted := slices.Clone(p)
	slices.Sort(sorted)
	return len(slices.Compact(sorted))
}

const keyboard = "1234567890 qwertyuiop asdfghjkl zxcvbnm qwertzuiop yxcvbnm azertyuiop qsdfghjklm wxcvbn"

func steps(p []rune) (n int) {
	for i := 1; i < len(p); i++ {
		a, b := p[i-1], p[i]
		if d := b - a; d >= -1 && d <= 1 || strings.Contains(keyboard, string([]rune{a, b})) || strings.Contains(keyboard, string([]rune{b, a})) {
			n++
		}
	}
	return n
}

//go:embed blocklist.txt
var blocklistText string

// blocklist is folded, one entry per line of the file.
var blocklist = func() map[string]bool {
	list := map[string]bool{}
	for line := range strings.Lines(blocklistText) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			list[string(fold(line))] = true
		}
	}
	return list
}()

var leet = strings.NewReplacer("4", "a", "@", "a", "3", "e", "1", "i", "0", "o", "5", "s", "7", "t")

// common compares the whole password with the list, also without digits around it and with digits read as letters.
func common(p []rune) bool {
	whole := string(p)
	bare := strings.TrimFunc(whole, unicode.IsDigit)
	return blocklist[whole] || blocklist[bare] || blocklist[leet.Replace(whole)] || blocklist[leet.Replace(bare)]
}

// personal says whether little is left of a password without the words that belong to this person and this place.
func personal(p []rune, login, name string) bool {
	const enough = 8
	rest := string(p)
	words := []string{"locum", "password", "motdepasse"}
	for _, from := range []string{login, name} {
		words = append(words, string(fold(from)))
		words = append(words, strings.FieldsFunc(strings.ToLower(norm.NFKC.String(from)), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })...)
	}
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) })
	found := false
	for _, w := range words {
		if utf8.RuneCountInString(w) >= 3 && strings.Contains(rest, w) {
			rest, found = strings.ReplaceAll(rest, w, ""), true
		}
	}
	return found && utf8.RuneCountInString(rest) < enough
}
