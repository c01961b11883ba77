package bff

import (
	"bytes"
	"net/url"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// maxCookie bounds a value that is believed; ours are 43 characters.
const maxCookie = 128

// flowLife is how long the flow cookie lives: as long as an attempt.
const flowLife = 10 * time.Minute

// cookies are Locum's two, named by the public URL alone. On https: __Host- names, which a browser accepts only when
// Secure, with Path=/ and no Domain, so no neighbour host can plant one (RFC 6265bis §4.1.3.2). On http, which means
// loopback: other names without Secure. Never both, so one cannot stand in for the other.
type cookies struct {
	session, flow string
	secure        bool
}

func newCookies(public *url.URL) cookies {
	if public.Scheme == "https" {
		return cookies{session: "__Host-locum-session", flow: "__Host-locum-flow", secure: true}
	}
	return cookies{session: "locum-dev-session", flow: "locum-dev-flow"}
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
// Max-Age: the server decides how long a session lives, and closing the browser forgets it.
func (k cookies) setSession(c *fiber.Ctx, value string) {
	k.set(c, k.session, value, fasthttp.CookieSameSiteStrictMode, 0)
}

// setFlow sends the flow cookie. Lax: the platform's redirect back is a top-level navigation from another site.
func (k cookies) setFlow(c *fiber.Ctx, value string) {
	k.set(c, k.flow, value, fasthttp.CookieSameSiteLaxMode, flowLife)
}

// clear ends both in the browser.
func (k cookies) clear(c *fiber.Ctx) {
	k.set(c, k.session, "", fasthttp.CookieSameSiteStrictMode, -1)
	k.clearFlow(c)
}

func (k cookies) clearFlow(c *fiber.Ctx) {
	k.set(c, k.flow, "", fasthttp.CookieSameSiteLaxMode, -1)
}

// set writes one Set-Cookie. life 0 means until the browser closes, negative means delete.
func (k cookies) set(c *fiber.Ctx, name, value string, site fasthttp.CookieSameSite, life time.Duration) {
	var cookie fasthttp.Cookie
	cookie.SetKey(name)
	cookie.SetValue(value)
	cookie.SetPath("/")
	cookie.SetHTTPOnly(true)
	cookie.SetSecure(k.secure)
	cookie.SetSameSite(site)
	switch {
	case life < 0:
		cookie.SetExpire(fasthttp.CookieExpireDelete)
	case life > 0:
		cookie.SetMaxAge(int(life / time.Second))
	}
	c.Response().Header.SetCookie(&cookie)
}
