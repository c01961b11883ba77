package sandbox

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// Page sizes. The reference gives 50 as the default of one list and 1000 as
// the maximum of the patient search; the sandbox uses both everywhere.
const (
	defaultPage = 50
	maxPage     = 1000
)

// pageLimit caps the pages of a clinic; 0 means maxPage.
type pageLimit struct{ atomic.Int64 }

// SetPageLimit makes both clinics give at most n items a page whatever is
// asked, so that a test need not have many records to have many pages. An
// answer's limit says what was used. n = 0 ends it.
func (s *Sandbox) SetPageLimit(n int) {
	for _, c := range s.clinics {
		c.pages.Store(int64(n))
	}
}

func (p *pageLimit) cap(asked int) int {
	if most := int(p.Load()); most > 0 {
		return min(asked, most)
	}
	return asked
}

// collection is how one resource is listed and read.
type collection[T any] struct {
	name     string
	columns  []column[T]
	fallback string // the sort without sort=
	anyID    bool   // an id that is no UUID is 404, not 400
	before   bool   // links has a before, which is always null here
	load     func(x *call) []T
	id       func(T) string
	show     func(x *call, item T) any
}

// selection is what a request asks of a list.
type selection[T any] struct {
	filters []filter[T]
	orders  []order[T]
	limit   int
	cursor  string
	print   string // fingerprint of filters and sort: a cursor belongs to one list
	kept    url.Values
}

// page is the part of a list that answers a request.
type page struct {
	items  []any
	cursor *string
	more   bool
}

// list answers GET on the collection.
func (c *collection[T]) list(x *call) {
	sel, wrong := c.selectBy(x)
	if wrong != nil {
		x.bad(*wrong)
		return
	}
	p, wrong := c.page(x, sel)
	if wrong != nil {
		x.bad(*wrong)
		return
	}
	links := map[string]*string{"after": nil}
	if c.before {
		links["before"] = nil
	}
	if p.more {
		next := x.r.URL.Path + "?" + nextQuery(sel.kept, *p.cursor, sel.limit)
		links["after"] = &next
	}
	x.write(http.StatusOK, map[string]any{
		"items": p.items, "cursor": p.cursor, "limit": sel.limit, "hasNextPage": p.more, "links": links,
	})
}

// nextQuery repeats the request's filters with the next cursor. Brackets stay
// plain, as in the reference's examples.
func nextQuery(kept url.Values, cursor string, limit int) string {
	var b strings.Builder
	if len(kept) > 0 {
		b.WriteString(strings.NewReplacer("%5B", "[", "%5D", "]").Replace(kept.Encode()) + "&")
	}
	b.WriteString("page[cursor]=" + url.QueryEscape(cursor) + "&page[limit]=" + strconv.Itoa(limit))
	return b.String()
}

// get answers GET on one member.
func (c *collection[T]) get(x *call) {
	if x.r.URL.RawQuery != "" {
		x.bad(issue{ID: "INVALID_PARAMETER", Message: "This endpoint takes no parameters."})
		return
	}
	id := x.ids[0]
	if !isUUID(id) && !c.anyID {
		x.bad(issue{ID: "INVALID_ID", Message: "The id is not a UUID."})
		return
	}
	for _, item := range c.load(x) {
		if strings.EqualFold(c.id(item), id) {
			x.write(http.StatusOK, c.show(x, item))
			return
		}
	}
	x.missing()
}

// selectBy reads the query: each parameter at most once, none unknown.
func (c *collection[T]) selectBy(x *call) (*selection[T], *issue) {
	query, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		return nil, &issue{ID: "INVALID_PARAMETER", Message: "The query cannot be read."}
	}
	sel := &selection[T]{limit: defaultPage, kept: url.Values{}}
	var wrong *issue
	sort := c.fallback
	for _, name := range slices.Sorted(maps.Keys(query)) {
		value := query.Get(name)
		if len(query[name]) > 1 {
			return nil, &issue{ID: "INVALID_PARAMETER", Path: name, Message: "is given more than once"}
		}
		switch name {
		case "page[limit]":
			if sel.limit, wrong = parseLimit(value); wrong != nil {
				return nil, wrong
			}
			continue
		case "page[cursor]":
			if sel.cursor = value; value == "" {
				return nil, &badCursor
			}
			continue
		case "sort":
			sort = value
		default:
			f, wrong := parseFilter(c.columns, name, value)
			if wrong != nil {
				return nil, wrong
			}
			sel.filters = append(sel.filters, f)
		}
		sel.kept.Set(name, value)
	}
	return c.finish(x, sel, sort, sel.kept.Encode())
}

