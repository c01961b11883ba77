package connect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"locum/bff/platform"
	"locum/bff/secret"
	"locum/bff/vault"
)

// Browser is what a browser shows of itself: the value of its flow cookie, and of the one that it has inside a frame. "" is
// none.
type Browser struct{ Flow, Frame string }

func (b Browser) value(framed bool) string {
	if framed {
		return b.Frame
	}
	return b.Flow
}

// LaunchRequest is an EHR's call (SMART App Launch 2.2, Launch App: EHR Launch): the platform of its path and the raw
// query. Framed says that the browser is loading it into a frame.
type LaunchRequest struct {
	Platform, RawQuery string
	Browser            Browser
	Framed             bool
	RequestID, Remote  string
}

// LaunchAnswer is the handle that the page's address holds, and the value of the flow cookie to set: the frame's where the
// launch is framed.
type LaunchAnswer struct {
	Handle string
	Flow   secret.String
}

// Bounds of launches that nobody has agreed to yet.
const (
	maxLaunch     = 4096 // bytes of the EHR's value
	maxLaunches   = 2000 // of everybody; a new one is refused
	maxPerBrowser = 8    // the oldest makes room
)

// Reasons of a launch that is refused.
const (
	launchNotHere = "platform" // no such platform, or it launches nothing
	launchQuery   = "query"    // no query with iss and launch, each once
	launchIssuer  = "iss"      // not the FHIR base that is configured, byte for byte
	launchTooMany = "too_many" // of this address, or of everybody
)

// Launch takes an EHR's call down and asks nobody anything: an iss that is not the configured FHIR base, byte for byte, is
// never fetched and leaves nothing behind, so no link can make Locum speak to another server (T026). What the person is
// shown next, and has to agree to, is the page of the handle. The error is an *Error: launch_refused, storage_unavailable.
func (c *Connector) Launch(_ context.Context, r LaunchRequest) (LaunchAnswer, error) {
	live, value, err := c.called(r)
	if err != nil {
		return LaunchAnswer{}, err
	}
	now, handle := time.Now(), random()
	if !c.callers.take(r.Remote, now) {
		return LaunchAnswer{}, &Error{Code: CodeLaunchRefused, Reason: launchTooMany}
	}
	launch := vault.Launch{Key: c.launchKey(handle), Platform: live.ID, Issuer: live.FHIRBase, Value: value, Framed: r.Framed,
		CreatedAt: now, ExpiresAt: now.Add(lifetime)}
	flow := r.Browser.value(r.Framed)
	err = c.vault.Update(func(tx *vault.Tx) error {
		open, err := liveLaunches(tx, now)
		if err != nil {
			return err
		}
		known, err := c.knows(tx, open, flow, now)
		if err != nil {
			return err
		}
		if !known {
			flow = c.newFlow(handle)
		}
		launch.Browser = c.flowMAC(flow)
		return admitLaunch(tx, open, launch)
	})
	if err != nil {
		return LaunchAnswer{}, stored(err)
	}
	return LaunchAnswer{Handle: handle, Flow: secret.New(flow)}, nil
}

// called reads the call and says which platform made it.
func (c *Connector) called(r LaunchRequest) (*platform.Live, secret.String, error) {
	refused := func(reason string, err error) (*platform.Live, secret.String, error) {
		return nil, secret.String{}, &Error{Code: CodeLaunchRefused, Reason: reason, Err: err}
	}
	live, err := c.platforms.Get(r.Platform)
	if err != nil || !live.Launch || live.FHIRBase == "" {
		return refused(launchNotHere, err)
	}
	iss, launch, err := parseLaunch(r.RawQuery)
	if err != nil {
		return refused(launchQuery, err)
	}
	if iss != live.FHIRBase {
		return refused(launchIssuer, nil)
	}
	return live, secret.New(launch), nil
}

