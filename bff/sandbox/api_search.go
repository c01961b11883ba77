package sandbox

import (
	"net/http"
	"strings"
	"unicode/utf8"
)

// searchBody is the body of POST /patients/search; any other member is refused.
type searchBody struct {
	Search *struct {
		Contains string `json:"co"`
	} `json:"search"`
	Sort *string `json:"sort"`
	Page struct {
		Cursor *string `json:"cursor"`
		Limit  *int    `json:"limit"`
	} `json:"page"`
}

const maxSearch = 255 // characters

// searchPatients looks for text in name, e-mail, telephone and patient number.
// Its answer has no links: they would carry the words into URLs.
func searchPatients(x *call) {
	sel, wrong := x.selectSearch()
	if wrong != nil {
		x.bad(*wrong)
		return
	}
	p, wrong := patients.page(x, sel)
	if wrong != nil {
		x.bad(*wrong)
		return
	}
	x.write(http.StatusOK, map[string]any{
		"items": p.items, "cursor": p.cursor, "limit": sel.limit, "hasNextPage": p.more,
	})
}

func (x *call) selectSearch() (*selection[*patient], *issue) {
	if x.r.URL.RawQuery != "" {
		return nil, &issue{ID: "INVALID_PARAMETER", Message: "This endpoint takes no query parameters."}
	}
	var body searchBody
	if wrong := x.decode(&body); wrong != nil {
		return nil, wrong
	}
	if body.Search == nil {
		return nil, &issue{ID: "REQUIRED", Path: "/search", Message: "is required"}
	}
	words := body.Search.Contains
	if utf8.RuneCountInString(words) > maxSearch {
		return nil, &issue{ID: "TOO_LONG", Path: "/search/co", Message: "has more than 255 characters"}
	}
	sel := &selection[*patient]{limit: defaultPage, filters: []filter[*patient]{func(p *patient) bool { return p.mentions(words) }}}
	sort := patients.fallback
	if body.Sort != nil {
		sort = *body.Sort
	}
	if n := body.Page.Limit; n != nil {
		if sel.limit = *n; *n < 1 || *n > maxPage {
			return nil, &issue{ID: "INVALID_PAGE", Path: "/page/limit", Message: "must be from 1 to 1000"}
		}
	}
	if c := body.Page.Cursor; c != nil {
		if sel.cursor = *c; *c == "" {
			return nil, &badCursor
		}
	}
	return patients.finish(x, sel, sort, "search\x00"+words+"\x00"+sort)
}

// mentions tells whether the patient's searchable text contains words,
// whatever the case. In telephone numbers only the digits count.
func (p *patient) mentions(words string) bool {
	words = strings.ToLower(strings.Join(strings.Fields(words), " "))
	full := strings.Join(strings.Fields(p.First+" "+p.Middle+" "+p.Last), " ")
	for _, text := range []string{full, p.First + " " + p.Last, p.Preferred + " " + p.Last, p.Email, p.Number} {
		if strings.Contains(strings.ToLower(text), words) {
			return true
		}
	}
	digits := onlyDigits(words)
	if len(digits) < 3 || strings.Trim(words, "+-() 0123456789") != "" {
		return false
	}
	for _, phone := range p.Phones {
		if strings.Contains(onlyDigits(phone.Number), digits) {
			return true
		}
	}
	return false
}

func onlyDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}
