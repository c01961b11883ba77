package app

import (
	"encoding/json"
	"strconv"
	"strings"

	"locum/app/words"
	"locum/shared"
)

// client is the one door to HTTP: every byte that the app sends leaves through it. It speaks to Locum's own origin only
// and never repeats a request by itself. Its methods block and belong in page.async, never in a handler.
type client struct {
	send      func(request) (response, error) // fetch, in a browser
	signedOut func()                          // called when Locum answers that the session has ended
	build     func(string)                    // called with the build that answered
}

// request is one call of Locum's API or of a platform's API through /proxy/v1. Body is JSON, nil for none.
type request struct {
	method string
	path   string // with its query
	body   []byte
}

// response is a complete answer with the few headers that the app reads.
type response struct {
	status  int
	kind    string // Content-Type
	build   string
	budgets [2]string // endpoint, clinic
	retry   string    // Retry-After
	body    []byte
}

// failure is why a call did not give what was asked for. The problem is Locum's own, or one made up here in the same
// vocabulary where the platform or the network failed; detail is the platform's own message, if it gave one.
type failure struct {
	shared.Problem
	detail string
}

func (f *failure) Error() string { return string(f.Code) }

// failed wraps any error as a failure.
func failed(err error) *failure {
	if f, ok := err.(*failure); ok { // Never wrapped: the client makes them and the pages show them.
		return f
	}
	return &failure{Problem: shared.Problem{Code: shared.CodeInternal}}
}

func failWith(code shared.Code) *failure { return &failure{Problem: shared.Problem{Code: code}} }

// call sends in as JSON (nil: no body) and reads the answer into out (nil: ignored).
func (c *client) call(method, path string, in, out any) (response, error) {
	answer, err := c.ask(method, path, in, out)
	if err != nil && failed(err).Code == shared.CodeSignedOut && c.signedOut != nil {
		c.signedOut()
	}
	return answer, err
}

// ask is call for pages that need nobody signed in: that nobody is, is an answer like others there.
func (c *client) ask(method, path string, in, out any) (response, error) {
	r := request{method: method, path: path}
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return response{}, err
		}
		r.body = body
	}
	answer, err := c.send(r)
	if err != nil {
		return response{}, failWith(words.CodeOffline)
	}
	if answer.build != "" && c.build != nil {
		c.build(answer.build)
	}
	if answer.status >= 400 {
		return answer, readFailure(answer)
	}
	if out == nil || len(answer.body) == 0 {
		return answer, nil
	}
	if json.Unmarshal(answer.body, out) != nil {
		return answer, failWith(shared.CodePlatformBadAnswer)
	}
	return answer, nil
}

// readFailure reads a refused answer: Locum's problem+json (RFC 9457), or whatever the platform said, by status alone.
func readFailure(answer response) *failure {
	if kind, _, _ := strings.Cut(answer.kind, ";"); kind == "application/problem+json" {
		f := &failure{}
		if json.Unmarshal(answer.body, &f.Problem) == nil && f.Code != "" {
			return f
		}
	}
	f := &failure{detail: platformMessage(answer.body)}
	f.Status = answer.status
	f.RetryAfter, _ = strconv.Atoi(answer.retry)
	switch s := answer.status; {
	case s == 401 || s == 403:
		f.Code = words.CodeUpstreamRefused
	case s == 404:
		f.Code = words.CodeUpstreamMissing
	case s == 429:
		f.Code = shared.CodeBudgetSpent
	case s >= 500:
		f.Code = shared.CodePlatformUnavailable
	default:
		f.Code = words.CodeUpstreamInvalid
	}
	return f
}

// platformMessage reads the sentence of one of Jane's error shapes: {"errors":[{"message"}]}, {"error","messages":[]},
// {"message"}; "" when there is none.
func platformMessage(body []byte) string {
	var shape struct {
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
		Messages []string `json:"messages"`
		Message  string   `json:"message"`
		Error    string   `json:"error"`
	}
	if json.Unmarshal(body, &shape) != nil {
		return ""
	}
	var all []string
	for _, e := range shape.Errors {
		all = append(all, e.Message)
	}
	all = append(all, shape.Messages...)
	if len(all) == 0 {
		all = append(all, shape.Message+shape.Error)
	}
	return clip(strings.Join(all, " · "), 300)
}

