package sandbox

import "time"

// Lifetimes of a face: "athenahealth guide, Token Endpoint", Output Parameters.
const (
	faceAccess  = time.Hour
	faceService = 5 * time.Minute
	faceRefresh = 90 * 24 * time.Hour // since the refresh token was last used or given
	faceCodes   = time.Minute
	faceLaunch  = 10 * time.Minute
	faceSession = 12 * time.Hour // a login in one browser
)

// switches are how a face behaves from now on; Sandbox.mu guards them.
type switches struct {
	opaque                   bool
	kind                     Kind
	leeway                   time.Duration
	access, service, refresh time.Duration
	rawBasic                 bool
	wildcards                bool
	scopeRequired            bool
	introspection            string
	refreshContext           bool
	refreshID                bool
	quota                    bool
	tokens, calls            Limit
	keyCache                 time.Duration
	without                  []string
	metadata                 func(map[string]any)
	etag                     bool
}

func defaultSwitches(athena bool) switches {
	sw := switches{
		kind: KindO0, leeway: 30 * time.Second, access: faceAccess, service: faceService, refresh: faceRefresh,
		wildcards: true, scopeRequired: athena, introspection: "POST", refreshID: true, etag: true,
	}
	if athena {
		sw.introspection = "GET"
	}
	return sw
}

func (f *Face) set(change func(*switches)) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	change(&f.switches)
}

// SetOpaque says whether access tokens are strings without a structure, or JWTs (the default).
func (f *Face) SetOpaque(on bool) { f.set(func(sw *switches) { sw.opaque = on }) }

// SetKind says what happens to a refresh token that was used: KindO0, STATIC (the default), or KindO1, ROTATE with a leeway.
// The other kinds change nothing.
func (f *Face) SetKind(kind Kind) {
	if kind.opaque() {
		f.set(func(sw *switches) { sw.kind = kind })
	}
}

// SetLeeway is how long KindO1 takes a used refresh token. The default is 30 s.
func (f *Face) SetLeeway(d time.Duration) { f.set(func(sw *switches) { sw.leeway = max(d, 0) }) }

// SetLifetimes changes how long what is given from now on lives: access tokens, those of client_credentials, and refresh
// tokens since their last use. 0 is the default: an hour, five minutes, 90 days.
func (f *Face) SetLifetimes(access, service, refresh time.Duration) {
	or := func(d, standard time.Duration) time.Duration {
		if d = d.Truncate(time.Second); d <= 0 {
			return standard
		}
		return d
	}
	f.set(func(sw *switches) {
		sw.access, sw.service, sw.refresh = or(access, faceAccess), or(service, faceService), or(refresh, faceRefresh)
	})
}

// SetBasic says how id and secret stand in a Basic header: "form" for form-encoded (RFC 6749 §2.3.1, the default) or "raw",
// cut at the first colon, as some servers want them.
func (f *Face) SetBasic(form string) { f.set(func(sw *switches) { sw.rawBasic = form == "raw" }) }

// SetWildcards says whether scopes with a star are taken (the default).
func (f *Face) SetWildcards(on bool) { f.set(func(sw *switches) { sw.wildcards = on }) }

// SetScopeRequired says whether a refresh must say which scopes it wants: athenahealth's default, and not the other's.
func (f *Face) SetScopeRequired(on bool) { f.set(func(sw *switches) { sw.scopeRequired = on }) }

// SetIntrospection says which methods introspection takes: "GET" (athenahealth's default), "POST" (the other's) or "both".
func (f *Face) SetIntrospection(method string) {
	f.set(func(sw *switches) { sw.introspection = method })
}

// SetRefreshContext says whether a refresh answer repeats the launch context. The default is that it does not.
func (f *Face) SetRefreshContext(on bool) { f.set(func(sw *switches) { sw.refreshContext = on }) }

// SetRefreshID says whether a refresh answer has an ID token when openid was granted (the default).
func (f *Face) SetRefreshID(on bool) { f.set(func(sw *switches) { sw.refreshID = on }) }

// SetQuotaHeaders says whether answers tell what is left: X-RateLimit-Limit, -Remaining and -Reset, the latter in seconds to
// the top of the minute at the token endpoint and to midnight GMT at the API. The default is that they do not.
func (f *Face) SetQuotaHeaders(on bool) { f.set(func(sw *switches) { sw.quota = on }) }

// SetTokenLimit lets each app send so many token requests in each window, and answers 429 to the others. The default is none;
// athenahealth's is Limit{50, time.Minute} in production. Counts start anew.
func (f *Face) SetTokenLimit(limit Limit) {
	f.set(func(sw *switches) { sw.tokens, f.gate = limit, map[string]*count{} })
}

// SetAPILimit is SetTokenLimit for the FHIR API and athenaOne together, all apps together.
func (f *Face) SetAPILimit(limit Limit) {
	f.set(func(sw *switches) { sw.calls, f.quota = limit, &count{} })
}

// WorstTokens is the largest number of token requests of an app that came within one window of SetTokenLimit, wherever it
// begins.
func (f *Face) WorstTokens(app string) int {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if c := f.gate[app]; c != nil {
		return c.worst
	}
	return 0
}

// SetKeyCache keeps what a registered key-set URL said for d, and does not ask again for an unknown kid meanwhile. With 0, the
// default, it asks whenever a kid is unknown to it.
func (f *Face) SetKeyCache(d time.Duration) {
	f.set(func(sw *switches) { sw.keyCache = max(d, 0) })
	f.ring.forget()
}

// SetCapabilities leaves capabilities out of the metadata; no argument leaves none out.
func (f *Face) SetCapabilities(without ...string) { f.set(func(sw *switches) { sw.without = without }) }

// AlterMetadata lets alter change every metadata answer; nil ends it.
func (f *Face) AlterMetadata(alter func(document map[string]any)) {
	f.set(func(sw *switches) { sw.metadata = alter })
}

// SetETag says whether the metadata has an ETag and is answered 304 where the client has it (the default).
func (f *Face) SetETag(on bool) { f.set(func(sw *switches) { sw.etag = on }) }
