package sandbox

import (
	"errors"
	"maps"
	"net/http"
	"strings"
)

// planned is what the next authorization, token or answer of a face will have wrong with it; each part is used once, or as
// often as it says. Sandbox.mu guards it.
type planned struct {
	errorCode, errorText string
	only, add            []string
	iss                  *string
	answer, id, access   func(map[string]any)
	fhir                 []altered
}

// altered is a change of the next left FHIR answers. It says whether it applied.
type altered struct {
	left  int
	apply func(map[string]any) bool
}

func (f *Face) plan(change func(*planned)) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	change(&f.planned)
}

// AlterAnswer lets alter change the next token answer before it is sent.
func (f *Face) AlterAnswer(alter func(answer map[string]any)) {
	f.plan(func(p *planned) { p.answer = alter })
}

// AlterID lets alter change the claims of the next ID token before it is signed.
func (f *Face) AlterID(alter func(claims map[string]any)) { f.plan(func(p *planned) { p.id = alter }) }

// AlterAccess lets alter change the claims of the next access token that is a JWT before it is signed.
func (f *Face) AlterAccess(alter func(claims map[string]any)) {
	f.plan(func(p *planned) { p.access = alter })
}

// AlterFHIR lets alter change the next n FHIR answers, resources, Bundles and OperationOutcomes alike.
func (f *Face) AlterFHIR(alter func(answer map[string]any), n int) {
	f.alterFHIR(n, func(answer map[string]any) bool { alter(answer); return true })
}

func (f *Face) alterFHIR(n int, apply func(map[string]any) bool) {
	if n > 0 {
		f.plan(func(p *planned) { p.fhir = append(p.fhir, altered{n, apply}) })
	}
}

// HostileLink makes the next n Bundles name this address as their next page, whether they have one or not.
func (f *Face) HostileLink(url string, n int) {
	f.alterFHIR(n, func(answer map[string]any) bool {
		if answer["resourceType"] != "Bundle" {
			return false
		}
		links := []any{}
		old, _ := answer["link"].([]any)
		for _, one := range old {
			if link, _ := one.(map[string]any); link["relation"] != "next" {
				links = append(links, one)
			}
		}
		answer["link"] = append(links, map[string]any{"relation": "next", "url": url})
		return true
	})
}

// ForeignReference makes the first reference in each of the next n answers that has one this absolute address.
func (f *Face) ForeignReference(url string, n int) {
	f.alterFHIR(n, func(answer map[string]any) bool { return replaceReference(answer, url) })
}

// replaceReference changes the first reference that it finds.
func replaceReference(value any, url string) bool {
	switch v := value.(type) {
	case map[string]any:
		if _, found := v["reference"].(string); found {
			v["reference"] = url
			return true
		}
		for _, name := range sortedNames(v) {
			if replaceReference(v[name], url) {
				return true
			}
		}
	case []any:
		for _, one := range v {
			if replaceReference(one, url) {
				return true
			}
		}
	}
	return false
}

// GrantOnly makes the next consent grant no more than scopes, whatever is ticked.
func (f *Face) GrantOnly(scopes ...string) { f.plan(func(p *planned) { p.only = scopes }) }

// AddScope makes the next consent grant scopes that nobody asked for.
func (f *Face) AddScope(scopes ...string) { f.plan(func(p *planned) { p.add = scopes }) }

// AuthorizeError makes the next valid authorization request come straight back with error=code (RFC 6749 §4.1.2.1).
func (f *Face) AuthorizeError(code, description string) {
	f.plan(func(p *planned) { p.errorCode, p.errorText = code, description })
}

// BadIss puts iss into the next authorization response (RFC 9207 §2).
func (f *Face) BadIss(iss string) { f.plan(func(p *planned) { p.iss = &iss }) }

// OmitIss leaves iss out of the next authorization response.
func (f *Face) OmitIss() { f.BadIss("") }

// Revoke ends what login has granted, as the person or an administrator would: refresh tokens answer invalid_grant and access
// tokens are refused at once. "" stands for everybody. It says how many authorizations ended.
func (f *Face) Revoke(login string) int {
	return f.eachChain(login, func(c *faceChain) {
		c.end(endedOkta)
		f.dropAccess(c)
	})
}

