package account

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	maxLogin = 64  // code points
	maxName  = 100 // code points
)

// normaliseLogin makes one login of all its ways of writing: NFKC, small letters, no space around it. It may hold letters,
// digits and . _ - @ +.
func normaliseLogin(login string) (string, error) {
	if len(login) > maxLogin*16 || !utf8.ValidString(login) {
		return "", &LoginError{FieldLogin, "the login is too long or is not text (UTF-8)"}
	}
	login = strings.ToLower(norm.NFKC.String(strings.TrimSpace(login)))
	login = norm.NFKC.String(login)
	if n := utf8.RuneCountInString(login); n == 0 || n > maxLogin {
		return "", &LoginError{FieldLogin, "a login has 1 to 64 characters"}
	}
	for _, r := range login {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-@+", r) {
			return "", &LoginError{FieldLogin, "a login is made of letters, digits and . _ - @ +"}
		}
	}
	return login, nil
}

// normaliseName is NFC without space around it; an empty name becomes the login.
func normaliseName(name, login string) (string, error) {
	if len(name) > maxName*16 || !utf8.ValidString(name) {
		return "", &LoginError{FieldName, "the name is too long or is not text (UTF-8)"}
	}
	name = norm.NFC.String(strings.TrimSpace(name))
	if name == "" {
		return login, nil
	}
	if utf8.RuneCountInString(name) > maxName {
		return "", &LoginError{FieldName, "a name has at most 100 characters"}
	}
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		return "", &LoginError{FieldName, "a name is made of characters that can be seen"}
	}
	return name, nil
}

func sortByLogin(all []Account) {
	slices.SortFunc(all, func(a, b Account) int { return cmp.Compare(a.Login, b.Login) })
}
