package bff

import (
	"bytes"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// maxCookie bounds a value that is believed; ours are 43 characters.
const maxCookie = 128

// flowLife is how long the flow cookie lives: as long as an attempt. frameFlowLife is as long as a launch, its attempt and the
// outcome of it after each other: inside a frame nothing sets that cookie again on the way.
const (
	flowLife      = 10 * time.Minute
	frameFlowLife = 3 * flowLife
)

// cookies are Locum's, named by the public URL alone. On https: __Host- names, which a browser accepts only when
// Secure, with Path=/ and no Domain, so no neighbour host can plant one (RFC 6265bis §4.1.3.2). On http, which means
// loopback: other names without Secure. Never both, so one cannot stand in for the other.
//
// frame and frameFlow are the two of a page inside an EHR's. They are set and read only where the configuration lets an EHR
// do so (embedded), and then in no other place: see frames.go.
type cookies struct {
	session, flow    string
	frame, frameFlow string
	secure, embedded bool
}

func newCookies(public *url.URL, embedded bool) cookies {
	k := cookies{session: "locum-dev-session", flow: "locum-dev-flow", embedded: embedded}
	if public.Scheme == "https" {
		k = cookies{session: "__Host-locum-session", flow: "__Host-locum-flow", secure: true, embedded: embedded}
	}
	if embedded {
		prefix := strings.TrimSuffix(k.session, "session")
		k.frame, k.frameFlow = prefix+"frame", prefix+"frame-flow"
	}
	return k
}

// cookieValue finds the one cookie called name in line, the value of a Cookie header. Two of that name, a quoted value,
// or one holding anything but unreserved characters count as none: what is ambiguous is not believed.
func cookieValue(line []byte, name string) string {
	found := ""
	for len(line) > 0 {
		var pair []byte
		pair, line, _ = bytes.Cut(line, []byte{';'})
		key, value, ok := bytes.Cut(bytes.TrimLeft(pair, " "), []byte{'='})
		if string(key) != name {
			continue
		}
		if !ok || found != "" || !plainCookie(value) {
			return ""
		}
		found = string(value)
	}
	return found
}

// holds says whether a cookie of that name came, however often and whatever its value.
func holds(line []byte, name string) bool {
	for name != "" && len(line) > 0 {
		var pair []byte
		pair, line, _ = bytes.Cut(line, []byte{';'})
		key, _, _ := bytes.Cut(bytes.TrimLeft(pair, " "), []byte{'='})
		if string(key) == name {
			return true
		}
	}
	return false
}

func plainCookie(value []byte) bool {
	if len(value) == 0 || len(value) > maxCookie {
		return false
	}
	for _, c := range value {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// setSession sends the session cookie. Strict: it never comes with a request that another site began. It has no
// Max-Age: the server decides how long a session lives, and closing the browser forgets it. Inside a frame it is the frame's.
func (k cookies) setSession(c *fiber.Ctx, value string, framed bool) {
	if framed {
		k.set(c, k.frame, value, fasthttp.CookieSameSiteNoneMode, 0)
		return
	}
	k.set(c, k.session, value, fasthttp.CookieSameSiteStrictMode, 0)
}

// setFlow sends the flow cookie. Lax: the platform's redirect back is a top-level navigation from another site.
func (k cookies) setFlow(c *fiber.Ctx, value string, framed bool) {
	if framed {
		k.set(c, k.frameFlow, value, fasthttp.CookieSameSiteNoneMode, frameFlowLife)
		return
	}
	k.set(c, k.flow, value, fasthttp.CookieSameSiteLaxMode, flowLife)
}

// clear ends them in the browser: the frame's where the request brought one.
func (k cookies) clear(c *fiber.Ctx) {
	k.set(c, k.session, "", fasthttp.CookieSameSiteStrictMode, -1)
	k.clearFlow(c)
	line := exchangeOf(c.Context()).cookies
	for _, name := range []string{k.frame, k.frameFlow} {
		if holds(line, name) {
			k.set(c, name, "", fasthttp.CookieSameSiteNoneMode, -1)
		}
	}
}

// forgetOther takes the session cookie of the other place away, where it came beside: with both there would be no telling.
func (k cookies) forgetOther(c *fiber.Ctx, framed bool) {
	line := exchangeOf(c.Context()).cookies
	switch {
	case framed && holds(line, k.session):
		k.set(c, k.session, "", fasthttp.CookieSameSiteStrictMode, -1)
	case !framed && holds(line, k.frame):
		k.set(c, k.frame, "", fasthttp.CookieSameSiteNoneMode, -1)
	}
}

func (k cookies) clearFlow(c *fiber.Ctx) {
	k.set(c, k.flow, "", fasthttp.CookieSameSiteLaxMode, -1)
}

// set writes one Set-Cookie. life 0 means until the browser closes, negative means delete. SameSite None is a frame's: such
// a cookie is Secure and Partitioned (CHIPS), so no other site that shows Locum shares it, and on loopback too, since
// browsers take loopback for secure.
func (k cookies) set(c *fiber.Ctx, name, value string, site fasthttp.CookieSameSite, life time.Duration) {
	var cookie fasthttp.Cookie
	cookie.SetKey(name)
	cookie.SetValue(value)
	cookie.SetPath("/")
	cookie.SetHTTPOnly(true)
	cookie.SetSecure(k.secure)
	cookie.SetSameSite(site)
	if site == fasthttp.CookieSameSiteNoneMode {
		cookie.SetPartitioned(true)
	}
	switch {
	case life < 0:
		cookie.SetExpire(fasthttp.CookieExpireDelete)
	case life > 0:
		cookie.SetMaxAge(int(life / time.Second))
	}
	c.Response().Header.SetCookie(&cookie)
}