// clip shortens text to at most n bytes, at a rune.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}

func (c *client) session() (s shared.Session, err error) {
	_, err = c.call("GET", shared.PathSession, nil, &s)
	return s, err
}

// activity says that a person has really done something; polling and loading never count.
func (c *client) activity() error {
	_, err := c.call("POST", shared.PathActivity, struct{}{}, nil)
	return err
}

func (c *client) platforms() (list shared.Platforms, err error) {
	_, err = c.call("GET", shared.PathPlatforms, nil, &list)
	return list, err
}

func (c *client) connect(r shared.ConnectRequest) (answer shared.ConnectAnswer, err error) {
	_, err = c.call("POST", shared.PathConnect, r, &answer)
	return answer, err
}

func (c *client) outcome(clientState string) (o shared.Outcome, err error) {
	_, err = c.call("POST", shared.PathOutcome, shared.OutcomeRequest{ClientState: clientState}, &o)
	return o, err
}

// guest reads the session for a page that needs nobody signed in.
func (c *client) guest() (s shared.Session, err error) {
	_, err = c.ask("GET", shared.PathSession, nil, &s)
	return s, err
}

// launchInfo says who asks to open Locum; nobody needs to be signed in.
func (c *client) launchInfo(launch string) (info shared.LaunchInfo, err error) {
	_, err = c.ask("GET", shared.PathLaunch+"/"+launch, nil, &info)
	return info, err
}

func (c *client) launch(r shared.LaunchRequest) (answer shared.ConnectAnswer, err error) {
	_, err = c.ask("POST", shared.PathLaunch, r, &answer)
	return answer, err
}

// signIn agrees to be signed in as the practitioner whom the outcome named.
func (c *client) signIn(clientState, practitioner string) (o shared.Outcome, err error) {
	_, err = c.ask("POST", shared.PathOutcome, shared.OutcomeRequest{ClientState: clientState, SignIn: practitioner}, &o)
	return o, err
}

// link says that the person at the platform is the practitioner who is signed in here, as the page has named them.
func (c *client) link(clientState, practitioner string) (o shared.Outcome, err error) {
	_, err = c.ask("POST", shared.PathLaunch+"/link", shared.LinkRequest{ClientState: clientState, Practitioner: practitioner}, &o)
	return o, err
}

// decline says that the person at the platform is nobody who is here.
func (c *client) decline(clientState string) (o shared.Outcome, err error) {
	_, err = c.ask("POST", shared.PathLaunch+"/link", shared.LinkRequest{ClientState: clientState, Decline: true}, &o)
	return o, err
}

func (c *client) style(connection string) (s shared.Style, err error) {
	_, err = c.call("GET", shared.PathConnections+"/"+connection+"/style", nil, &s)
	return s, err
}

func (c *client) services() (list shared.Services, err error) {
	_, err = c.call("GET", shared.PathServices, nil, &list)
	return list, err
}

func (c *client) connections() (list shared.Connections, err error) {
	_, err = c.call("GET", shared.PathConnections, nil, &list)
	return list, err
}

func (c *client) life(connection string) (l shared.Life, err error) {
	_, err = c.call("GET", shared.PathConnections+"/"+connection+"/life", nil, &l)
	return l, err
}

// diagnose has the platform asked about a connection; nothing changes there.
func (c *client) diagnose(connection string) (d shared.Diagnosis, err error) {
	_, err = c.call("POST", shared.PathConnections+"/"+connection+"/diagnosis", struct{}{}, &d)
	return d, err
}

func (c *client) disconnect(connection string) (d shared.Disconnected, err error) {
	_, err = c.call("DELETE", shared.PathConnections+"/"+connection, nil, &d)
	return d, err
}

// readAllowance reads a budget header: "limit=100, remaining=97, reset=34". A header that is none answers false.
func readAllowance(header string) (a shared.Allowance, ok bool) {
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			return shared.Allowance{}, false
		}
		switch name {
		case "limit":
			a.Limit = n
		case "remaining":
			a.Remaining = n
		case "reset":
			a.Reset = n
		}
	}
	return a, a.Limit > 0
}