// RevokeAccess makes the API refuse the access tokens issued so far; refreshing still works.
func (f *Face) RevokeAccess(login string) int { return f.eachChain(login, f.dropAccess) }

// RevokeService makes the API refuse every token that client_credentials gave so far. It says how many those were.
func (f *Face) RevokeService() int {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	before := len(f.access)
	maps.DeleteFunc(f.access, func(_ string, t *faceToken) bool { return t.service != "" })
	return before - len(f.access)
}

func (f *Face) eachChain(login string, visit func(*faceChain)) int {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	n := 0
	for _, c := range f.chainsLocked() {
		if c.ended == "" && (login == "" || strings.EqualFold(login, c.who.Login)) {
			n++
			visit(c)
		}
	}
	return n
}

// chainsLocked lists the authorizations that still hold a token. The caller holds Sandbox.mu.
func (f *Face) chainsLocked() []*faceChain {
	seen := map[*faceChain]bool{nil: true}
	var all []*faceChain
	for _, table := range []map[string]*faceToken{f.refresh, f.access} {
		for _, t := range table {
			if !seen[t.chain] {
				seen[t.chain] = true
				all = append(all, t.chain)
			}
		}
	}
	return all
}

// LogOut ends every login of a person in a browser; what they have granted with offline_access lives on.
func (f *Face) LogOut(login string) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	for _, l := range f.logins {
		if strings.EqualFold(l.person.Login, login) {
			l.over = true
		}
	}
}

// RotateKeys gives the face a new signing key; the old ones stay in its key set until RetireKeys.
func (f *Face) RotateKeys() error {
	if refused := f.ensureKey(); refused != nil {
		return errors.New(refused.description)
	}
	return f.addKey()
}

// RetireKeys drops every key but the one that signs.
func (f *Face) RetireKeys() {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if n := len(f.ring.signing); n > 1 {
		f.ring.signing = f.ring.signing[n-1:]
	}
}

// FaceChain is one authorization as a face keeps it.
type FaceChain struct {
	App, Login, Subject, Patient string
	Scopes                       []string
	Refreshes                    int    // granted
	Spent                        int    // refresh tokens of it that came when they were used up
	Ended                        string // why its newest refresh token would be refused now; "" when it would not, or there is none
}

// Chains lists the authorizations that still hold a token, in no order.
func (f *Face) Chains() []FaceChain {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	var all []FaceChain
	for _, c := range f.chainsLocked() {
		one := FaceChain{App: c.app, Login: c.who.Login, Subject: c.who.Subject, Patient: c.patient, Scopes: c.scopes,
			Refreshes: c.refreshes, Spent: c.spent, Ended: c.ended}
		if c.newest != nil {
			one.Ended, _ = f.judge(c.newest, f.s.nowLocked())
		}
		all = append(all, one)
	}
	return all
}

// Presented counts the refresh tokens that came to the face's token endpoint, each by what introspection would have said of it
// the moment it came.
func (f *Face) Presented() Presented {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	p := f.seen
	p.Why = maps.Clone(p.Why)
	return p
}

// present notes a refresh token as it arrives. The caller holds Sandbox.mu.
func (f *Face) present(entry *Request) {
	if entry.Where != f.At("token/"+grantRefresh) {
		return
	}
	f.seen.All++
	held := f.refresh[entry.Form().Get("refresh_token")]
	if held == nil {
		f.inactive(entry, nil, endedOkta, false)
		return
	}
	if why, reuse := f.judge(held, f.s.nowLocked()); why != "" {
		f.inactive(entry, held.chain, why, reuse)
	}
}

// presentedLate notes a token that was good when it came and used up when its turn came. The caller holds Sandbox.mu.
func (f *Face) presentedLate(r *http.Request, held *faceToken, why string) {
	if entry, _ := r.Context().Value(entryKey{}).(*Request); entry != nil && entry.Inactive == "" {
		f.inactive(entry, held.chain, why, true)
	}
}

func (f *Face) inactive(entry *Request, c *faceChain, why string, spent bool) {
	entry.Inactive, entry.Spent = why, spent
	f.seen.Inactive++
	if f.seen.Why == nil {
		f.seen.Why = map[string]int{}
	}
	f.seen.Why[why]++
	if spent && c != nil {
		f.seen.Spent++
		c.spent++
	}
}