// parseLaunch reads iss and launch, which must stand once each and be visible ASCII of a bounded length. Parameters of
// other names are an EHR's own and mean nothing here. An error never quotes a value.
func parseLaunch(rawQuery string) (iss, launch string, err error) {
	found := map[string]string{}
	for pair := range strings.SplitSeq(rawQuery, "&") {
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(rawName)
		value, err2 := url.QueryUnescape(rawValue)
		if err1 != nil || err2 != nil || strings.Contains(pair, ";") {
			return "", "", errors.New("not form-encoded")
		}
		if name != "iss" && name != "launch" {
			continue
		}
		if _, twice := found[name]; twice || value == "" || len(value) > maxLaunch || !visible(value) {
			return "", "", fmt.Errorf("%s stands twice, or is empty, too long or not visible ASCII", name)
		}
		found[name] = value
	}
	if len(found) != 2 {
		return "", "", errors.New("iss or launch is missing")
	}
	return found["iss"], found["launch"], nil
}

func visible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// knows says whether the browser's flow value is in use: by a launch, or by an attempt that this browser has begun. A value
// that is in none was planted, or has served, and is not taken up.
func (c *Connector) knows(tx *vault.Tx, open []vault.Launch, flow string, now time.Time) (bool, error) {
	if flow == "" {
		return false, nil
	}
	mac := c.flowMAC(flow)
	if slices.ContainsFunc(open, func(l vault.Launch) bool { return same(l.Browser, mac) }) {
		return true, nil
	}
	known := false
	err := vault.Attempts.Each(tx, func(a vault.Attempt) error {
		known = known || now.Before(a.ExpiresAt) && (same(a.Flow, mac) || a.Browser != "" && same(a.Browser, mac))
		return nil
	})
	if err != nil || known {
		return known, err
	}
	err = vault.Outcomes.Each(tx, func(o vault.Outcome) error {
		known = known || now.Before(o.ExpiresAt) && o.Browser != "" && same(o.Browser, mac)
		return nil
	})
	return known, err
}

// liveLaunches lists the launches that have not run out, the oldest first, and deletes the others.
func liveLaunches(tx *vault.Tx, now time.Time) ([]vault.Launch, error) {
	var open, over []vault.Launch
	err := vault.Launches.Each(tx, func(l vault.Launch) error {
		if now.Before(l.ExpiresAt) {
			open = append(open, l)
		} else {
			over = append(over, l)
		}
		return nil
	})
	for _, l := range over {
		err = errors.Join(err, vault.Launches.Delete(tx, l.Key))
	}
	slices.SortFunc(open, func(a, b vault.Launch) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.Key, b.Key))
	})
	return open, err
}

// admitLaunch stores a launch where there is room: the browser's own oldest makes it, nobody else's.
func admitLaunch(tx *vault.Tx, open []vault.Launch, launch vault.Launch) error {
	var mine []vault.Launch
	for _, l := range open {
		if same(l.Browser, launch.Browser) {
			mine = append(mine, l)
		}
	}
	gone := 0
	for ; len(mine) >= maxPerBrowser; mine, gone = mine[1:], gone+1 {
		if err := vault.Launches.Delete(tx, mine[0].Key); err != nil {
			return err
		}
	}
	if len(open)-gone >= maxLaunches {
		return &Error{Code: CodeLaunchRefused, Reason: launchTooMany}
	}
	return vault.Launches.Put(tx, launch.Key, &launch)
}

// LaunchOf is the open launch of a handle, for the browser that was called; any other is launch_unknown.
func (c *Connector) LaunchOf(handle string, browser Browser) (vault.Launch, error) {
	if !is256(handle) {
		return vault.Launch{}, &Error{Code: CodeLaunchUnknown}
	}
	var launch vault.Launch
	err := c.vault.View(func(tx *vault.Tx) (err error) {
		launch, err = vault.Launches.Get(tx, c.launchKey(handle))
		return err
	})
	if errors.Is(err, vault.ErrNotFound) || errors.Is(err, vault.ErrIntegrity) {
		return vault.Launch{}, &Error{Code: CodeLaunchUnknown, Err: err}
	}
	if err != nil {
		return vault.Launch{}, stored(err)
	}
	flow := browser.value(launch.Framed)
	if flow == "" || !same(launch.Browser, c.flowMAC(flow)) || !time.Now().Before(launch.ExpiresAt) {
		return vault.Launch{}, &Error{Code: CodeLaunchUnknown}
	}
	return launch, nil
}

// launchKey is what the vault knows of a handle.
func (c *Connector) launchKey(handle string) string { return c.vault.MAC("connect.launch", handle) }