// finish adds sort, page size and fingerprint to a selection.
func (c *collection[T]) finish(x *call, sel *selection[T], sort, asked string) (*selection[T], *issue) {
	orders, wrong := parseSort(c.columns, sort)
	if wrong != nil {
		return nil, wrong
	}
	sel.orders = orders
	sel.limit = x.c.pages.cap(sel.limit)
	sum := digest([]string{x.c.key, c.name, asked})
	sel.print = hex.EncodeToString(sum[:6])
	return sel, nil
}

func parseLimit(value string) (int, *issue) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > maxPage || value != strconv.Itoa(n) {
		return 0, &issue{ID: "INVALID_PAGE", Path: "page[limit]", Message: "must be a whole number from 1 to 1000"}
	}
	return n, nil
}

var badCursor = issue{ID: "INVALID_CURSOR", Path: "page[cursor]", Message: "is not a cursor of this list"}

// position is what a cursor says: the last item of the page before it.
type position struct {
	Print string   `json:"p"`
	Keys  []string `json:"k"`
	ID    string   `json:"i"`
}

// placed is an item with its place in the order.
type placed[T any] struct {
	item T
	at   position
}

// page filters, sorts and cuts. It goes on after the last item seen, so items
// that come or go between two pages shift nothing.
func (c *collection[T]) page(x *call, sel *selection[T]) (page, *issue) {
	var from position
	if sel.cursor != "" {
		var ok bool
		if from, ok = c.decode(sel); !ok {
			return page{}, &badCursor
		}
	}
	var kept []placed[T]
	for _, item := range c.load(x) {
		if slices.ContainsFunc(sel.filters, func(f filter[T]) bool { return !f(item) }) {
			continue
		}
		if at := c.position(sel, item); sel.cursor == "" || sel.compare(at, from) > 0 {
			kept = append(kept, placed[T]{item, at})
		}
	}
	slices.SortFunc(kept, func(a, b placed[T]) int { return sel.compare(a.at, b.at) })
	out := page{items: []any{}, more: len(kept) > sel.limit}
	if out.more {
		kept = kept[:sel.limit]
		cursor := encodeCursor(kept[len(kept)-1].at)
		out.cursor = &cursor
	}
	for _, k := range kept {
		out.items = append(out.items, c.show(x, k.item))
	}
	return out, nil
}

func (c *collection[T]) position(sel *selection[T], item T) position {
	p := position{Print: sel.print, ID: c.id(item)}
	for _, o := range sel.orders {
		p.Keys = append(p.Keys, o.key(item))
	}
	return p
}

// compare orders two positions; the id breaks ties.
func (sel *selection[T]) compare(a, b position) int {
	for i, o := range sel.orders {
		n := strings.Compare(a.Keys[i], b.Keys[i])
		if o.desc {
			n = -n
		}
		if n != 0 {
			return n
		}
	}
	return strings.Compare(a.ID, b.ID)
}

// encodeCursor makes a cursor: standard Base64, as the reference says, so a
// client must escape it in a URL.
func encodeCursor(last position) string {
	raw, err := json.Marshal(last)
	if err != nil {
		panic(err) // strings only
	}
	return base64.StdEncoding.EncodeToString(raw)
}

func (c *collection[T]) decode(sel *selection[T]) (position, bool) {
	raw, err := base64.StdEncoding.Strict().DecodeString(sel.cursor)
	if err != nil {
		return position{}, false
	}
	var p position
	if json.Unmarshal(raw, &p) != nil || p.Print != sel.print || len(p.Keys) != len(sel.orders) {
		return position{}, false
	}
	return p, true
}
